//! Where the service listens, and who may reach it there.

use std::net::IpAddr;

use super::Checks;
use crate::Config;
use crate::key_path::KeyPath;

struct Address {
    host: String,
    port: u16,
}

impl Checks<'_> {
    pub(super) fn addresses(&mut self, config: &Config) {
        let gateway = KeyPath::of(&["gateway"]);
        let (listen_at, admin_at) = (gateway.key("listen"), gateway.key("admin_listen"));
        let listen = self.address(&config.gateway.listen, &listen_at);
        let admin = self.address(&config.gateway.admin_listen, &admin_at);
        let (keys, issuer) = (KeyPath::of(&["auth", "keys"]), KeyPath::of(&["auth", "issuer"]));
        if let Some(listen) = &listen
            && !is_loopback(&listen.host)
            && config.auth.is_open()
            && !config.auth.allow_unauthenticated
        {
            self.fault(
                &listen_at,
                &[&keys, &issuer],
                "beyond loopback without auth.keys or auth.issuer: everyone who reaches the port could use every backend",
                "add auth.keys or auth.issuer, or listen on 127.0.0.1, or say auth.allow_unauthenticated = true",
            );
        }
        if let Some(admin) = &admin
            && !is_loopback(&admin.host)
            && config.auth.admin_keys.is_empty()
        {
            self.fault(
                &admin_at,
                &[&KeyPath::of(&["auth", "admin_keys"])],
                "beyond loopback without auth.admin_keys: everyone who reaches the port could stop backends",
                "add auth.admin_keys, or listen on 127.0.0.1",
            );
        }
        if let (Some(listen), Some(admin)) = (listen, admin)
            && listen.overlaps(&admin)
        {
            self.fault(
                &admin_at,
                &[&listen_at],
                "the same port as gateway.listen",
                "give each listener its own port",
            );
        }
    }

    fn address(&mut self, text: &str, at: &KeyPath) -> Option<Address> {
        let address = parse(text);
        if address.is_none() {
            let hint = "write host and port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
            self.fault(at, &[], "not an address", hint);
        }
        address
    }
}

impl Address {
    fn overlaps(&self, other: &Self) -> bool {
        let everywhere = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        let same_host = self.host == other.host || everywhere(&self.host) || everywhere(&other.host);
        self.port != 0 && self.port == other.port && same_host
    }
}

/// Whether only this machine reaches a host.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            inner
        }
        None => host,
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = !host.is_empty()
        && (host.chars().all(named) || host.parse::<IpAddr>().is_ok() && text.starts_with('['));
    is_host.then(|| Address { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in ["127.0.0.1:0", "[::1]:8080", "localhost:80", "0.0.0.0:65535", "gw.example:1"] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "::1:8080",
            "[::1]",
            "host:99999",
            "host:+1",
            "http://x:80",
            "[x]:1",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "10.0.0.1", "localhost.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
