//! The body of a POST, which notices when it leaves.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::event::{Events, Upstream};

/// Whether a request has been handed to its connection, said once to whoever listens.
#[derive(Clone)]
pub(super) struct Handover {
    done: Arc<AtomicBool>,
    wire: Option<u64>,
    events: Events,
}

impl Handover {
    pub(super) fn new(wire: Option<u64>, events: Events) -> Self {
        Self { done: Arc::default(), wire, events }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    pub(super) fn report(&self) {
        if !self.done.swap(true, Ordering::AcqRel)
            && let Some(wire) = self.wire
        {
            (self.events)(Upstream::Sent { wire });
        }
    }
}

/// One message; the connection takes it right after it has written the head.
pub(super) struct WatchedBody {
    frame: Option<Bytes>,
    handover: Handover,
}

impl WatchedBody {
    pub(super) fn new(frame: Bytes, handover: Handover) -> Self {
        Self { frame: Some(frame), handover }
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frame.take();
        if frame.is_some() {
            self.handover.report();
        }
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.frame.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.frame.as_ref().map_or(0, |frame| frame.len() as u64))
    }
}
