//! What the sessions that share one connection want of it, put together. Pure.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;

use crate::message::LogLevel;
use crate::route::SessionId;

/// What a session hears that has asked for nothing, while others have asked.
const UNASKED: LogLevel = LogLevel::WARNING;

/// Who subscribed to which resource. Counted when a request is sent, not when it is answered: an unsubscribe must
/// not undo a subscription of another session that is on its way.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_uri: HashMap<String, HashSet<SessionId>>,
}

impl Subscriptions {
    pub(super) fn add(&mut self, uri: String, session: SessionId) {
        self.by_uri.entry(uri).or_default().insert(session);
    }

    /// True if nobody is left who wants it.
    pub(super) fn remove(&mut self, uri: &str, session: SessionId) -> bool {
        let Some(sessions) = self.by_uri.get_mut(uri) else { return true };
        sessions.remove(&session);
        let last = sessions.is_empty();
        if last {
            self.by_uri.remove(uri);
        }
        last
    }

    /// The session has ended: what nobody wants any more.
    pub(super) fn leave(&mut self, session: SessionId) -> Vec<String> {
        let of_it = |sessions: &HashSet<SessionId>| sessions.contains(&session);
        let its: Vec<String> =
            self.by_uri.iter().filter(|(_, sessions)| of_it(sessions)).map(|(uri, _)| uri.clone()).collect();
        its.into_iter().filter(|uri| self.remove(uri, session)).collect()
    }

    /// Whether an update of `uri` is for the session: it may be of a part of what it subscribed to.
    pub(super) fn hears(&self, uri: &str, session: SessionId) -> bool {
        self.by_uri.iter().any(|(whole, sessions)| sessions.contains(&session) && is_part_of(uri, whole))
    }

    /// Whether the session subscribed to anything.
    pub(super) fn has_any(&self, session: SessionId) -> bool {
        self.by_uri.values().any(|sessions| sessions.contains(&session))
    }

    /// What somebody subscribed to and nobody does in `now`.
    pub(super) fn missing_in(&self, now: &Self) -> Vec<String> {
        self.by_uri.keys().filter(|uri| !now.by_uri.contains_key(*uri)).cloned().collect()
    }
}

/// `notifications/resources/updated` may name a sub-resource of the one that was subscribed to.
fn is_part_of(uri: &str, whole: &str) -> bool {
    uri.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '?', '#']))
}

/// The log levels that sessions asked for. Counted when sent, as subscriptions are.
#[derive(Debug, Default)]
pub(super) struct Levels {
    by_session: HashMap<SessionId, LogLevel>,
    /// The backend was told a level: what it says is no longer its own choice.
    told: bool,
}

impl Levels {
    /// Remembers what the session asked for; `None`: nothing.
    pub(super) fn set(&mut self, session: SessionId, level: Option<LogLevel>) {
        match level {
            Some(level) => drop(self.by_session.insert(session, level)),
            None => drop(self.by_session.remove(&session)),
        }
    }

