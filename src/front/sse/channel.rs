//! The streams of HTTP+SSE by the ids that their clients name them by. Reads take no lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mcpvisor_actors::byte_channel::{self, Receiver, Sender};
use papaya::HashMap;
use tokio_util::sync::CancellationToken;

use crate::front::face::Face;
use crate::front::session::{FEED, Session};

/// All that are open.
#[derive(Default)]
pub(crate) struct Channels {
    open: HashMap<Arc<str>, Arc<Channel>>,
    taken: AtomicUsize,
}

/// One stream, as those see it who have something to say on it.
pub(crate) struct Channel {
    pub(super) id: Arc<str>,
    pub(super) principal: Arc<str>,
    pub(super) face: Arc<Face>,
    sender: Sender<Bytes>,
    greeted: AtomicBool,
    session: OnceLock<Arc<Session>>,
    over: CancellationToken,
}

impl Channels {
    /// A new one; `None`: there are `max` already.
    pub(super) fn open(
        &self,
        id: Arc<str>,
        principal: Arc<str>,
        face: Arc<Face>,
        max: usize,
    ) -> Option<(Arc<Channel>, Receiver<Bytes>)> {
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        let (sender, receiver) = byte_channel::channel(FEED);
        let (greeted, session, over) = (AtomicBool::new(false), OnceLock::new(), CancellationToken::new());
        let channel = Arc::new(Channel { id: id.clone(), principal, face, sender, greeted, session, over });
        self.open.pin().insert(id, channel.clone());
        Some((channel, receiver))
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Channel>> {
        self.open.pin().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        if self.open.pin().remove(id).is_some() {
            self.taken.fetch_sub(1, Relaxed);
        }
    }
}

impl Channel {
    /// Its session, once it was greeted.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.session.get()
    }

    /// False if somebody greets, or has greeted, already.
    pub(super) fn greet(&self) -> bool {
        !self.greeted.swap(true, Relaxed)
    }

    /// The greeting has failed: there may be another.
    pub(super) fn not_greeted(&self) {
        self.greeted.store(false, Relaxed);
    }

    pub(super) fn begin(&self, session: Arc<Session>) {
        // `greet` lets one through.
        let _ = self.session.set(session);
    }

    /// Says something, once the client has read enough of what was said before.
    pub(super) async fn say(&self, message: Bytes) {
        let length = message.len();
        tokio::select! {
            _ = self.sender.send(message, length) => {}
            () = self.over.cancelled() => {}
        }
    }

    /// Ends the stream once all is said.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    pub(super) fn ending(&self) -> CancellationToken {
        self.over.clone()
    }
}
