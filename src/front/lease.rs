//! How long a stream that belongs to no request may stay open: for as long as whoever has opened it might open it again.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::Front;
use super::inbound::Inbound;
use crate::auth::Caller;

/// Held by the stream; dropped with it.
pub(crate) struct Lease {
    token: CancellationToken,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    _watched: DropGuard,
}

impl Lease {
    /// Ends when the caller's key is taken back or replaced, its token expires, or it may use this no longer.
    pub(crate) fn begin(inbound: &Inbound<'_>) -> Self {
        Self::until(inbound, inbound.caller.expires_in())
    }

    /// The same for a stream that is a session, and cannot be opened again with another token. What its client says comes with tokens of
    /// its own.
    pub(crate) fn of_session(inbound: &Inbound<'_>) -> Self {
        Self::until(inbound, None)
    }

    fn until(inbound: &Inbound<'_>, expires_in: Option<Duration>) -> Self {
        let token = CancellationToken::new();
        let (front, reloads) = (inbound.front.me.clone(), inbound.front.reloaded.subscribe());
        let (caller, name) = (inbound.caller.clone(), inbound.face.name.clone());
        tokio::spawn(watch(front, reloads, caller, name, expires_in, token.clone()));
        let (over, _watched) = (Box::pin(token.clone().cancelled_owned()), token.clone().drop_guard());
        Self { token, over, _watched }
    }

    /// Comes back when it is over.
    pub(crate) async fn over(&self) {
        self.token.cancelled().await;
    }

    /// Whether it is over; wakes when it comes to be.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.over.as_mut().poll(cx)
    }
}

async fn watch(
    front: Weak<Front>,
    mut reloads: watch::Receiver<()>,
    caller: Caller,
    name: Arc<str>,
    expires_in: Option<Duration>,
    token: CancellationToken,
) {
    let expired = sleep(expires_in.unwrap_or_default());
    tokio::pin!(expired);
    loop {
        tokio::select! {
            () = token.cancelled() => return,
            () = &mut expired, if expires_in.is_some() => break,
            changed = reloads.changed() => if changed.is_err() { return },
        }
        match front.upgrade() {
            Some(front) if front.admits(&caller, &name) => {}
            _ => break,
        }
    }
    token.cancel();
}

impl Front {
    /// Whether the caller may still use what goes by that name.
    fn admits(&self, caller: &Caller, name: &str) -> bool {
        let rules = self.rules.load();
        rules.auth.honours(caller) && rules.allows(&caller.principal, name)
    }
}
