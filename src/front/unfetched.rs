//! Large answers on their way: handed to the connection piece by piece, and counted until it has taken them, since a client
//! that calls on and on and fetches nothing must not fill the memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_actors::{Overload, Refusal};

use super::face::UNFETCHED;
use super::session::Session;

/// What is not longer goes in one piece and is not counted.
const PIECE: usize = 256 << 10;

/// Before a client that has much to fetch should ask for more.
const RETRY: Duration = Duration::from_secs(1);

/// What of a large answer its connection has not taken yet. All of it counts until the last piece is taken: a part keeps the
/// whole in memory.
pub(crate) struct Unfetched {
    session: Arc<Session>,
    counted: usize,
    rest: Bytes,
}

impl Unfetched {
    /// `None` for an answer that is not large.
    pub(crate) fn of(session: &Arc<Session>, answer: &Bytes) -> Option<Self> {
        (answer.len() > PIECE).then(|| {
            session.unfetched().fetch_add(answer.len(), Relaxed);
            Self { session: session.clone(), counted: answer.len(), rest: answer.clone() }
        })
    }

    /// The next piece; `None` after the last.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        (!piece.is_empty()).then_some(piece)
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }
}

impl Drop for Unfetched {
    fn drop(&mut self) {
        self.session.unfetched().fetch_sub(self.counted, Relaxed);
    }
}

/// Why a session gets no more answers for now, if it has left too many unfetched.
pub(crate) fn refusal(session: &Session) -> Option<Refusal> {
    let face = session.face();
    (session.unfetched().load(Relaxed) > face.settings().max_unfetched).then(|| Refusal::Overloaded {
        backend: face.name.clone(),
        what: Overload::Unfetched,
        most: Some((face.settings().max_unfetched / UNFETCHED) as u64),
        retry_after: RETRY,
    })
}
