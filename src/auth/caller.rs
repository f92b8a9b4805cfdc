//! Who asks, and by what it is known.

use std::sync::Arc;

/// One who has shown who it is, or of whom that is not asked.
#[derive(Clone)]
pub struct Caller {
    /// Whose sessions, connections and rules these are.
    pub principal: Arc<str>,
    pub(super) credential: Credential,
}

impl Caller {
    /// Whether it has shown who it is: then there may be others.
    pub fn is_known(&self) -> bool {
        self.credential != Credential::Nothing
    }
}

/// What a caller has shown. No secret: a key is known by its digest.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing, where nothing is asked for.
    Nothing,
    /// A key of `auth.keys`.
    Key([u8; 32]),
}

/// Why nobody was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// No credentials were sent.
    Missing,
    /// They are not ours.
    Invalid,
}

impl AuthFailure {
    /// The value of the metric label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        }
    }
}
