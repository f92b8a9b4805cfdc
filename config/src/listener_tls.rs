//! `[gateway.tls]` and `[gateway.admin_tls]`

use std::path::PathBuf;

/// The files that a listener shakes hands with, all PEM. What they say is read by whoever serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificate, then the authorities between that and one that clients know.
    pub cert: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities of clients, who must have a certificate then; `None`: they need none.
    pub client_ca: Option<PathBuf>,
}
