//! A comment now and then, so that nothing on the way takes a quiet stream for a dead one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

/// Fires once a stream has been quiet for `timeouts.sse_keepalive`.
pub(crate) struct KeepAlive {
    period: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, sleep: Box::pin(sleep(period)) }
    }

    /// Something was said: the quiet begins anew.
    pub(crate) fn reset(&mut self) {
        self.sleep.as_mut().reset(Instant::now() + self.period);
    }

    /// The comment, when one is due.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        std::task::ready!(self.sleep.as_mut().poll(cx));
        self.reset();
        Poll::Ready(Bytes::from_static(b": keep-alive\n\n"))
    }
}
