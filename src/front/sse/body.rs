//! The stream itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use mcpvisor_actors::EndCause;
use mcpvisor_actors::byte_channel::Receiver;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::channel::{Channel, Channels};
use crate::front::Front;
use crate::front::admission::Held;
use crate::front::events::{KeepAlive, write_named};
use crate::front::session::{Session, SessionMsg};

/// Events that are ready together travel in one piece, up to about this many bytes.
const PIECE: usize = 64 << 10;

/// Dropped, it ends the session.
pub(crate) struct SseBody {
    channel: Arc<Channel>,
    channels: Arc<Channels>,
    front: Weak<Front>,
    messages: Receiver<Bytes>,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
    keep_alive: KeepAlive,
    began: bool,
    /// Counts it at the bounds there are.
    _held: Held,
}

impl SseBody {
    pub(super) fn new(
        channel: Arc<Channel>,
        messages: Receiver<Bytes>,
        channels: Arc<Channels>,
        front: Weak<Front>,
        held: Held,
    ) -> Self {
        let over = Box::pin(channel.ending().cancelled_owned());
        let keep_alive = KeepAlive::new(channel.face.settings().keep_alive);
        Self { channel, channels, front, messages, over, keep_alive, began: false, _held: held }
    }

    /// The next bytes of the stream.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut piece = BytesMut::new();
        if !std::mem::replace(&mut self.began, true) {
            let place = format!("/message/{}?session_id={}", self.channel.face.name, self.channel.id);
            write_named(&mut piece, "endpoint", place.as_bytes());
        }
        while piece.len() < PIECE {
            match self.messages.poll_recv(cx) {
                Poll::Ready(Some(message)) => write_named(&mut piece, "message", &message),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if !piece.is_empty() {
            self.keep_alive.reset();
            return Poll::Ready(Some(piece.freeze()));
        }
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.keep_alive.poll(cx).map(Some)
    }
}

impl Drop for SseBody {
    fn drop(&mut self) {
        self.channels.remove(&self.channel.id);
        self.channel.close();
        if let (Some(session), Some(front)) = (self.channel.session(), self.front.upgrade()) {
            end(&front, session);
        }
    }
}

/// As a DELETE would.
pub(super) fn end(front: &Front, session: &Arc<Session>) {
    if let Some(session) = front.sessions.table().remove(session.id(), EndCause::Delete) {
        session.let_go(EndCause::Delete);
        session.send(SessionMsg::End);
    }
}
