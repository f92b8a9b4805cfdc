//! Which key tells.

use super::*;

/// A key that was taken back would go on to open doors, and a new one would not.
#[test]
fn keys_are_found_by_their_names_and_no_other_key_stands_in() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (by_old, by_new) = (old.token(json!({})), new.token(json!({})));
    let before = keys(&[old.jwk()]);
    assert!(verdict(&by_old, &before).is_ok());
    assert_eq!(verdict(&by_new, &before), Err(Untrusted::UnknownKey));
    let both = keys(&[old.jwk(), new.jwk()]);
    assert!(verdict(&by_old, &both).is_ok() && verdict(&by_new, &both).is_ok());
    assert_eq!(verdict(&by_old, &keys(&[new.jwk()])), Err(Untrusted::UnknownKey));
    let header = json!({ "alg": "ES256", "kid": "new" });
    assert_eq!(verdict(&old.sign(&header, &claims(json!({}))), &both), Err(Untrusted::Invalid));
    // Without a name it may be any; none of them: perhaps one that is not known yet.
    let nameless = new.sign(&json!({ "alg": "ES256" }), &claims(json!({})));
    assert!(verdict(&nameless, &both).is_ok());
    assert_eq!(verdict(&nameless, &before), Err(Untrusted::UnknownKey));
    assert_eq!(verdict(&by_old, &KeySet::default()), Err(Untrusted::UnknownKey));
}

#[test]
fn ed25519_is_known_by_both_of_its_names() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let set = keys(&[json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()) })]);
    for alg in ["EdDSA", "Ed25519"] {
        let header = json!({ "alg": alg }).to_string();
        let signed = format!("{}.{}", encoded(header), encoded(claims(json!({})).to_string()));
        let token = format!("{signed}.{}", encoded(pair.sign(signed.as_bytes())));
        assert!(verdict(&token, &set).is_ok(), "{alg}");
    }
}

/// The key was made with OpenSSL and thrown away; these are its public part and what it has signed.
#[test]
fn rsa_signatures_of_another_library_are_taken() {
    let set = keys(&[json!({ "kty": "RSA", "kid": "rsa", "n": MODULUS, "e": "AQAB" })]);
    for (alg, signature) in [("RS256", RS256), ("PS256", PS256)] {
        let header = format!(r#"{{"alg":"{alg}","kid":"rsa"}}"#);
        let claims =
            r#"{"iss":"https://login.example","sub":"alice","aud":"https://mcp.example","exp":2000000000}"#;
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        assert!(verdict(&format!("{signed}.{signature}"), &set).is_ok(), "{alg}");
        let other = if alg == "RS256" { PS256 } else { RS256 };
        assert_eq!(verdict(&format!("{signed}.{other}"), &set), Err(Untrusted::Invalid), "{alg}");
    }
    // 1024 bits are too few.
    let weak = keys(&[json!({ "kty": "RSA", "kid": "rsa", "n": &MODULUS[..171], "e": "AQAB" })]);
    let header = r#"{"alg":"RS256","kid":"rsa"}"#;
    let token = format!("{}.{}.{}", encoded(header), encoded(claims(json!({})).to_string()), &RS256[..171]);
    assert!(verdict(&token, &weak).is_err());
}

/// One key of a kind that nobody knows would make all of them useless.
#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let signer = Signer::new("1");
    let strange = [
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "1" }),
        json!({ "kty": "new", "kid": "1" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1" }),
        json!(7),
        json!({ "kty": "RSA", "kid": "1", "n": "%", "e": "AQAB" }),
    ];
    let set = keys(&[&strange[..], &[signer.jwk()]].concat());
    assert_eq!(set.len(), 1);
    assert!(verdict(&signer.token(json!({})), &set).is_ok());
    for text in ["", "{}", "[]", r#"{"keys":{}}"#, "<html>"] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
}

const MODULUS: &str = concat!(
    "w5HNp4-i3Ubh4WkO_5VzVggTqca-yGiwmT6SZMT-U9f9iOQ2ONHn2mZInv9QUZFf5-nfaH8R-_a3ax33LZ0QC5I6uj-WYX3S",
    "5M1bWc4TVEU23c-fNOOWx8S9zVFA9ekS9GvwI7vS5dctLtD35TpPYU_JUQZ72_gMhgJVi0BfUr1aaORNs6pfx7VdxsIuiNlW",
    "g4AnvZvPgXKoZNXMcoCu6QIOnDG3urW38jJ1gJMnS1SXETWONVzLMyWb3Wfglk3y3WGn4dJQ2AzIJcUeAT7vNEy4C56bgU3P",
    "ijZ_VnLSNEFqtKLhd3MjEI4CNhQatGiqbBBrVltQd9ABHsUZ8p8RgQ",
);
const RS256: &str = concat!(
    "k6pl-5ecBBHlwxojwVBRdS8T2oRY3_xK5-GYvPmjR3XcDow6p7c997j_SfeWCq55hw5-ujxoXtzAGsMV6mfU3p6kBaq-v3dd",
    "nK6o5_fwVkK3jKOQj76sxmkR2gMP4JRA0yomSnImRsIt5y0YvAyfxcgToOTvbcDag6JZ1juXDvZWJnsDXiuxQR0-_OshRIDz",
    "QucnSWZIiTcb2iiPPZoVonm3GkLY4qpQLZE2mP5B3S4Bfcuuaq313fvbNVIcrvyAy3TQkv4azYcWdeNlHnvCjFOFreZ03nRh",
    "z19hPwVV9p8z0rvTmHYK91gFYazSabxanBOKyg2MMJGFwF1GozQ6oQ",
);
const PS256: &str = concat!(
    "WGhlgPCq530Hsq3n9MJE5G_aoMRIm30rQPt-h3lN5UURZ0OYC8MYTqAHRLdxc7lyQeaeDFpGwf6rKU3r5dAEepjKpduMbSTX",
    "oZTeHtMvz917Rh2C3b_TfiqTvhXwM215MfoNKoGalxtesTHajV6XWp1d4CX1fhmtrltFzc4gu-gPsRDVtQ4UV8dD9bcuEmEw",
    "TMTDvZbgHASU0RXKv3XzldFAlKPXkWhJiFirdmXAtIPWGTjVaCwVpg0yY9DdX3Jay1hNjHq9BMO93egLF9Nev8_9edi1QSli",
    "EW88GqsVfKDTG1tYwCTk80kkOfNWJVbQlir3x7XrUEh9LQiajPaSZQ",
);
