//! An authorization server as far as a resource server sees it: its public keys over HTTP, and what it signs.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::common::HttpServer;

/// The `iss` of its tokens.
pub const ISSUER: &str = "https://login.example";
/// Where clients reach the service.
pub const PUBLIC: &str = "https://mcp.example";

/// One that listens.
pub struct Issuer {
    url: String,
    known: Arc<Known>,
    _server: HttpServer,
}

#[derive(Default)]
struct Known {
    document: ArcSwap<String>,
    fetches: AtomicUsize,
    away: AtomicBool,
}

/// One of its keys.
pub struct Signer {
    pub kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Known {
    fn answer(&self) -> Response<Full<Bytes>> {
        self.fetches.fetch_add(1, SeqCst);
        let status = if self.away.load(SeqCst) { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        let body = Full::new(Bytes::from(self.document.load().to_string()));
        Response::builder().status(status).body(body).unwrap()
    }
}

impl Issuer {
    pub async fn start(keys: &[&Signer]) -> Self {
        let known = Arc::<Known>::default();
        let shared = known.clone();
        let server = HttpServer::start(move |_| ready(shared.answer())).await;
        let issuer = Self { url: format!("http://{}/jwks", server.address), known, _server: server };
        issuer.publish(keys);
        issuer
    }

    /// From now on these are its keys.
    pub fn publish(&self, keys: &[&Signer]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.known.document.store(Arc::new(json!({ "keys": keys }).to_string()));
    }

    /// Whether it answers with an error only.
    pub fn set_away(&self, away: bool) {
        self.known.away.store(away, SeqCst);
    }

    pub fn fetches(&self) -> usize {
        self.known.fetches.load(SeqCst)
    }

    /// `[auth]` and `[gateway]` of a service that takes its tokens.
    pub fn config(&self, auth: &str) -> String {
        let url = &self.url;
        format!(
            "[gateway]\npublic_url = \"{PUBLIC}\"\n[auth]\nissuer = \"{ISSUER}\"\njwks_url = \"{url}\"\n{auth}\n"
        )
    }
}

impl Signer {
    pub fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        Self { kid, pair: pair.unwrap() }
    }

    /// The coordinates of the public key.
    pub fn point(&self) -> (String, String) {
        let point = self.pair.public_key().as_ref();
        (encoded(&point[1..33]), encoded(&point[33..]))
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.point();
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": x, "y": y })
    }

    /// A good token of that subject, with these changes.
    pub fn token(&self, subject: &str, changes: Value) -> String {
        self.signed(&json!({ "alg": "ES256", "kid": self.kid, "typ": "at+jwt" }), &claims(subject, changes))
    }

    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }
}

/// What a good token says.
pub fn claims(subject: &str, changes: Value) -> Value {
    let mut claims =
        json!({ "iss": ISSUER, "sub": subject, "aud": PUBLIC, "exp": now() + 600, "iat": now() });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds of Unix time.
#[expect(clippy::disallowed_methods, reason = "the end of a token is a time of the calendar")]
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
