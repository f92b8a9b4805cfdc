//! Who asks, and by what it is known.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::Tokens;

use super::issuer::now;
use super::token::{Untrusted, Verified};

/// One who has shown who it is, or of whom that is not asked.
#[derive(Clone)]
pub struct Caller {
    /// Whose sessions, connections and rules these are.
    pub principal: Arc<str>,
    pub(super) credential: Credential,
}

/// What a caller has shown. No secret: a key is known by its digest.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing, where nothing is asked for.
    Nothing,
    /// A key of `auth.keys`.
    Key([u8; 32]),
    /// A token of `auth.issuer`, and what was asked of it.
    Token(Arc<Verified>, Arc<Tokens>),
}

/// Why nobody was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// No credentials were sent.
    Missing,
    /// They are not ours.
    Invalid,
    /// A token that was valid once.
    Expired,
    /// A token that is valid elsewhere.
    Audience,
    /// A token that is valid, and not for so much.
    Scope,
    /// A token that names a key which the issuer may have had since its keys were fetched.
    UnknownKey,
    /// The issuer's keys were never fetched: nobody can tell.
    Unavailable,
}

impl Caller {
    /// Whether it has shown who it is: then there may be others.
    pub fn is_known(&self) -> bool {
        self.credential != Credential::Nothing
    }

    /// How long what it has shown is good for; `None`: nobody knows.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        let until = self.token()?.until;
        Some(Duration::from_secs(until.saturating_sub(now())))
    }

    /// The token that it has shown.
    pub(crate) fn token(&self) -> Option<&Arc<Verified>> {
        match &self.credential {
            Credential::Token(verified, _) => Some(verified),
            Credential::Nothing | Credential::Key(_) => None,
        }
    }
}

impl AuthFailure {
    /// The value of the metric label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid | Self::UnknownKey => "invalid",
            Self::Expired => "expired",
            Self::Audience => "audience",
            Self::Scope => "scope",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Untrusted> for AuthFailure {
    fn from(untrusted: Untrusted) -> Self {
        match untrusted {
            Untrusted::Invalid => Self::Invalid,
            Untrusted::Expired => Self::Expired,
            Untrusted::Audience => Self::Audience,
            Untrusted::UnknownKey => Self::UnknownKey,
        }
    }
}
