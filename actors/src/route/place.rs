//! Where the actors of a key are now, and what they say of themselves.

use std::sync::atomic::AtomicU32;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tokio::time::Instant;

use super::members::Members;
use crate::actor::ActorRef;
use crate::connection::{ConnectionMsg, Loss, SafeTools};
use crate::link::stderr::StderrHistory;
use crate::live::Settings;
use crate::metadata::Status;
use crate::metrics::ToolNames;
use crate::mirrored::MirroredTools;
use crate::supervisor::SupervisorMsg;
use crate::usage::Usage;

/// One per key; every route to the key shares it.
pub(crate) struct Place {
    pub(crate) connection: ArcSwapOption<ActorRef<ConnectionMsg>>,
    pub(crate) supervisor: ArcSwapOption<ActorRef<SupervisorMsg>>,
    pub(crate) status: ArcSwapOption<Status>,
    pub(crate) usage: Usage,
    /// As the backend's own tool list said, in whatever incarnation.
    pub(crate) safe_tools: ArcSwap<SafeTools>,
    /// The names that may be labels, if any may.
    pub(crate) tool_names: ArcSwapOption<ToolNames>,
    /// As they are now.
    pub(crate) settings: Settings,
    /// The same list, as far as headers repeat arguments.
    pub(crate) mirrored_tools: ArcSwap<MirroredTools>,
    /// Why the memory of the last incarnation is gone, until the clients have been told.
    pub(super) loss: ArcSwapOption<Loss>,
    /// Incarnations in a row whose upstream soon forgot the session before anything was answered in it.
    pub(crate) forgotten: AtomicU32,
    /// What its children have written to standard error.
    pub(crate) stderr: watch::Sender<StderrHistory>,
    /// The sessions that share the key; empty where it is one session's own.
    pub(crate) members: Members,
}

impl Place {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            connection: ArcSwapOption::empty(),
            supervisor: ArcSwapOption::empty(),
            status: ArcSwapOption::empty(),
            usage: Usage::new(Instant::now()),
            safe_tools: ArcSwap::default(),
            tool_names: ArcSwapOption::empty(),
            settings,
            mirrored_tools: ArcSwap::default(),
            loss: ArcSwapOption::empty(),
            forgotten: AtomicU32::new(0),
            stderr: watch::Sender::default(),
            members: Members::default(),
        }
    }
}
