//! Standard input that tells when it ends.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;

/// Reads through, and reports the first end of file (or failure) to the receiver of [`UntilEof::new`].
pub(super) struct UntilEof<R> {
    inner: R,
    ended: Option<oneshot::Sender<()>>,
}

impl<R> UntilEof<R> {
    pub(super) fn new(inner: R) -> (Self, oneshot::Receiver<()>) {
        let (ended, at_end) = oneshot::channel();
        (Self { inner, ended: Some(ended) }, at_end)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEof<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let ended = match &polled {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => buffer.filled().len() == before,
            Poll::Ready(Err(_)) => true,
        };
        if ended && let Some(sender) = self.ended.take() {
            // Nobody may be waiting any more; then the end is known already.
            let _ = sender.send(());
        }
        polled
    }
}
