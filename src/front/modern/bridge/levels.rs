//! Log messages of a backend that a modern request asked for. Pure.

use mcpvisor_actors::message::Envelope;
use serde::Deserialize;

/// RFC 5424, the most verbose first.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A level of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(usize);

impl Level {
    /// Reads a level in JSON; `None`: there is none of that name.
    pub(crate) fn parse(raw: &[u8]) -> Option<Self> {
        let name: String = serde_json::from_slice(raw).ok()?;
        LEVELS.iter().position(|known| *known == name).map(Self)
    }

    pub(crate) fn as_str(self) -> &'static str {
        LEVELS.get(self.0).copied().unwrap_or("debug")
    }

    /// Whether a request that asked for this level is told `message`. What has no level is for all.
    pub(crate) fn hears(self, message: &Envelope) -> bool {
        #[derive(Deserialize)]
        struct Params {
            level: String,
        }
        let params = message.params().and_then(|raw| serde_json::from_slice::<Params>(raw).ok());
        let level = params.and_then(|params| LEVELS.iter().position(|known| *known == params.level));
        level.is_none_or(|level| level >= self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_hears_what_it_asked_for_and_worse() {
        let level = Level::parse(b"\"warning\"").unwrap();
        let log = |level: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
            );
            Envelope::parse(text.into()).unwrap()
        };
        assert!(level.hears(&log("warning")) && level.hears(&log("emergency")) && !level.hears(&log("info")));
        assert_eq!(level.as_str(), "warning");
        assert!(Level::parse(b"\"loud\"").is_none() && Level::parse(b"7").is_none());
    }
}
