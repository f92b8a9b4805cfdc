//! What is said to a modern client, and in which form: one JSON message where that is all there is to say, a stream
//! where something precedes the answer or it takes long.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use mcpvisor_actors::Challenge;
use tokio::time::timeout;

use super::bridge::Bridge;
use super::call::Call;
use super::listen::{Fan, Listen};
use super::unified::Seen;
use crate::front::admission::Held;
use crate::front::body::{self, FrontBody, HttpResponse};
use crate::front::events::{KeepAlive, write_unnumbered};
use crate::front::face::Face;
use crate::front::measure::OpenStream;
use crate::front::rejection::Rejection;

/// One thing that is said.
pub(crate) enum Said {
    /// Something that precedes the answer.
    Event(Bytes),
    /// The answer, and the status that it has if nothing preceded it.
    Last(StatusCode, Bytes),
    /// The answer, where the backend will not have the client's credentials.
    Refused(Arc<Challenge>, Bytes),
}

/// Who says it. Each kind takes its request back when it is dropped too early.
pub(crate) enum Talk {
    Call(Call),
    Bridge(Bridge),
    Listen(Listen),
    /// Several backends that listen.
    Fan(Box<Fan>),
    /// One backend among several.
    Seen(Box<Seen>),
    /// Nobody yet: several backends are being asked.
    Later(Option<Later>),
    /// Nobody: it is known already.
    Told(Option<Said>),
}

/// What is worked out before anything is said.
pub(crate) type Later = Pin<Box<dyn Future<Output = Said> + Send>>;

impl Talk {
    /// The next thing; `None`: the client took the request back, or everything is said. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Said> {
        match self {
            Self::Call(call) => call.say().await,
            Self::Bridge(bridge) => bridge.say().await,
            Self::Listen(listen) => listen.say().await,
            Self::Fan(fan) => fan.say().await,
            Self::Seen(seen) => Box::pin(seen.say()).await,
            Self::Later(later) => {
                let said = later.as_mut()?.as_mut().await;
                *later = None;
                Some(said)
            }
            Self::Told(said) => said.take(),
        }
    }

    fn listens(&self) -> bool {
        matches!(self, Self::Listen(_) | Self::Fan(_))
    }
}

/// Waits for the first thing said, at most until somebody on the way might think the request lost; `held` until all is
/// said. `as_stream`: the client would rather have a stream, which an error with a status of its own cannot be.
pub(crate) async fn respond(face: &Arc<Face>, mut talk: Talk, held: Held, as_stream: bool) -> HttpResponse {
    let first = match timeout(face.settings().keep_alive, talk.next()).await {
        Ok(Some(Said::Last(StatusCode::OK, answer))) if as_stream => {
            talk = Talk::Told(None);
            Some(answer)
        }
        Ok(Some(Said::Last(status, answer))) => return body::json(status, answer),
        Ok(Some(Said::Refused(challenge, answer))) => {
            return Rejection::challenge(&challenge, answer).into_response();
        }
        Ok(Some(Said::Event(first))) => Some(first),
        Ok(None) => return body::empty(StatusCode::ACCEPTED),
        Err(_) => None,
    };
    body::event_stream(FrontBody::Talk(Box::new(TalkBody::new(face, talk, first, held))))
}

type Next = Pin<Box<dyn Future<Output = (Talk, Option<Said>)> + Send>>;

/// The stream of one request. Events have no ids: nothing of this era is resumed.
pub(crate) struct TalkBody {
    /// `None`: everything is said.
    next: Option<Next>,
    first: Option<Bytes>,
    keep_alive: KeepAlive,
    _open: OpenStream,
    /// Counts it at the bounds there are.
    _held: Held,
}

impl TalkBody {
    fn new(face: &Arc<Face>, talk: Talk, first: Option<Bytes>, held: Held) -> Self {
        let gauge = if talk.listens() { &face.streams_listen } else { &face.streams_post };
        let (keep_alive, open) = (KeepAlive::new(face.settings().keep_alive), OpenStream::new(gauge));
        Self { next: Some(next(talk)), first, keep_alive, _open: open, _held: held }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next.is_none() && self.first.is_none()
    }

    /// The next bytes of the stream.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut piece = BytesMut::new();
        if let Some(first) = self.first.take() {
            write_unnumbered(&mut piece, &first);
        } else {
            let Some(next) = &mut self.next else { return Poll::Ready(None) };
            match next.as_mut().poll(cx) {
                Poll::Ready((talk, said)) => self.said(talk, said, &mut piece),
                Poll::Pending => return self.keep_alive.poll(cx).map(Some),
            }
        }
        self.keep_alive.reset();
        let piece = piece.freeze();
        Poll::Ready((!piece.is_empty()).then_some(piece))
    }

    fn said(&mut self, talk: Talk, said: Option<Said>, piece: &mut BytesMut) {
        self.next = None;
        match said {
            Some(Said::Event(event)) => {
                write_unnumbered(piece, &event);
                self.next = Some(next(talk));
            }
            Some(Said::Last(_, answer) | Said::Refused(_, answer)) => write_unnumbered(piece, &answer),
            None => {}
        }
    }
}

fn next(mut talk: Talk) -> Next {
    Box::pin(async move {
        let said = talk.next().await;
        (talk, said)
    })
}