    /// The params of a `logging/setLevel` that satisfies all of `sessions`: the most verbose level that one of
    /// them wants. `None`: nobody has ever asked.
    pub(super) fn for_all(&mut self, sessions: impl IntoIterator<Item = SessionId>) -> Option<Bytes> {
        if self.by_session.is_empty() && !self.told {
            return None;
        }
        self.told = true;
        let wanted = sessions.into_iter().map(|session| self.wanted(session)).min()?;
        let name = wanted.as_str();
        Some(Bytes::from(format!(r#"{{"level":"{name}"}}"#)))
    }

    /// Whether a log message of this level is for the session.
    pub(super) fn hears(&self, session: SessionId, level: Option<LogLevel>) -> bool {
        !self.told || level.is_none_or(|level| level >= self.wanted(session))
    }

    fn wanted(&self, session: SessionId) -> LogLevel {
        self.by_session.get(&session).copied().unwrap_or(UNASKED)
    }
}

/// The `uri` of a subscription, or of an update.
pub(super) fn uri(params: Option<&[u8]>) -> Option<String> {
    #[derive(Deserialize)]
    struct Params {
        uri: String,
    }
    Some(serde_json::from_slice::<Params>(params?).ok()?.uri)
}

/// A progress token that no two sessions can both use: names the request on the wire, in the JSON type of the
/// client's own.
pub(super) fn wire_token(wire: u64, original: &[u8]) -> Bytes {
    let token = if original.starts_with(b"\"") { format!("\"mcpvisor-{wire}\"") } else { wire.to_string() };
    token.into()
}

/// The request that such a token names.
pub(super) fn request_of_token(token: &[u8]) -> Option<u64> {
    let token = std::str::from_utf8(token).ok()?;
    token.strip_prefix("\"mcpvisor-").and_then(|token| token.strip_suffix('"')).unwrap_or(token).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Route;

    #[tokio::test(start_paused = true)]
    async fn a_subscription_lasts_as_long_as_one_session_wants_it() {
        let (one, other) = (Route::for_tests(), Route::for_tests());
        let mut subscriptions = Subscriptions::default();
        subscriptions.add("a".into(), one.session());
        subscriptions.add("a".into(), other.session());
        subscriptions.add("b".into(), other.session());
        assert!(!subscriptions.remove("a", one.session()));
        assert!(!subscriptions.hears("a", one.session()) && subscriptions.hears("a", other.session()));
        subscriptions.add("a".into(), one.session());
        assert_eq!(subscriptions.leave(other.session()), ["b"], "the other one still wants a");
        assert!(subscriptions.remove("a", one.session()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_of_a_part_is_for_who_subscribed_to_the_whole() {
        let (one, other) = (Route::for_tests(), Route::for_tests());
        let mut subscriptions = Subscriptions::default();
        subscriptions.add("x://dir".into(), one.session());
        for uri in ["x://dir", "x://dir/a", "x://dir?v=2"] {
            assert!(subscriptions.hears(uri, one.session()), "{uri}");
            assert!(!subscriptions.hears(uri, other.session()));
        }
        assert!(!subscriptions.hears("x://directory", one.session()));
        assert!(subscriptions.has_any(one.session()) && !subscriptions.has_any(other.session()));
        assert_eq!(subscriptions.missing_in(&Subscriptions::default()), ["x://dir"]);
    }

    /// One session would take the warnings of all others away, or flood them with what it alone wanted to see.
    #[tokio::test(start_paused = true)]
    async fn everybody_hears_what_he_asked_for_and_no_less_than_warnings_without_asking() {
        let (one, other) = (Route::for_tests(), Route::for_tests());
        let (one, other) = (one.session(), other.session());
        let rank = LogLevel::of;
        let mut levels = Levels::default();
        assert_eq!(levels.for_all([one, other]), None);
        assert!(levels.hears(one, rank("debug")), "the backend's own choice");
        levels.set(one, rank("error"));
        assert_eq!(levels.for_all([one, other]).as_deref(), Some(&br#"{"level":"warning"}"#[..]));
        assert!(!levels.hears(one, rank("warning")) && levels.hears(other, rank("warning")));
        levels.set(one, rank("debug"));
        assert_eq!(levels.for_all([one, other]).as_deref(), Some(&br#"{"level":"debug"}"#[..]));
        assert!(levels.hears(one, rank("debug")) && !levels.hears(other, rank("info")));
        levels.set(one, None);
        assert_eq!(levels.for_all([other]).as_deref(), Some(&br#"{"level":"warning"}"#[..]));
        assert!(!levels.hears(other, rank("debug")), "what is gone floods nobody");
    }

    #[test]
    fn tokens_keep_their_type_and_name_their_request() {
        assert_eq!(&wire_token(7, b"\"x\"")[..], b"\"mcpvisor-7\"");
        assert_eq!(&wire_token(7, b"1")[..], b"7");
        assert_eq!(request_of_token(b"\"mcpvisor-7\""), Some(7));
        assert_eq!(request_of_token(b"7"), Some(7));
        assert_eq!(request_of_token(b"\"7\"x"), None);
    }
}
