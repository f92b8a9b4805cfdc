mod keys;

use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_900_000_000;

/// A key of the issuer, made for one test.
struct Signer {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { kid, pair }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    fn token(&self, changes: Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": self.kid, "typ": "at+jwt" }), &claims(changes))
    }
}

/// What a good token says, with these changes; `null` leaves a claim out.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example", "sub": "alice", "aud": "https://mcp.example",
        "exp": NOW + 60, "iat": NOW, "scope": "read write",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn tokens() -> Tokens {
    Tokens {
        issuer: "https://login.example".into(),
        public_url: "https://mcp.example".into(),
        audiences: vec!["api://mcp".into()],
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256],
        leeway: std::time::Duration::from_secs(30),
        ..Tokens::default()
    }
}

fn keys(jwks: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

fn verdict(token: &str, keys: &KeySet) -> Result<Verified, Untrusted> {
    verify(&tokens(), keys, token.as_bytes(), NOW)
}

#[test]
fn a_good_token_names_its_principal_and_what_it_is_for() {
    let signer = Signer::new("1");
    let verified = verdict(&signer.token(json!({})), &keys(&[signer.jwk()])).unwrap();
    assert_eq!(&*verified.principal, "https://login.example#alice");
    assert_eq!(verified.until, NOW + 90);
    assert!(verified.has("read") && verified.has("write") && !verified.has("rea") && !verified.has(""));
    let scp = signer.token(json!({ "scope": null, "scp": ["a", "b c"] }));
    let verified = verdict(&scp, &keys(&[signer.jwk()])).unwrap();
    assert!(verified.has("a") && verified.has("c") && !verified.has("read"));
}

/// A token made for another service, by somebody else, or long ago would open this one.
#[test]
fn what_a_token_claims_must_fit() {
    let signer = Signer::new("1");
    let keys = keys(&[signer.jwk()]);
    use Untrusted::{Audience, Expired, Invalid};
    for (changes, expected) in [
        (json!({ "exp": NOW - 31 }), Some(Expired)),
        (json!({ "exp": NOW - 30 }), Some(Expired)),
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": (NOW as f64) + 0.5 }), None),
        (json!({ "exp": null }), Some(Invalid)),
        (json!({ "exp": "2000000000" }), Some(Invalid)),
        (json!({ "nbf": NOW + 31 }), Some(Invalid)),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "iss": "https://login.example/" }), Some(Invalid)),
        (json!({ "iss": "https://evil.example" }), Some(Invalid)),
        (json!({ "iss": null }), Some(Invalid)),
        (json!({ "sub": null }), Some(Invalid)),
        (json!({ "sub": "" }), Some(Invalid)),
        (json!({ "sub": "x".repeat(513) }), Some(Invalid)),
        (json!({ "sub": "a\nb" }), Some(Invalid)),
        (json!({ "aud": "https://other.example" }), Some(Audience)),
        (json!({ "aud": "https://mcp.example.evil" }), Some(Audience)),
        (json!({ "aud": [] }), Some(Audience)),
        (json!({ "aud": null }), Some(Invalid)),
        (json!({ "aud": ["https://other.example", "https://mcp.example"] }), None),
        (json!({ "aud": "https://mcp.example/" }), None),
        (json!({ "aud": "https://mcp.example/mcp/git" }), None),
        (json!({ "aud": "api://mcp" }), None),
        // Bound to a key of its holder, for which nobody asks here.
        (json!({ "cnf": { "jkt": "x" } }), Some(Invalid)),
    ] {
        assert_eq!(verdict(&signer.token(changes.clone()), &keys).err(), expected, "{changes}");
    }
}

/// A token for one server would open all of them.
#[test]
fn a_token_is_for_the_service_or_for_what_it_names() {
    let signer = Signer::new("1");
    let keys = keys(&[signer.jwk()]);
    let of = |audience: Value| verdict(&signer.token(json!({ "aud": audience })), &keys).unwrap();
    let git = |path: &str| path == "/mcp/git";
    let mail = |path: &str| path == "/mcp/mail";
    for audience in [json!("https://mcp.example"), json!("https://mcp.example/"), json!("api://mcp")] {
        assert!(of(audience.clone()).is_for(&tokens(), git) && of(audience).is_for(&tokens(), mail));
    }
    let one = of(json!(["https://mcp.example/mcp/git", "https://other.example/mcp/mail"]));
    assert!(one.is_for(&tokens(), git) && !one.is_for(&tokens(), mail));
}

