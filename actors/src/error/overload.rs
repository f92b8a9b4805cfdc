//! The bounds that can be reached, by the settings that set them. Pure.

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overload {
    /// `limits.max_queued`, or what a backend takes at once.
    Queue,
    /// `limits.max_concurrent_launches`, until the deadline.
    Tickets,
    /// `limits.max_connections`
    Connections,
    /// The same of the backend.
    BackendConnections,
    /// `limits.max_sessions`
    Sessions,
    /// The same of the backend.
    BackendSessions,
    /// `limits.max_memory`
    Memory,
    /// The same of the backend.
    BackendMemory,
    /// Large answers that the session has not fetched.
    Unfetched,
    /// `limits.requests_per_second`, of the principal at the backend.
    Rate,
    /// The upstream itself has had enough (429).
    Upstream,
    /// `http.max_requests`
    Requests,
    /// `http.max_streams`
    Streams,
    /// `principal_limits.max_sessions`
    PrincipalSessions,
    /// `principal_limits.max_connections`
    PrincipalConnections,
    /// `principal_limits.max_launches`
    PrincipalLaunches,
    /// `principal_limits.max_requests`
    PrincipalRequests,
    /// `principal_limits.max_streams`
    PrincipalStreams,
    /// `principal_limits.requests_per_second`
    PrincipalRate,
}

impl Overload {
    /// Every one.
    pub const ALL: [Self; 19] = [
        Self::Queue,
        Self::Tickets,
        Self::Connections,
        Self::BackendConnections,
        Self::Sessions,
        Self::BackendSessions,
        Self::Memory,
        Self::BackendMemory,
        Self::Unfetched,
        Self::Rate,
        Self::Upstream,
        Self::Requests,
        Self::Streams,
        Self::PrincipalSessions,
        Self::PrincipalConnections,
        Self::PrincipalLaunches,
        Self::PrincipalRequests,
        Self::PrincipalStreams,
        Self::PrincipalRate,
    ];

    /// `data.reason`: what there was too much of.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Tickets | Self::PrincipalLaunches => "tickets",
            Self::Connections | Self::BackendConnections | Self::PrincipalConnections => "connections",
            Self::Sessions | Self::BackendSessions | Self::PrincipalSessions => "sessions",
            Self::Memory | Self::BackendMemory => "memory",
            Self::Unfetched => "unfetched",
            Self::Rate | Self::Upstream | Self::PrincipalRate => "rate",
            Self::Requests | Self::PrincipalRequests => "in_flight",
            Self::Streams | Self::PrincipalStreams => "streams",
        }
    }

    /// `data.scope`: whose bound it is.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Queue | Self::Unfetched => "session",
            Self::Tickets
            | Self::BackendConnections
            | Self::BackendSessions
            | Self::BackendMemory
            | Self::Upstream => "backend",
            Self::Connections | Self::Sessions | Self::Memory | Self::Requests | Self::Streams => "service",
            Self::Rate
            | Self::PrincipalSessions
            | Self::PrincipalConnections
            | Self::PrincipalLaunches
            | Self::PrincipalRequests
            | Self::PrincipalStreams
            | Self::PrincipalRate => "principal",
        }
    }

    /// The setting; `upstream` for the one that is not ours.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Queue => "limits.max_queued",
            Self::Tickets => "limits.max_concurrent_launches",
            Self::Connections | Self::BackendConnections => "limits.max_connections",
            Self::Sessions | Self::BackendSessions => "limits.max_sessions",
            Self::Memory | Self::BackendMemory => "limits.max_memory",
            Self::Unfetched => "limits.max_message_bytes",
            Self::Rate => "limits.requests_per_second",
            Self::Upstream => "upstream",
            Self::Requests => "http.max_requests",
            Self::Streams => "http.max_streams",
            Self::PrincipalSessions => "principal_limits.max_sessions",
            Self::PrincipalConnections => "principal_limits.max_connections",
            Self::PrincipalLaunches => "principal_limits.max_launches",
            Self::PrincipalRequests => "principal_limits.max_requests",
            Self::PrincipalStreams => "principal_limits.max_streams",
            Self::PrincipalRate => "principal_limits.requests_per_second",
        }
    }

    /// Whether it is the client, or whoever shares its key, that asks too much (429), and not all clients together (503).
    pub const fn is_the_clients(self) -> bool {
        matches!(self.scope().as_bytes(), b"session" | b"principal")
    }

    pub(super) fn text(self, most: Option<u64>) -> String {
        let what = match self {
            Self::Queue => "too many requests of this session are waiting",
            Self::Tickets => "too many launches at once, none could start in time",
            Self::Connections => "too many connections",
            Self::Sessions => "too many sessions",
            Self::BackendConnections => "too many connections to this backend",
            Self::BackendSessions => "too many sessions of this backend",
            Self::Memory => "no memory for one more server",
            Self::BackendMemory => "no memory for one more server of this backend",
            Self::Unfetched => "this session has not fetched the answers it has",
            Self::Rate => "too many requests of yours to this backend in this time",
            Self::Upstream => return "the backend has had too many requests in this time".to_owned(),
            Self::Requests => "too many requests at once",
            Self::Streams => "too many open streams",
            Self::PrincipalSessions => "too many sessions of yours",
            Self::PrincipalConnections => "too many connections of yours",
            Self::PrincipalLaunches => "too many launches of yours at once",
            Self::PrincipalRequests => "too many requests of yours at once",
            Self::PrincipalStreams => "too many open streams of yours",
            Self::PrincipalRate => "too many requests of yours in this time",
        };
        let times = if self == Self::Unfetched { "4 x " } else { "" };
        match most {
            Some(most) => format!("{what} ({times}{} = {most})", self.setting()),
            None => format!("{what} ({times}{})", self.setting()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is refused could not tell which setting to look at.
    #[test]
    fn what_is_refused_names_its_setting_and_value() {
        assert_eq!(
            Overload::PrincipalSessions.text(Some(3)),
            "too many sessions of yours (principal_limits.max_sessions = 3)"
        );
        let unfetched = Overload::Unfetched.text(Some(16));
        assert!(unfetched.ends_with("(4 x limits.max_message_bytes = 16)"), "{unfetched}");
    }

    /// One client's fault would be told as that of the service, and the other way round.
    #[test]
    fn a_bound_of_all_is_nobodys_fault() {
        assert!(Overload::PrincipalRate.is_the_clients() && Overload::Queue.is_the_clients());
        assert!(Overload::Rate.is_the_clients());
        for shared in [Overload::Sessions, Overload::Requests, Overload::Streams, Overload::Connections] {
            assert!(!shared.is_the_clients(), "{shared:?}");
        }
    }
}
