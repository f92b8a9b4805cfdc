//! The token server: one request, and what its answer says.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcpvisor_config::{ClientAuth, Oauth};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{Life, Token, TokenError};
use crate::link::http::client::client;
use crate::link::http::reading;

/// For the whole exchange.
const EXCHANGE: Duration = Duration::from_secs(10);
/// For name resolution, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// Longer than any token.
const LONGEST: usize = 64 << 10;
/// The codes of RFC 6749, 5.2, RFC 8707 and RFC 6750; whatever else a server says may be anything.
const CODES: [&str; 9] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "server_error",
    "temporarily_unavailable",
];

pub(super) struct TokenServer(Oauth);

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

impl TokenServer {
    pub(super) fn new(oauth: &Oauth) -> Self {
        Self(oauth.clone())
    }

    pub(super) fn client_id(&self) -> &str {
        &self.0.client_id
    }

    pub(super) async fn fetch(&self) -> Result<Token, TokenError> {
        let unreachable = |cause: String| TokenError::Unreachable { cause };
        let url = Url::parse(&self.0.token_url).map_err(|error| unreachable(error.to_string()))?;
        let client = client(&url, CONNECT).map_err(|error| unreachable(error.to_string()))?;
        let (form, headers) = self.request();
        let exchange = async {
            let asked = Instant::now();
            let response = client.post(url).headers(headers).body(form).send().await;
            let response = response.map_err(|error| unreachable(reading::cause(error)))?;
            read(response, asked).await
        };
        timeout(EXCHANGE, exchange).await.unwrap_or(Err(TokenError::Late))
    }

    fn request(&self) -> (String, HeaderMap) {
        let oauth = &self.0;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let mut form = "grant_type=client_credentials".to_owned();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                let _ = write!(form, "&{key}={}", encoded(value));
            }
        };
        match oauth.client_auth {
            ClientAuth::Basic => {
                let both = format!("{}:{}", encoded(&oauth.client_id), encoded(&oauth.client_secret));
                if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both))) {
                    value.set_sensitive(true);
                    headers.insert(header::AUTHORIZATION, value);
                }
            }
            ClientAuth::Post => {
                add("client_id", &oauth.client_id);
                add("client_secret", &oauth.client_secret);
            }
        }
        add("scope", &oauth.scope);
        add("resource", &oauth.resource);
        add("audience", &oauth.audience);
        (form, headers)
    }
}

async fn read(response: Response, asked: Instant) -> Result<Token, TokenError> {
    let status = response.status();
    let body = reading::message(response, LONGEST).await;
    if status != StatusCode::OK {
        let denied = body.ok().and_then(|body| serde_json::from_slice::<Denied>(&body).ok());
        let code = denied.map(|denied| denied.error).filter(|code| CODES.contains(&code.as_str()));
        return Err(TokenError::Refused { status: status.as_u16(), code });
    }
    let unusable = |what: &'static str| TokenError::Unusable { what };
    let body = body.map_err(|_| unusable("was cut, or is longer than 64 KiB"))?;
    let granted: Granted =
        serde_json::from_slice(&body).map_err(|_| unusable("has no access_token and token_type in JSON"))?;
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(unusable("is not of token_type Bearer"));
    }
    let header = HeaderValue::from_str(&format!("Bearer {}", granted.access_token));
    let mut header = header.map_err(|_| unusable("has an access_token that no header can hold"))?;
    header.set_sensitive(true);
    let time = granted.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let time = time.filter(|time| *time < Duration::from_secs(10 * 365 * 24 * 3600));
    Ok(Token { header, life: time.map(|time| Life::new(asked, time)) })
}

/// `application/x-www-form-urlencoded` (RFC 6749, appendix B).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(byte.into()),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth(client_auth: ClientAuth) -> Oauth {
        Oauth {
            token_url: "https://t/".into(),
            client_id: "me:1".into(),
            client_secret: "s 3%".into(),
            client_auth,
            scope: "a b".into(),
            resource: "https://x/mcp".into(),
            audience: String::new(),
        }
    }

    #[test]
    fn the_request_is_that_of_the_rfc() {
        let (form, headers) = TokenServer(oauth(ClientAuth::Basic)).request();
        assert_eq!(form, "grant_type=client_credentials&scope=a+b&resource=https%3A%2F%2Fx%2Fmcp");
        assert_eq!(headers[header::AUTHORIZATION], format!("Basic {}", STANDARD.encode("me%3A1:s+3%25")));
        let (form, headers) = TokenServer(oauth(ClientAuth::Post)).request();
        assert!(form.contains("&client_id=me%3A1&client_secret=s+3%25&"), "{form}");
        assert!(!headers.contains_key(header::AUTHORIZATION));
    }
}
