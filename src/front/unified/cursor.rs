//! Where a list goes on: sealed, so that nobody can make one up, or go on with somebody else's.

use serde::{Deserialize, Serialize};

use crate::front::modern::Seal;

/// A page of a unified list holds the next page of every backend that has one. This says which those are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// `/mcp`, or which group.
    pub(crate) set: String,
    pub(crate) principal: String,
    /// Which list.
    pub(crate) method: String,
    /// Whether the first page might be kept for everybody: every page says the same.
    pub(crate) public: bool,
    /// Backends and where each goes on; an empty cursor is one.
    pub(crate) places: Vec<(String, String)>,
}

impl Cursor {
    /// `None`: the system has no random numbers.
    pub(crate) fn seal(&self, seal: &Seal) -> Option<String> {
        seal.close(self)
    }

    /// `None`: it is none of ours, or not for this.
    pub(crate) fn open(seal: &Seal, sealed: &str, set: &str, principal: &str, method: &str) -> Option<Self> {
        let cursor: Self = seal.open(sealed)?;
        (cursor.set == set && cursor.principal == principal && cursor.method == method).then_some(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One user would read on in the list of another, or a backend get a cursor that it has never given.
    #[test]
    fn a_cursor_is_good_for_its_list_and_its_principal_only() {
        let seal = Seal::new("").unwrap();
        let places = vec![("a".to_owned(), String::new()), ("b".to_owned(), "7".to_owned())];
        let (set, principal, method) = ("*".to_owned(), "p".to_owned(), "tools/list".to_owned());
        let cursor = Cursor { set, principal, method, public: false, places };
        let sealed = cursor.seal(&seal).unwrap();
        assert_eq!(Cursor::open(&seal, &sealed, "*", "p", "tools/list"), Some(cursor));
        for (set, principal, method) in
            [("g", "p", "tools/list"), ("*", "q", "tools/list"), ("*", "p", "prompts/list")]
        {
            assert_eq!(Cursor::open(&seal, &sealed, set, principal, method), None);
        }
        assert_eq!(Cursor::open(&seal, "7", "*", "p", "tools/list"), None);
    }
}
