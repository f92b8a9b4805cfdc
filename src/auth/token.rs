//! A JSON Web Token (RFC 7519, signed as RFC 7515 says): what it claims, and whether that may be believed. Pure: `now` is given.
//!
//! What a token says of itself decides nothing but which key is looked for: the algorithms are those of the configuration, and each
//! fits one kind of key. There is none without a key, and none whose key is a secret.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcpvisor_config::{Algorithm, Tokens};
use serde::Deserialize;
use serde_json::Value;

use super::key_set::{KeySet, Lookup};

/// Longer ones are not looked at.
const LONGEST: usize = 16 << 10;
/// Longer names of anybody are not taken: they are kept with every session.
const LONGEST_SUBJECT: usize = 512;
/// What an access token calls itself, if it says so at all (RFC 9068, "2.1"; RFC 7519, "5.1"). Others are made for other ends.
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// What a token that may be believed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    /// `ISSUER#SUBJECT`: an issuer has no `#` in it, so that nobody else can be called the same.
    pub(crate) principal: Arc<str>,
    /// When it expires, in seconds of Unix time, the leeway included.
    pub(crate) until: u64,
    /// What it is for.
    audiences: Vec<String>,
    scopes: Vec<String>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untrusted {
    /// No token, of another issuer, badly signed, or not to be used in this way.
    Invalid,
    /// It was valid once.
    Expired,
    /// It is valid somewhere else.
    Audience,
    /// It names a key that the issuer's set, as it was fetched last, does not have.
    UnknownKey,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood: none are.
    crit: Option<Value>,
    /// RFC 7797, which is an extension too.
    b64: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMore,
    exp: f64,
    nbf: Option<f64>,
    scope: Option<String>,
    /// What some issuers have instead.
    scp: Option<OneOrMore>,
    /// The token is worth something only together with a proof (RFC 7800), which is not asked for here.
    cnf: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Verified {
    /// Whether it is for the whole service, or for a path of which this is true.
    pub(crate) fn is_for(&self, tokens: &Tokens, wanted: impl Fn(&str) -> bool) -> bool {
        let names_it = |audience: &String| audience.strip_prefix(&tokens.public_url).is_some_and(&wanted);
        self.audiences.iter().any(|audience| is_service(tokens, audience) || names_it(audience))
    }

    /// Whether it carries a scope. None implies another here: the issuer writes down all that it gives.
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// Whether this may be a token at all. Nothing else has three parts.
pub(crate) fn looks_like_one(text: &[u8]) -> bool {
    text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// What a token says, if it may be believed at `now` (seconds of Unix time).
///
/// # Errors
/// It may not.
pub(crate) fn verify(tokens: &Tokens, keys: &KeySet, text: &[u8], now: u64) -> Result<Verified, Untrusted> {
    if text.len() > LONGEST {
        return Err(Untrusted::Invalid);
    }
    let text = std::str::from_utf8(text).map_err(|_| Untrusted::Invalid)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(Untrusted::Invalid)?;
    let (header, claims) = signed.split_once('.').ok_or(Untrusted::Invalid)?;
    let header: Header = part(header)?;
    let algorithm = algorithm(tokens, &header)?;
    let claims: Claims = part(claims)?;
    // What costs nothing first: somebody who has no key of the issuer is not to keep anybody busy.
    check(tokens, &claims, now)?;
    let signature = decoded(signature)?;
    match keys.verify(algorithm, header.kid.as_deref(), signed.as_bytes(), &signature) {
        Lookup::Good => {}
        Lookup::Bad => return Err(Untrusted::Invalid),
        Lookup::Unknown => return Err(Untrusted::UnknownKey),
    }
    let principal = format!("{}#{}", claims.iss, claims.sub).into();
    let until = (claims.exp as u64).saturating_add(tokens.leeway.as_secs());
    let mut scopes: Vec<String> = claims.scp.map(OneOrMore::into_vec).unwrap_or_default();
    scopes.extend(claims.scope);
    let scopes = scopes.iter().flat_map(|scope| scope.split_ascii_whitespace()).map(str::to_owned).collect();
    let mut audiences = claims.aud.into_vec();
    audiences.retain(|audience| is_ours(tokens, audience));
    Ok(Verified { principal, until, audiences, scopes })
}

/// The algorithm that the header names, if the configuration has it.
fn algorithm(tokens: &Tokens, header: &Header) -> Result<Algorithm, Untrusted> {
    let named = |algorithm: &&Algorithm| algorithm.names().contains(&&*header.alg);
    let algorithm = tokens.algorithms.iter().find(named).ok_or(Untrusted::Invalid)?;
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    let of_ours = typ.is_none_or(|typ| TYPES.contains(&&*typ));
    match of_ours && header.crit.is_none() && header.b64.is_none() {
        true => Ok(*algorithm),
        false => Err(Untrusted::Invalid),
    }
}

fn check(tokens: &Tokens, claims: &Claims, now: u64) -> Result<(), Untrusted> {
    let named = (1..=LONGEST_SUBJECT).contains(&claims.sub.len()) && !claims.sub.contains(char::is_control);
    if claims.iss != tokens.issuer || !named || claims.cnf.is_some() {
        return Err(Untrusted::Invalid);
    }
    let (now, leeway) = (now as f64, tokens.leeway.as_secs() as f64);
    if claims.nbf.is_some_and(|nbf| nbf > now + leeway) {
        return Err(Untrusted::Invalid);
    }
    if claims.exp + leeway <= now {
        return Err(Untrusted::Expired);
    }
    let for_us = match &claims.aud {
        OneOrMore::One(audience) => is_ours(tokens, audience),
        OneOrMore::More(audiences) => audiences.iter().any(|audience| is_ours(tokens, audience)),
    };
    if for_us { Ok(()) } else { Err(Untrusted::Audience) }
}

/// Whether this names the whole service.
fn is_service(tokens: &Tokens, audience: &str) -> bool {
    audience.strip_suffix('/').unwrap_or(audience) == tokens.public_url
        || tokens.audiences.iter().any(|named| named == audience)
}

/// Whether this names the service, or something below it.
fn is_ours(tokens: &Tokens, audience: &str) -> bool {
    is_service(tokens, audience)
        || audience.strip_prefix(&tokens.public_url).is_some_and(|path| path.starts_with('/'))
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Untrusted> {
    serde_json::from_slice(&decoded(text)?).map_err(|_| Untrusted::Invalid)
}

fn decoded(text: &str) -> Result<Vec<u8>, Untrusted> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Untrusted::Invalid)
}

#[cfg(test)]
mod tests;
