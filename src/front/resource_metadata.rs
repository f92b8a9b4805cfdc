//! What says to clients whose tokens open this (RFC 9728, as MCP's authorization wants it): a document for each endpoint, and the challenge
//! that leads to it.

use http::{HeaderValue, StatusCode};
use mcpvisor_config::Tokens;
use serde_json::json;

use super::body::{self, HttpResponse};
use super::target::Target;

/// Where such documents are; the path of the endpoint follows.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Why a request is refused, for the client (RFC 6750, "3.1").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has shown nothing.
    None,
    /// What it has shown is not taken, and why.
    InvalidToken(&'static str),
    /// The token is good, and lacks scopes.
    InsufficientScope,
}

/// The document of an endpoint, given as a path such as `/mcp/git`, or `""` for the whole service.
pub(super) fn document(tokens: &Tokens, path: &str, scopes: &[&str]) -> HttpResponse {
    let mut document = json!({
        "resource": format!("{}{path}", tokens.public_url),
        "authorization_servers": [tokens.issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "mcpvisor",
    });
    if !scopes.is_empty() {
        document["scopes_supported"] = json!(scopes);
    }
    body::json(StatusCode::OK, document.to_string())
}

/// The value of `WWW-Authenticate` for an endpoint; `""`: the whole service.
pub(super) fn challenge(tokens: &Tokens, path: &str, scopes: &[&str], fault: Fault) -> Option<HeaderValue> {
    let (origin, base) = split(&tokens.public_url);
    let mut text = String::from("Bearer ");
    match fault {
        Fault::None => {}
        Fault::InvalidToken(why) => {
            text += &format!("error=\"invalid_token\", error_description=\"{why}\", ");
        }
        Fault::InsufficientScope => text += "error=\"insufficient_scope\", ",
    }
    text += &format!("resource_metadata=\"{origin}{WELL_KNOWN}{base}{path}\"");
    if !scopes.is_empty() {
        text += &format!(", scope=\"{}\"", scopes.join(" "));
    }
    HeaderValue::from_str(&text).ok()
}

/// Which endpoint a path below [`WELL_KNOWN`] asks for; `None`: none. A proxy may have taken the service's own part of the path away, or
/// may not.
pub(super) fn endpoint<'a>(tokens: &Tokens, path: &'a str) -> Option<(&'a str, Target<'a>)> {
    let (_, base) = split(&tokens.public_url);
    let path = path.strip_suffix('/').unwrap_or(path);
    let path =
        path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let target = Target::of(path);
    let is_one = path.is_empty()
        || matches!(target, Target::Backend(_) | Target::Unified | Target::Group(_) | Target::Sse(_));
    is_one.then_some((path, target))
}

/// Origin and path of a URL.
fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let slash = url.get(authority..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| authority + at);
    url.split_at_checked(slash).unwrap_or((url, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(public_url: &str) -> Tokens {
        Tokens { issuer: "https://login.example".into(), public_url: public_url.into(), ..Tokens::default() }
    }

    fn said(public_url: &str, path: &str, scopes: &[&str], fault: Fault) -> String {
        challenge(&tokens(public_url), path, scopes, fault).unwrap().to_str().unwrap().to_owned()
    }

    /// A client would look for the document where it is not, and find no way in.
    #[test]
    fn a_challenge_leads_to_the_document_of_the_endpoint() {
        let plain = said("https://mcp.example", "/mcp/git", &["a", "b"], Fault::None);
        assert_eq!(
            plain,
            r#"Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp/git", scope="a b""#
        );
        let below = said("https://x.example:8443/gw", "/mcp", &[], Fault::InvalidToken("it has expired"));
        assert_eq!(
            below,
            r#"Bearer error="invalid_token", error_description="it has expired", resource_metadata="https://x.example:8443/.well-known/oauth-protected-resource/gw/mcp""#
        );
        let scope = said("https://mcp.example", "/mcp", &["a"], Fault::InsufficientScope);
        assert!(scope.starts_with(r#"Bearer error="insufficient_scope", resource_metadata=""#), "{scope}");
        assert!(scope.ends_with(r#", scope="a""#), "{scope}");
    }

    #[test]
    fn documents_are_found_with_and_without_the_path_of_the_service() {
        for (public_url, path, expected) in [
            ("https://mcp.example", "", Some("")),
            ("https://mcp.example", "/", Some("")),
            ("https://mcp.example", "/mcp/git", Some("/mcp/git")),
            ("https://mcp.example", "/mcp", Some("/mcp")),
            ("https://mcp.example", "/mcp/group/x", Some("/mcp/group/x")),
            ("https://mcp.example", "/sse/git", Some("/sse/git")),
            ("https://mcp.example", "/health", None),
            ("https://mcp.example", "/message/git", None),
            ("https://mcp.example/gw", "/gw/mcp/git", Some("/mcp/git")),
            ("https://mcp.example/gw", "/mcp/git", Some("/mcp/git")),
            ("https://mcp.example/gw", "/gw", Some("")),
            ("https://mcp.example/gw", "/gwx", None),
        ] {
            let found = endpoint(&tokens(public_url), path).map(|(path, _)| path);
            assert_eq!(found, expected, "{public_url} {path}");
        }
    }
}
