//! `[http]`: what clients may do to the listeners before anybody knows who they are.

use std::time::Duration;

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
}
