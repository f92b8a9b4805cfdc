//! The public keys of an issuer (RFC 7517), and what they say of a signature. Pure.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcpvisor_config::Algorithm;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

/// More keys than any issuer has at a time; what follows is not read.
const MOST: usize = 64;

/// The keys of one issuer that can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeySet(Vec<Key>);

/// What the keys say of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// One of them has made it.
    Good,
    /// The one that is named has not.
    Bad,
    /// There is none of that name, or none that could have made it.
    Unknown,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The only algorithm it is for, if it says so.
    only: Option<String>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// From a JWK Set. Keys of kinds that are not known here, or for other ends, are left out, as RFC 7517 ("5") says.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(text)?;
        Ok(Self(document.keys.into_iter().filter_map(key).take(MOST).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Who has signed. Without a `kid` it may be any of the keys that fit.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Lookup {
        let named = |key: &&Key| kid.is_none_or(|kid| key.id.as_deref() == Some(kid));
        let mut fitting = self.0.iter().filter(named).filter(|key| key.fits(algorithm)).peekable();
        if fitting.peek().is_none() {
            return Lookup::Unknown;
        }
        match (fitting.any(|key| key.has_signed(algorithm, signed, signature)), kid) {
            (true, _) => Lookup::Good,
            (false, Some(_)) => Lookup::Bad,
            // It may be one that the issuer has begun to use.
            (false, None) => Lookup::Unknown,
        }
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let of_kind = match self.material {
            Material::Rsa { .. } => rsa(algorithm).is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        of_kind && self.only.as_deref().is_none_or(|only| algorithm.names().contains(&only))
    }

    fn has_signed(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => rsa(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }),
            Material::P256(point) => by(&ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => by(&ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => by(&ED25519, key),
        }
    }
}

/// Which key it is, and not its digits.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.id)
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let verifies = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let material = verifies.then(|| material(&jwk)).flatten()?;
    Some(Key { id: jwk.kid, only: jwk.alg, material })
}

fn material(jwk: &Jwk) -> Option<Material> {
    let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
    let point = |size: usize| {
        let (x, y) = (number(&jwk.x)?, number(&jwk.y)?);
        (x.len() == size && y.len() == size).then(|| [&[4][..], &x, &y].concat())
    };
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Some(Material::Rsa { n: number(&jwk.n)?, e: number(&jwk.e)? }),
        ("EC", Some("P-256")) => Some(Material::P256(point(32)?)),
        ("EC", Some("P-384")) => Some(Material::P384(point(48)?)),
        ("OKP", Some("Ed25519")) => number(&jwk.x).filter(|key| key.len() == 32).map(Material::Ed25519),
        _ => None,
    }
}