/// Anybody could make tokens: of the public key a secret, of nothing a signature.
#[test]
fn how_a_token_is_signed_is_not_for_the_token_to_say() {
    let signer = Signer::new("1");
    let (jwk, set) = (signer.jwk(), keys(&[signer.jwk()]));
    let unsigned =
        |header: Value| format!("{}.{}", encoded(header.to_string()), encoded(claims(json!({})).to_string()));
    for alg in ["none", "None", "NONE", ""] {
        for signature in ["", "AAAA"] {
            let token = format!("{}.{signature}", unsigned(json!({ "alg": alg, "kid": "1" })));
            assert_eq!(verdict(&token, &set), Err(Untrusted::Invalid), "{alg} {signature:?}");
        }
    }
    // The public key, in whatever form somebody may have taken it for a secret.
    let forms = [
        signer.pair.public_key().as_ref().to_vec(),
        jwk.to_string().into_bytes(),
        jwk["x"].as_str().unwrap().into(),
    ];
    for secret in &forms {
        let signed = unsigned(json!({ "alg": "HS256", "kid": "1" }));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        assert_eq!(verdict(&format!("{signed}.{}", encoded(tag)), &set), Err(Untrusted::Invalid));
    }
    // A key that the token brings along, or says where to find.
    let thief = Signer::new("1");
    for header in [
        json!({ "alg": "ES256", "jwk": thief.jwk() }),
        json!({ "alg": "ES256", "kid": "1", "jku": "https://evil.example/jwks", "x5u": "https://evil.example" }),
    ] {
        assert!(verdict(&thief.sign(&header, &claims(json!({}))), &set).is_err(), "{header}");
    }
    // An algorithm that is not configured, or not this key's.
    let header = json!({ "alg": "ES256", "kid": "1" });
    let token = signer.sign(&header, &claims(json!({})));
    let only_rsa = Tokens { algorithms: vec![Algorithm::Rs256], ..tokens() };
    assert_eq!(verify(&only_rsa, &set, token.as_bytes(), NOW), Err(Untrusted::Invalid));
    let mut other = signer.jwk();
    other["alg"] = json!("ES384");
    assert_eq!(verdict(&token, &keys(&[other])), Err(Untrusted::UnknownKey));
    let mut encrypts = signer.jwk();
    encrypts["use"] = json!("enc");
    assert_eq!(verdict(&token, &keys(&[encrypts])), Err(Untrusted::UnknownKey));
    // What has to be understood, and is not; what was made for another end.
    for (name, value) in [
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
    ] {
        let mut header = header.clone();
        header[name] = value;
        assert_eq!(
            verdict(&signer.sign(&header, &claims(json!({}))), &set),
            Err(Untrusted::Invalid),
            "{header}"
        );
    }
    for typ in ["JWT", "at+JWT", "application/at+jwt"] {
        let header = json!({ "alg": "ES256", "kid": "1", "typ": typ });
        assert!(verdict(&signer.sign(&header, &claims(json!({}))), &set).is_ok(), "{typ}");
    }
}

#[test]
fn what_was_changed_or_is_no_token_is_refused() {
    let signer = Signer::new("1");
    let set = keys(&[signer.jwk()]);
    let token = signer.token(json!({}));
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        if bytes[at] == b'.' {
            continue;
        }
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(&tokens(), &set, &bytes, NOW).is_err(), "changed at {at}");
    }
    let header = json!({ "alg": "ES256", "kid": "1" }).to_string();
    let twice = r#"{"iss":"https://login.example","sub":"bob","sub":"alice","aud":"https://mcp.example","exp":2000000000}"#;
    assert_eq!(
        verdict(&signer.sign_text(&header, twice), &set),
        Err(Untrusted::Invalid),
        "a claim stands there twice"
    );
    let huge = signer.token(json!({ "x": "y".repeat(LONGEST) }));
    assert_eq!(verdict(&huge, &set), Err(Untrusted::Invalid));
    for text in
        ["", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.e30", &format!("{token}."), &format!("{token}=")]
    {
        assert_eq!(verdict(text, &set), Err(Untrusted::Invalid), "{text}");
    }
    assert_eq!(verify(&tokens(), &set, &[0xff; 40], NOW), Err(Untrusted::Invalid));
    assert!(looks_like_one(token.as_bytes()) && !looks_like_one(b"a-key") && !looks_like_one(b"a.b"));
}
