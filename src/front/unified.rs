//! Several backends as one: `/mcp`, and `/mcp/group/NAME` for some of them (`docs/unified.md`).
//!
//! ```text
//! names, template, owners, cursor, view, greet, merge   pure: what is whose, and how it is said as one
//! set     which backends, now; follows a reload     part    those of them that one principal may use
//! list    asks all of them for a page, waits for none too long
//! hub     a session of the legacy era: one Route for each backend, made when it is first needed
//! ```
//! Clients without sessions come in by `modern::unified`, which goes the way of a single backend for each of them.

mod cursor;
mod greet;
mod hub;
mod list;
mod merge;
mod names;
mod owners;
mod part;
mod set;
mod template;
mod view;

#[cfg(feature = "fuzzing")]
pub(crate) use cursor::Cursor;
pub(crate) use greet::{Introduced, capabilities, instructions, server_info};
pub(crate) use hub::{Hub, Seen, initialize, learn_links};
pub(crate) use list::{Lister, PATIENCE, Purpose, learn, list};
pub(crate) use merge::{Page, UNAVAILABLE, unavailable};
pub(crate) use names::{split, unknown};
pub(crate) use owners::Owners;
pub(crate) use part::Part;
pub(crate) use set::{ALL, Members, Set, Sets, group, same};
pub(crate) use view::{List, View};

/// Who is asked for something, by what the request says of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A list.
    List(List),
    /// What a name with a prefix names, and what that is.
    Named(&'static str),
    /// What a URI names.
    Uri,
    /// What `ref` names.
    Reference,
    /// No backend in particular, or none at all.
    Nothing,
}

impl Asked {
    /// By the method, in either era.
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "tools/call" => Self::Named("tool"),
            "prompts/get" => Self::Named("prompt"),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Self::Uri,
            "completion/complete" => Self::Reference,
            _ => List::of(method).map_or(Self::Nothing, Self::List),
        }
    }
}
