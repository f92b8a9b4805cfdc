//! `[principal_limits]` and `[http]`: how much one client may take of what there is for all. In counts and rates 0 is no bound.

use std::time::Duration;

/// `[principal_limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrincipalLimits {
    /// Sessions at once.
    pub max_sessions: usize,
    /// Connections to backends that are its own, at once.
    pub max_connections: usize,
    /// Those of them that are launching.
    pub max_launches: usize,
    /// Requests from arrival to answer, at once.
    pub max_requests: usize,
    /// Open event streams that belong to no request.
    pub max_streams: usize,
    /// How fast requests may come, to all backends together.
    pub rate: Rate,
}

/// `[http]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// Open TCP connections of one listener; never 0.
    pub max_tcp_connections: usize,
    /// Of these, from one address; 0 = no bound of its own.
    pub max_tcp_connections_per_peer: usize,
    /// Headers of a request; never 0.
    pub max_headers: usize,
    /// Bytes of the head of a request; never 0.
    pub max_header_bytes: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// The whole body of a request.
    pub body_timeout: Duration,
    /// How long a connection may ask nothing.
    pub keep_alive: Duration,
    /// Requests of all clients from arrival to answer, at once.
    pub max_requests: usize,
    /// Open event streams of all clients that belong to no request.
    pub max_streams: usize,
}

/// So many requests per second, and so many at once before that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// On average; 0 = as many as come.
    pub requests_per_second: u32,
    /// At once; 0 = those of one second.
    pub burst: u32,
}

impl Rate {
    /// Whether it bounds anything.
    pub fn is_on(self) -> bool {
        self.requests_per_second > 0
    }

    /// How many may come at once; at least 1.
    pub fn at_once(self) -> u32 {
        match self.burst {
            0 => self.requests_per_second.max(1),
            burst => burst,
        }
    }
}
