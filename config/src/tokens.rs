//! Access tokens: `auth.issuer` and what goes with it.

use std::sync::Arc;
use std::time::Duration;

/// Which tokens are taken as credentials (the resource server of OAuth 2.1, as MCP's authorization specifies it).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Whose tokens: their `iss`, to the letter; empty = none are taken.
    pub issuer: String,
    /// Where the issuer's public keys are, a JWK Set.
    pub jwks_url: String,
    /// `gateway.public_url`, without a slash at its end: a token's `aud` is this, or what is served below it.
    pub public_url: String,
    /// Other names of the whole service that may stand in `aud`.
    pub audiences: Vec<String>,
    /// How tokens may be signed. No secret is among the keys, and nothing is taken unsigned.
    pub algorithms: Vec<Algorithm>,
    /// Scopes that every token must carry; those of a backend come on top.
    pub scopes: Arc<[String]>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
    /// How often its keys are fetched.
    pub jwks_refresh: Duration,
}

/// A way to sign (RFC 7518, RFC 8037): asymmetric ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they have the names of the standard")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Tokens {
    /// Whether any are taken.
    pub fn are_taken(&self) -> bool {
        !self.issuer.is_empty()
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// What it is called in a token and in a key: by its name, and by others for the same.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Rs256 => &["RS256"],
            Self::Rs384 => &["RS384"],
            Self::Rs512 => &["RS512"],
            Self::Ps256 => &["PS256"],
            Self::Ps384 => &["PS384"],
            Self::Ps512 => &["PS512"],
            Self::Es256 => &["ES256"],
            Self::Es384 => &["ES384"],
            // RFC 9864 gives it a name that says which curve.
            Self::EdDsa => &["EdDSA", "Ed25519"],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }
}
