//! What a connection is about: the service tells when a request begins and its response is over, and `patient` reads it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

/// Shared by both sides of a connection, which are polled by one task.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

/// See [`Stage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum About {
    /// Nothing of the next request has come.
    Idle = 0,
    /// Some of its head has.
    Head = 1,
    /// A request is being answered.
    Request = 2,
    /// As `Idle`, and for so long that the connection may be taken apart until something comes.
    Rest = 3,
}

/// A response that is not over before it is dropped.
pub(super) struct StagedBody<B> {
    body: B,
    stage: Arc<Stage>,
}

impl Stage {
    pub(super) fn about(&self) -> About {
        match self.0.load(Relaxed) {
            0 => About::Idle,
            1 => About::Head,
            2 => About::Request,
            _ => About::Rest,
        }
    }

    pub(super) fn set(&self, about: About) {
        self.0.store(about as u8, Relaxed);
    }
}

/// The same service; it tells the stage of its connection.
pub(super) fn staged<S, B>(
    stage: Arc<Stage>,
    service: S,
) -> impl Service<Request<Incoming>, Response = Response<StagedBody<B>>, Error = Infallible, Future: Send>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>,
    B: Body + Unpin,
{
    service_fn(move |request| {
        stage.set(About::Request);
        let (answer, stage) = (service.call(request), stage.clone());
        async move { Ok(answer.await?.map(|body| StagedBody { body, stage })) }
    })
}

impl<B: Body + Unpin> Body for StagedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for StagedBody<B> {
    fn drop(&mut self) {
        self.stage.set(About::Idle);
    }
}
