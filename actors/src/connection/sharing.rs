//! What the sessions that share one connection want of it, put together. Pure.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;

use crate::message;
use crate::route::SessionId;

/// Log levels of the protocol (RFC 5424), the most verbose first.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

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

    pub(super) fn wants(&self, uri: &str, session: SessionId) -> bool {
        self.by_uri.get(uri).is_some_and(|sessions| sessions.contains(&session))
    }
}

/// The place of a level in the protocol's order; `None`: no such level.
pub(super) fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

/// The `level` of a `logging/setLevel` or of a log message.
pub(super) fn level(params: Option<&[u8]>) -> Option<usize> {
    #[derive(Deserialize)]
    struct Params {
        level: String,
    }
    rank(&serde_json::from_slice::<Params>(params?).ok()?.level)
}

/// The params of a `logging/setLevel` that satisfies everybody: the most verbose level that one of them set.
pub(super) fn level_for_all(levels: impl Iterator<Item = usize>) -> Option<Bytes> {
    let name = LEVELS.get(levels.min()?)?;
    Some(Bytes::from(format!(r#"{{"level":"{name}"}}"#)))
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

/// `resources/unsubscribe` in nobody's name.
pub(super) fn unsubscribe(id: u64, uri: &str) -> Bytes {
    message::request(id, "resources/unsubscribe", &serde_json::json!({ "uri": uri }))
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
        assert!(!subscriptions.wants("a", one.session()) && subscriptions.wants("a", other.session()));
        subscriptions.add("a".into(), one.session());
        assert_eq!(subscriptions.leave(other.session()), ["b"], "the other one still wants a");
        assert!(subscriptions.remove("a", one.session()));
    }

    #[test]
    fn the_most_verbose_level_wins() {
        let levels = [level(Some(br#"{"level":"error"}"#)), level(Some(br#"{"level":"info"}"#))];
        let all = level_for_all(levels.into_iter().flatten());
        assert_eq!(all.as_deref(), Some(&br#"{"level":"info"}"#[..]));
        assert_eq!(level_for_all(std::iter::empty()), None);
        assert_eq!(level(Some(br#"{"level":"loud"}"#)), None);
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
