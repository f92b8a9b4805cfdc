//! Revisions of the protocol, as far as the front treats them differently.

use http::HeaderMap;

/// Names the revision that a client speaks after `initialize`.
pub(crate) const HEADER: &str = "mcp-protocol-version";

/// A revision with sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    /// 2024-11-05, which a client may negotiate with an old server over any transport.
    V2024_11_05,
    /// 2025-03-26: has batches. What is assumed of a client that says nothing.
    V2025_03_26,
    /// 2025-06-18: names itself in a header.
    V2025_06_18,
    /// 2025-11-25: primes its streams.
    V2025_11_25,
    /// 2026-07-28: has no sessions.
    V2026_07_28,
    /// Negotiated between a client and a backend that know more than we do.
    Other,
}

impl Version {
    const KNOWN: [Self; 4] = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];

    /// The revision of that name.
    pub(crate) fn of(name: &str) -> Self {
        Self::KNOWN.into_iter().find(|version| version.as_str() == name).unwrap_or(Self::Other)
    }

    /// Its name, fit for a metric label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
            Self::Other => "_OTHER",
        }
    }

    /// Whether a body may be an array of messages.
    pub(crate) fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// Whether a stream begins with an event that carries nothing but an id to resume from.
    pub(crate) fn primes_streams(self) -> bool {
        self == Self::V2025_11_25
    }
}

/// The value of the version header if it names no revision that a session here can have.
///
/// `negotiated` is the session's own, whatever it is.
pub(crate) fn unknown_version<'a>(headers: &'a HeaderMap, negotiated: &str) -> Option<&'a [u8]> {
    let value = headers.get(HEADER)?.as_bytes();
    let known = Version::KNOWN.iter().any(|version| version.as_str().as_bytes() == value);
    (!known && value != negotiated.as_bytes()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_nobody_negotiated_is_unknown() {
        let unknown = |value: &str, negotiated| {
            let headers: HeaderMap =
                [(HEADER.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            unknown_version(&headers, negotiated).is_some()
        };
        assert!(!unknown("2025-06-18", "2025-11-25"));
        assert!(!unknown("2030-01-01", "2030-01-01"));
        assert!(unknown("2030-01-01", "2025-11-25"));
        assert!(unknown("", "2025-11-25"));
        assert!(unknown_version(&HeaderMap::new(), "2025-11-25").is_none());
    }

    #[test]
    fn each_revision_keeps_its_own_rules() {
        assert!(Version::of("2025-03-26").has_batches());
        assert!(!Version::of("2025-06-18").has_batches());
        assert!(Version::of("2025-11-25").primes_streams());
        assert!(!Version::of("2025-06-18").primes_streams());
        assert_eq!(Version::of("next"), Version::Other);
    }
}
