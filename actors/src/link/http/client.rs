//! The HTTP client for one server.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, Url, redirect, retry};

use super::{HttpSpecError, tls};

/// Shorter than the keep-alive of common servers (Node and uvicorn: 5 s), so that a request is not
/// written to a connection that the server is closing: it would be lost, and could not be sent again.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// A client for one server.
pub(super) fn client(url: &Url, connect_timeout: Duration) -> Result<Client, HttpSpecError> {
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls::config(url).map_err(HttpSpecError::Tls)?)
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .pool_idle_timeout(KEEP_ALIVE)
        // Both are decided here: a redirect may not leave the origin, and nothing is sent twice unseen.
        .redirect(redirect::Policy::none())
        .retry(retry::never());
    if is_loopback(url) {
        client = client.no_proxy(); // no proxy of the environment can reach our own machine
    }
    client.build().map_err(HttpSpecError::Client)
}

/// What the configuration calls one, if it is.
pub(super) fn usable_url(text: &str) -> Result<Url, HttpSpecError> {
    let unusable = |problem: &str| HttpSpecError::Url { problem: problem.to_owned() };
    let url = Url::parse(text).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable("expected http:// or https://"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
