//! Requests of the backend that wait at the client. Pure.
//!
//! They get ids that are unique for the session over all incarnations, of the JSON type that the backend
//! used; so an answer to an incarnation that is gone finds nothing here and is dropped.

use std::collections::HashMap;

use bytes::Bytes;

use crate::route::Route;

/// Ids of one incarnation; 2^20 of them, below 2^53 for 2^33 incarnations: exact in JavaScript.
const PER_INCARNATION: u64 = 1 << 20;

struct Question {
    /// The id the backend gave, raw JSON.
    original: Bytes,
    /// The request it belongs to, if that is known.
    about: Option<u64>,
    /// Who was asked, and nobody else may answer.
    session: Route,
}

pub(super) struct Asked {
    incarnation: u64,
    last: u64,
    open: HashMap<Bytes, Question>,
}

impl Asked {
    pub(super) fn new(incarnation: u64) -> Self {
        Self { incarnation, last: 0, open: HashMap::new() }
    }

    /// The id that the client will see, raw JSON.
    pub(super) fn add(&mut self, original: Bytes, about: Option<u64>, session: Route) -> Bytes {
        self.last = (self.last + 1) % PER_INCARNATION;
        let number = self.incarnation * PER_INCARNATION + self.last;
        let id =
            if original.starts_with(b"\"") { format!("\"mcpvisor-{number}\"") } else { number.to_string() };
        let id = Bytes::from(id.into_bytes());
        self.open.insert(id.clone(), Question { original, about, session });
        id
    }

    /// The client has answered: the id that the backend knows.
    pub(super) fn answered(&mut self, session: &Route, id: &[u8]) -> Option<Bytes> {
        self.open.get(id).filter(|question| question.session.is(session))?;
        self.open.remove(id).map(|question| question.original)
    }

    /// The backend took its request back: the id that the client knows, where it was asked, and whom.
    pub(super) fn withdrawn(&mut self, original: &[u8]) -> Option<(Bytes, Option<u64>, Route)> {
        let asked = self.open.iter().find(|(_, question)| question.original == original);
        let id = asked.map(|(id, _)| id.clone())?;
        let question = self.open.remove(&id)?;
        Some((id, question.about, question.session))
    }

    /// The session has ended: what the backend will get no answer to, by the ids that it knows.
    pub(super) fn leave(&mut self, session: &Route) -> Vec<Bytes> {
        let own = self.open.extract_if(|_, question| question.session.is(session));
        own.map(|(_, question)| question.original).collect()
    }

    /// Whether the client is being asked something for this request: its clock stands still.
    pub(super) fn waits_for(&self, wire: u64) -> bool {
        self.open.values().any(|question| question.about == Some(wire))
    }

    /// Whether the backend may be waiting for its client and for nothing else: something is asked for one of the
    /// requests in flight, or for one that is not known.
    pub(super) fn is_open(&self, in_flight: impl Fn(u64) -> bool) -> bool {
        self.open.values().any(|question| question.about.is_none_or(&in_flight))
    }

    /// How many wait at clients.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many wait at this client.
    pub(super) fn of(&self, session: &Route) -> usize {
        self.open.values().filter(|question| question.session.is(session)).count()
    }

    /// All ids that clients know, and whose; none of them can be answered any more.
    pub(super) fn take(&mut self) -> Vec<(Bytes, Route)> {
        let all = std::mem::take(&mut self.open).into_iter();
        all.map(|(id, question)| (id, question.session)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ids_keep_their_type_and_never_repeat_over_incarnations() {
        let session = Route::for_tests();
        let mut first = Asked::new(7);
        let mut second = Asked::new(8);
        let one = first.add(Bytes::from_static(b"1"), None, session.clone());
        let text = first.add(Bytes::from_static(b"\"1\""), Some(3), session.clone());
        let two = second.add(Bytes::from_static(b"1"), None, session.clone());
        assert!(one != two && text.starts_with(b"\""));
        assert!(second.answered(&session, &one).is_none(), "an answer to a dead incarnation reaches nobody");
        assert!(first.waits_for(3));
        assert!(first.answered(&Route::for_tests(), &text).is_none(), "somebody else was asked");
        assert_eq!(first.answered(&session, &text).as_deref(), Some(&b"\"1\""[..]));
        assert!(first.answered(&session, &text).is_none(), "one answer each");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_taken_back_is_found_by_the_id_of_the_backend() {
        let session = Route::for_tests();
        let mut asked = Asked::new(1);
        let id = asked.add(Bytes::from_static(b"5"), Some(2), session.clone());
        let (taken, about, whose) = asked.withdrawn(b"5").unwrap();
        assert!((taken, about) == (id, Some(2)) && whose.is(&session));
        assert!(asked.withdrawn(b"5").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_ends_takes_only_its_own_questions_along() {
        let (one, other) = (Route::for_tests(), Route::for_tests());
        let mut asked = Asked::new(1);
        asked.add(Bytes::from_static(b"5"), None, one.clone());
        let kept = asked.add(Bytes::from_static(b"6"), None, other.clone());
        assert_eq!(asked.leave(&one), [Bytes::from_static(b"5")]);
        assert!(asked.answered(&other, &kept).is_some());
    }
}
