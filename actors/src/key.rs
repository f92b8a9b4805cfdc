//! Names: which backend, which session, which connection.

use std::fmt;
use std::sync::Arc;

use crate::era::Era;
use mcpvisor_config::{Backend, Isolation};
use sha2::{Digest, Sha256};

/// The session part of the key of a connection that all sessions share.
pub const SHARED: &str = "shared";

/// What the session part of the key of a principal's connection begins with. No session id has a colon in it.
const PRINCIPAL: &str = "principal:";

/// The same for clients that have no sessions, by the era in which the backend is spoken to.
const MODERN: &str = "modern:";
/// See [`MODERN`].
const BRIDGED: &str = "bridged:";

/// Names one supervised connection: what is launched at most once at any time.
///
/// Displayed `backend/session`; the session part may be a secret (a client's session id), so logs,
/// metrics and the admin API show [`ConnectionKey::session_hash`] instead.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// The backend's name in the configuration.
    pub backend_id: Arc<str>,
    /// The session, or [`SHARED`].
    pub session_id: Arc<str>,
}

impl ConnectionKey {
    /// The key of `session` on `backend`.
    pub fn new(backend: impl Into<Arc<str>>, session: impl Into<Arc<str>>) -> Self {
        Self { backend_id: backend.into(), session_id: session.into() }
    }

    /// The key of the connection that all sessions of `backend` share.
    pub fn shared(backend: impl Into<Arc<str>>) -> Self {
        Self::new(backend, SHARED)
    }

    /// The key of a client's session as `isolation` says: its own, its principal's, or everybody's.
    pub(crate) fn isolated(backend: &Backend, session: &str, principal: &str) -> Self {
        let name = &*backend.name;
        match backend.isolation {
            // A connection per request is for clients without sessions; this one has one.
            Isolation::Session | Isolation::Request => Self::new(name, session),
            Isolation::Principal => Self::new(name, format!("{PRINCIPAL}{principal}")),
            Isolation::Shared => Self::shared(name),
        }
    }

    /// The key of a connection for clients without sessions: `who` of them share it. The backend is spoken to in `era`.
    pub fn sessionless(backend: impl Into<Arc<str>>, era: Era, who: &str) -> Self {
        let prefix = match era {
            Era::Modern => MODERN,
            Era::Legacy => BRIDGED,
        };
        Self::new(backend, format!("{prefix}{who}"))
    }

    /// Whether sessions, or clients without one, share it.
    pub(crate) fn is_common(&self) -> bool {
        &*self.session_id == SHARED || self.session_id.starts_with(PRINCIPAL) || self.is_sessionless()
    }

    /// Whether those who share it may be of different principals.
    pub(crate) fn is_everybodys(&self) -> bool {
        let who = [MODERN, BRIDGED].iter().find_map(|prefix| self.session_id.strip_prefix(prefix));
        let who = who.unwrap_or(&self.session_id);
        who == SHARED || who.strip_prefix(SHARED).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Whether it was made by [`ConnectionKey::sessionless`].
    pub(crate) fn is_sessionless(&self) -> bool {
        self.session_id.starts_with(MODERN) || self.session_id.starts_with(BRIDGED)
    }

    /// What people see of the session: the first 12 hex digits of SHA-256 of the session part,
    /// or `shared`. Full session ids are credentials and never leave.
    pub fn session_hash(&self) -> String {
        if &*self.session_id == SHARED {
            return SHARED.to_owned();
        }
        let digest = Sha256::digest(self.session_id.as_bytes());
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend_id, self.session_id)
    }
}

/// Shows the hash, never the session id: `Debug` ends up in logs.
impl fmt::Debug for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend_id, self.session_hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_backend_slash_session() {
        assert_eq!(ConnectionKey::new("memory", "s1").to_string(), "memory/s1");
        assert_eq!(ConnectionKey::shared("memory").to_string(), "memory/shared");
    }

    /// One principal would be charged with what all use.
    #[test]
    fn what_everybody_shares_is_nobodys_own() {
        let guest = |who: &str| ConnectionKey::sessionless("b", Era::Legacy, who);
        assert!(ConnectionKey::shared("b").is_everybodys());
        assert!(guest("shared").is_everybodys() && guest("shared:0f").is_everybodys());
        assert!(!guest("principal:0f").is_everybodys() && !guest("header:1:2").is_everybodys());
        assert!(!ConnectionKey::new("b", "shared1").is_everybodys());
    }

    #[test]
    fn what_is_logged_of_a_session_is_a_hash_of_it() {
        let key = ConnectionKey::new("memory", "a-secret-session-id");
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(key.session_hash().len(), 12);
        assert_eq!(ConnectionKey::shared("memory").session_hash(), "shared");
    }
}
