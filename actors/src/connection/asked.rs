//! Requests of the backend that wait at the client. Pure.
//!
//! They get ids that are unique for the session over all incarnations, of the JSON type that the backend
//! used; so an answer to an incarnation that is gone finds nothing here and is dropped.

use std::collections::HashMap;

use bytes::Bytes;

/// Ids of one incarnation; 2^20 of them, below 2^53 for 2^33 incarnations: exact in JavaScript.
const PER_INCARNATION: u64 = 1 << 20;

struct Question {
    /// The id the backend gave, raw JSON.
    original: Bytes,
    /// The request it belongs to, if that is known.
    about: Option<u64>,
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
    pub(super) fn add(&mut self, original: Bytes, about: Option<u64>) -> Bytes {
        self.last = (self.last + 1) % PER_INCARNATION;
        let number = self.incarnation * PER_INCARNATION + self.last;
        let id =
            if original.starts_with(b"\"") { format!("\"mcpvisor-{number}\"") } else { number.to_string() };
        let id = Bytes::from(id.into_bytes());
        self.open.insert(id.clone(), Question { original, about });
        id
    }

    /// The client has answered: the id that the backend knows.
    pub(super) fn answered(&mut self, id: &[u8]) -> Option<Bytes> {
        self.open.remove(id).map(|question| question.original)
    }

    /// The backend took its request back: the id that the client knows, and where it was asked.
    pub(super) fn withdrawn(&mut self, original: &[u8]) -> Option<(Bytes, Option<u64>)> {
        let (id, about) = self
            .open
            .iter()
            .find(|(_, question)| question.original == original)
            .map(|(id, question)| (id.clone(), question.about))?;
        self.open.remove(&id);
        Some((id, about))
    }

    /// Whether the client is being asked something for this request: its clock stands still.
    pub(super) fn waits_for(&self, wire: u64) -> bool {
        self.open.values().any(|question| question.about == Some(wire))
    }

    /// How many wait at the client.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// All ids that the client knows; none of them can be answered any more.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.open).into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_type_and_never_repeat_over_incarnations() {
        let mut first = Asked::new(7);
        let mut second = Asked::new(8);
        let one = first.add(Bytes::from_static(b"1"), None);
        let text = first.add(Bytes::from_static(b"\"1\""), Some(3));
        let two = second.add(Bytes::from_static(b"1"), None);
        assert!(one != two && text.starts_with(b"\""));
        assert!(second.answered(&one).is_none(), "an answer to a dead incarnation reaches nobody");
        assert!(first.waits_for(3));
        assert_eq!(first.answered(&text).as_deref(), Some(&b"\"1\""[..]));
        assert!(first.answered(&text).is_none(), "one answer each");
    }

    #[test]
    fn a_request_taken_back_is_found_by_the_id_of_the_backend() {
        let mut asked = Asked::new(1);
        let id = asked.add(Bytes::from_static(b"5"), Some(2));
        assert_eq!(asked.withdrawn(b"5"), Some((id, Some(2))));
        assert_eq!(asked.withdrawn(b"5"), None);
    }
}
