//! Levels of log messages (`server/utilities/logging`, after RFC 5424).

use serde::Deserialize;

/// The most verbose first.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A level of the protocol. What is worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(usize);

impl LogLevel {
    /// `warning`
    pub const WARNING: Self = Self(3);

    /// The level of that name; `None`: there is none.
    pub fn of(name: &str) -> Option<Self> {
        LEVELS.iter().position(|known| *known == name).map(Self)
    }

    /// `params.level` of a `logging/setLevel` or of a log message; `None`: it has none that the protocol knows.
    pub fn in_params(params: Option<&[u8]>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Params {
            level: String,
        }
        Self::of(&serde_json::from_slice::<Params>(params?).ok()?.level)
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        LEVELS.get(self.0).copied().unwrap_or("debug")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_more_and_what_is_no_level_is_none() {
        assert!(
            LogLevel::of("error") > Some(LogLevel::WARNING) && LogLevel::of("info") < LogLevel::of("notice")
        );
        assert_eq!(LogLevel::WARNING.as_str(), "warning");
        assert_eq!(LogLevel::of("loud"), None);
        assert_eq!(LogLevel::in_params(Some(br#"{"level":"alert","data":1}"#)), LogLevel::of("alert"));
        assert_eq!(LogLevel::in_params(Some(br#"{"level":7}"#)), None);
    }
}
