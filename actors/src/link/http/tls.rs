//! What TLS trusts.

use std::sync::{Arc, OnceLock};

use reqwest::Url;
use rustls::crypto::ring;
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// The system's certificates are read once for the whole process: it takes milliseconds and a megabyte.
pub(super) fn config(url: &Url) -> Result<ClientConfig, Error> {
    static TRUSTING_THE_SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if url.scheme() == "http" {
        // Plain HTTP must work where there are no certificates (a bare container).
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    if let Some(config) = TRUSTING_THE_SYSTEM.get() {
        return Ok(config.clone());
    }
    let config = builder.with_platform_verifier()?.with_no_client_auth();
    Ok(TRUSTING_THE_SYSTEM.get_or_init(|| config).clone())
}
