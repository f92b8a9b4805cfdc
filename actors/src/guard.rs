//! The guard: a small process that outlives this one when it is killed, and then ends its children.
//!
//! ```text
//! mcpvisor                                       guard (the same program, re-executed)
//!  Process ─remember, forget─> keeper ═══ pipe ═══> the groups that live, and their instance
//!                                 ║                 the pipe ends without a goodbye:
//!                              restarts it          SIGTERM, 2 s, SIGKILL, sweep by marker, containers, exit
//! ```
//!
//! `PR_SET_PDEATHSIG` cannot do this: it fires when the *thread* that started the child ends, and it does not reach
//! grandchildren. The kernel closes the pipe whatever becomes of us, and not before every child of ours is past its
//! `exec`: until then it holds a copy of the pipe's end.

mod cleanup;
mod keeper;
mod record;
mod running;
mod watch;

use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::process::container::Engine;
pub(crate) use record::is_instance;
pub use watch::run_guard;

/// Tells the guard what lives. Cheap to clone, never waits. Without a guard it does nothing.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    orders: Option<mpsc::UnboundedSender<Order>>,
}

/// What the keeper is told.
#[derive(Debug)]
enum Order {
    /// This group lives, led by a process that started then.
    Remember { group: u32, started: u64 },
    /// Containers of ours run by this engine, as [`Engine::written`] has it.
    Engine { written: String },
    /// Nothing of this group lives any more.
    Forget { group: u32 },
    /// Nothing is left to guard. `done` once the guard has left.
    Goodbye { done: oneshot::Sender<()> },
}

impl Guard {
    /// No guard: a kill of this process leaves what ignores the end of its input.
    pub(crate) fn none() -> Self {
        Self { orders: None }
    }

    /// Starts this very program with these arguments, upon which it must call [`run_guard`], and keeps it alive. If it
    /// cannot be started now, that is logged and tried again.
    pub(crate) async fn start(arguments: Vec<OsString>, instance: Arc<str>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        keeper::start(arguments, instance, inbox).await;
        Self { orders: Some(orders) }
    }

    /// A group lives. To be called right after its start.
    pub(crate) fn remember(&self, group: u32, started: u64) {
        self.tell(Order::Remember { group, started });
    }

    /// A container runs by this engine. To be called right after its start.
    pub(crate) fn remember_engine(&self, engine: &Engine) {
        if let (Some(_), Some(written)) = (&self.orders, engine.written()) {
            self.tell(Order::Engine { written });
        }
    }

    /// A group is dead. To be called before its leader is reaped, after which its id may be another's.
    pub(crate) fn forget(&self, group: u32) {
        self.tell(Order::Forget { group });
    }

    /// Lets the guard go, since nothing lives any more. Returns when it has left.
    pub(crate) async fn goodbye(&self) {
        let (done, left) = oneshot::channel();
        self.tell(Order::Goodbye { done });
        // An error: there is none, or it was let go before.
        let _ = left.await;
    }

    fn tell(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Not delivered after a goodbye, or while the runtime shuts down: the guard sees to the rest by itself.
            let _ = orders.send(order);
        }
    }
}
