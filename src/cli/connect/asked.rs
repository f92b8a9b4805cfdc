//! What the server has asked of the client, by the ids that the client knows. Pure.
//!
//! In the first session they are the server's own. A session that follows begins to count anew, and an answer that was on its
//! way to the one before must not be taken for one to it: so from then on the client gets ids of ours.

use std::collections::HashMap;

use bytes::Bytes;

/// See the module.
#[derive(Default)]
pub(super) struct Asked {
    /// Sessions before this one.
    sessions: u64,
    next: u64,
    /// The client's id (raw JSON) to the server's.
    open: HashMap<Bytes, Bytes>,
}

impl Asked {
    /// The id under which the client is asked.
    pub(super) fn ask(&mut self, id: Bytes) -> Bytes {
        let shown = if self.sessions == 0 {
            id.clone()
        } else {
            self.next += 1;
            Bytes::from(format!("\"mcpvisor-{}-{}\"", self.sessions, self.next))
        };
        self.open.insert(shown.clone(), id);
        shown
    }

    /// The id under which the server has asked; `None`: nobody waits for this answer.
    pub(super) fn answer(&mut self, shown: &[u8]) -> Option<Bytes> {
        self.open.remove(shown)
    }

    /// The server wants no answer any more; the id that the client knows.
    pub(super) fn taken_back(&mut self, id: &[u8]) -> Option<Bytes> {
        let shown = self.open.iter().find(|(_, own)| *own == id).map(|(shown, _)| shown.clone())?;
        self.open.remove(&shown);
        Some(shown)
    }

    /// The session is gone; the ids that the client need not answer any more.
    pub(super) fn lost(&mut self) -> Vec<Bytes> {
        self.sessions += 1;
        self.open.drain().map(|(shown, _)| shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// What the user said to one question would be taken for the answer to another.
    #[test]
    fn an_answer_never_reaches_the_session_after_the_one_that_asked() {
        let mut asked = Asked::default();
        assert_eq!(asked.ask(id("1")), id("1"));
        assert_eq!(asked.lost(), [id("1")]);
        let shown = asked.ask(id("1"));
        assert_ne!(shown, id("1"));
        assert_eq!(asked.answer(b"1"), None);
        assert_eq!(asked.answer(&shown), Some(id("1")));
        assert_eq!(asked.answer(&shown), None);
    }

    #[test]
    fn a_question_that_was_taken_back_is_known_by_the_clients_id() {
        let mut asked = Asked::default();
        asked.lost();
        let shown = asked.ask(id("\"a\""));
        assert_eq!(asked.taken_back(b"\"a\""), Some(shown.clone()));
        assert_eq!(asked.answer(&shown), None);
    }
}
