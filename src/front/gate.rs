//! Which hosts and origins are let in: a page in a browser must not reach a service on this machine
//! by a name of its own (DNS rebinding), nor from an origin that nobody allowed.

use std::net::IpAddr;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use mcpvisor_config::Auth;

/// Why a request is not let in, for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// HTTP/1.1 asks for a `Host`.
    NoHost,
    /// Not a name of this service.
    Host(String),
    /// Not an origin that may ask.
    Origin(String),
    /// A header that says one thing is there more than once: whoever reads it elsewhere may go by the other.
    Repeated(HeaderName),
}

/// The names this service goes by, and the origins that may ask.
pub(crate) struct Gate {
    /// Besides loopback names; lower case, without port.
    hosts: Vec<String>,
    /// Bound to more than loopback and not told its names: any may be one of them.
    any_host: bool,
    origins: Vec<String>,
    any_origin: bool,
}

impl Gate {
    /// Of a listener at this address, which clients may know by this URL as well (empty = none).
    pub(crate) fn new(listen: &str, public_url: &str, auth: &Auth) -> Self {
        let listen = host_of(listen).unwrap_or_default();
        let any_host = !is_loopback(&listen) && auth.allowed_hosts.is_empty();
        let mut hosts: Vec<String> = auth.allowed_hosts.iter().filter_map(|host| host_of(host)).collect();
        hosts.push(listen);
        // A proxy may leave the name that clients use.
        let authority = public_url.split("://").nth(1).and_then(|rest| rest.split('/').next());
        hosts.extend(authority.and_then(host_of));
        let origins = auth.allowed_origins.iter().map(|origin| canonical_origin(origin)).collect();
        let any_origin = auth.allowed_origins.iter().any(|origin| origin == "*");
        Self { hosts, any_host, origins, any_origin }
    }

    /// Lets a request in, or says why not.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Refused> {
        check_repeated(&request.headers)?;
        self.check_host(request)?;
        self.check_origin(&request.headers)
    }

    fn check_host(&self, request: &Parts) -> Result<(), Refused> {
        let authority = request.uri.authority().map(Authority::as_str);
        let host = match authority {
            Some(authority) => authority,
            None => match request.headers.get(header::HOST) {
                Some(host) => host.to_str().map_err(|_| Refused::Host(lossy(host)))?,
                // No browser speaks HTTP/1.0, and some health checks do, without a host.
                None if request.version <= Version::HTTP_10 => return Ok(()),
                None => return Err(Refused::NoHost),
            },
        };
        if self.any_host || is_plain_loopback(host) {
            return Ok(());
        }
        match host_of(host) {
            Some(name) if self.knows(&name) => Ok(()),
            _ => Err(Refused::Host(host.to_owned())),
        }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        if self.any_origin {
            return Ok(());
        }
        let text = origin.to_str().map_err(|_| Refused::Origin(lossy(origin)))?;
        let canonical = canonical_origin(text);
        let of_known_host = || {
            let (_, authority) = canonical.split_once("://")?;
            self.knows(&host_of(authority)?).then_some(())
        };
        if self.origins.contains(&canonical) || of_known_host().is_some() {
            return Ok(());
        }
        Err(Refused::Origin(text.to_owned()))
    }

    fn knows(&self, name: &str) -> bool {
        is_loopback(name) || self.hosts.iter().any(|host| host == name)
    }
}

/// Whether the connection must not be used for another request (RFC 9112, 6.1): beside `Transfer-Encoding` there may have been a
/// `Content-Length` (hyper goes by the former and drops the latter), and a proxy that went by it sees other requests than we do.
pub(crate) fn is_the_last(request: &Parts) -> bool {
    request.headers.contains_key(header::TRANSFER_ENCODING)
}

/// RFC 9110, 5.3, and RFC 9112, 3.2. Nearly free where no header is there twice.
fn check_repeated(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let singular = |name: &HeaderName| {
        const SINGULAR: [HeaderName; 4] =
            [header::HOST, header::ORIGIN, header::AUTHORIZATION, header::CONTENT_TYPE];
        SINGULAR.contains(name) || name == "last-event-id" || name.as_str().starts_with("mcp-")
    };
    let repeated =
        headers.keys().find(|name| singular(name) && headers.get_all(*name).iter().nth(1).is_some());
    repeated.map_or(Ok(()), |name| Err(Refused::Repeated(name.clone())))
}

/// The host of `host`, `host:port`, `[v6]:port`, or a whole address like `v6`; lower case.
fn host_of(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let authority: Authority = text.parse().ok()?;
    // `user@host` is nothing that a client of ours has a reason to send.
    if text.contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = text.get(authority.host().len()..).unwrap_or_default();
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string()))
}

/// What nearly every local client sends, seen without taking it apart.
fn is_plain_loopback(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    matches!(name, "127.0.0.1" | "localhost") && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn canonical_origin(origin: &str) -> String {
    origin.trim().trim_end_matches('/').to_ascii_lowercase()
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
