//! `auth.issuer` and what goes with it.

use std::time::Duration;

use super::address::is_loopback;
use super::{Checks, is_http_url};
use crate::Config;
use crate::key_path::KeyPath;

/// A clock that is further off is broken.
const MOST_LEEWAY: Duration = Duration::from_secs(300);
/// No key is taken back faster than the issuer can be asked for.
const LEAST_REFRESH: Duration = Duration::from_secs(10);

impl Checks<'_> {
    pub(super) fn tokens(&mut self, config: &Config) {
        let (auth, public_url) = (KeyPath::of(&["auth"]), KeyPath::of(&["gateway", "public_url"]));
        let tokens = &config.auth.tokens;
        if !tokens.public_url.is_empty() && !is_plain_url(&tokens.public_url) {
            let hint = "write it as \"https://mcp.example\"";
            self.fault(&public_url, &[], "not an http or https URL without user, query and fragment", hint);
        }
        for (index, scope) in tokens.scopes.iter().enumerate() {
            self.scope(&auth.key("scopes").index(index), scope);
        }
        for (name, backend) in &config.backends {
            for (index, scope) in backend.scopes.iter().enumerate() {
                self.scope(&KeyPath::of(&["backends", name, "scopes"]).index(index), scope);
            }
        }
        let (issuer, jwks_url) = (auth.key("issuer"), auth.key("jwks_url"));
        if !tokens.are_taken() {
            if !tokens.jwks_url.is_empty() {
                let hint = "add auth.issuer = \"…\", the iss of its tokens";
                self.fault(&jwks_url, &[&issuer], "has no effect without auth.issuer", hint);
            }
            return;
        }
        for (at, url, example) in [
            (&issuer, &tokens.issuer, "https://login.example"),
            (&jwks_url, &tokens.jwks_url, "https://login.example/jwks.json"),
            (&public_url, &tokens.public_url, "https://mcp.example"),
        ] {
            let what = match () {
                () if url.is_empty() => "tokens cannot be taken without it: auth.issuer is set",
                // A `#` ends the issuer where a principal is named by it.
                () if !is_http_url(url) || url.contains('#') => "not an https URL",
                () if !is_private(url) => {
                    "https only: whoever is on the way could read tokens, or give keys of his own"
                }
                () => continue,
            };
            self.fault(at, &[], what, format!("write it as \"{example}\"; http:// is for this machine only"));
        }
        if tokens.algorithms.is_empty() {
            let hint = "name the issuer's, such as \"RS256\"";
            self.fault(&auth.key("algorithms"), &[], "no token could be verified", hint);
        }
        if tokens.leeway > MOST_LEEWAY {
            self.fault(
                &auth.key("leeway"),
                &[],
                "tokens would outlive their end for too long",
                "at most \"5m\"",
            );
        }
        if tokens.jwks_refresh < LEAST_REFRESH {
            self.fault(
                &auth.key("jwks_refresh"),
                &[],
                "the issuer would be asked all the time",
                "at least \"10s\"",
            );
        }
        let claimed = format!("{}#", tokens.issuer);
        for (index, key) in config.auth.keys.iter().enumerate() {
            if key.id.starts_with(&claimed) {
                let at = auth.key("keys").index(index).key("id");
                self.fault(&at, &[], "a token could name the same principal", "choose an id that is no URL");
            }
        }
    }

    /// It is repeated in a header (RFC 6749, "3.3").
    fn scope(&mut self, at: &KeyPath, scope: &str) {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.is_empty() || !scope.bytes().all(allowed) {
            self.fault(
                at,
                &[],
                "not a scope",
                "one word without quotes and backslashes, such as \"files:read\"",
            );
        }
    }
}

fn is_plain_url(url: &str) -> bool {
    is_http_url(url) && !url.contains(['?', '#', '@', '"', '\\'])
}

/// Whether nobody on the way can read what is said there.
fn is_private(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("http://") else { return true };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    is_loopback(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_encryption() {
        for url in ["https://a.example", "http://127.0.0.1:1/x", "http://[::1]:1", "http://localhost/x"] {
            assert!(is_private(url), "{url}");
        }
        for url in ["http://a.example", "http://127.0.0.1@a.example/x", "http://10.0.0.1:80", "http://a:80"] {
            assert!(!is_private(url), "{url}");
        }
    }
}
