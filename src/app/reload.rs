//! Puts another configuration into effect while the service runs, one reload after the other.
//!
//! * Owns: what the configuration is loaded from.
//! * Receives: orders, from SIGHUP, the admin API, the watch over the files.
//! * Does: loads and checks everything, then tells the tree, the front and the admin listener, in this order. On any
//!   problem all of them keep what they have.

mod apply;
pub mod report;
mod watch;

use std::sync::Arc;

use mcpvisor_actors::Launcher;
use tokio::sync::{mpsc, oneshot};

use super::notify::Notify;
use super::settings::Settings;
use crate::admin::AccessRules;
use crate::front::Front;
use crate::telemetry::log::LogLevel;
use crate::telemetry::recorder::Metrics;
use crate::tls::Tls;
use report::ReloadReport;

/// Orders that may wait; whoever finds the queue full will be served by one of these.
const WAITING: usize = 16;

/// Where reloads are ordered. Cheap to clone.
#[derive(Clone)]
pub struct Reloads(mpsc::Sender<Order>);

struct Order {
    /// For the log.
    cause: &'static str,
    dry_run: bool,
    reply: Option<oneshot::Sender<ReloadReport>>,
}

/// Everybody who has to be told.
pub(super) struct Reloading {
    pub(super) settings: Settings,
    pub(super) launcher: Launcher,
    pub(super) front: Arc<Front>,
    pub(super) access: AccessRules,
    /// Of both listeners, in the order of [`tls::read`](crate::tls::read).
    pub(super) tls: [Tls; 2],
    pub(super) metrics: Metrics,
    pub(super) log_level: LogLevel,
    pub(super) notify: Notify,
}

/// The orders to come, for the one who carries them out.
pub struct Orders(mpsc::Receiver<Order>);

impl Reloads {
    /// The way in, and what comes out of it.
    pub fn new() -> (Self, Orders) {
        let (orders, ordered) = mpsc::channel(WAITING);
        (Self(orders), Orders(ordered))
    }

    /// Reloads, or with `dry_run` says what a reload would do. `None`: the service is ending.
    pub async fn order(&self, cause: &'static str, dry_run: bool) -> Option<ReloadReport> {
        let (reply, report) = oneshot::channel();
        self.0.send(Order { cause, dry_run, reply: Some(reply) }).await.ok()?;
        report.await.ok()
    }

    /// Reloads some time soon. The log says what came of it.
    pub(super) fn order_soon(&self, cause: &'static str) {
        // Full: those that wait have not begun, and will find the same files.
        let _ = self.0.try_send(Order { cause, dry_run: false, reply: None });
    }
}

impl Reloading {
    /// From now on orders are carried out.
    pub(super) fn start(mut self, mut orders: Orders, reloads: &Reloads) {
        let (watched, files) = tokio::sync::watch::channel(self.settings.watched());
        tokio::spawn(watch::run(files, self.launcher.clone(), reloads.clone()));
        tokio::spawn(async move {
            while let Some(Order { cause, dry_run, reply }) = orders.0.recv().await {
                let report = if dry_run { self.look().await } else { self.reload(cause).await };
                watched.send_replace(self.settings.watched());
                if let Some(reply) = reply {
                    // Whoever asked may have gone.
                    let _ = reply.send(report);
                }
            }
        });
    }
}
