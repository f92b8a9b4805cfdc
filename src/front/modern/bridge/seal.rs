//! `requestState`: what a client carries from one request to the next, and can neither read nor change
//! (2026-07-28, "Multi Round-Trip Requests", "Server Requirements").

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The call that waits; `None`: none does, the request is to be sent anew.
    pub(crate) parked: Option<String>,
    /// Whose connection it is: the backend, and those who share it.
    pub(crate) key: String,
    pub(crate) principal: String,
    /// Of the method and the params.
    pub(crate) request: String,
}

/// Seals and opens. What is sealed for one purpose has fields that what is sealed for another has not.
pub(crate) struct Seal(LessSafeKey);

impl Seal {
    /// With `session.state_key`, or with a random key if that is empty. `None`: the system has no random numbers.
    pub(crate) fn new(state_key: &str) -> Option<Self> {
        let mut key: [u8; 32] = Sha256::digest(state_key.as_bytes()).into();
        if state_key.is_empty() {
            getrandom::fill(&mut key).ok()?;
        }
        Some(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?)))
    }

    /// `None`: the system has no random numbers.
    pub(crate) fn close(&self, state: &impl Serialize) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut text = serde_json::to_vec(state).ok()?;
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(nonce_of, Aad::empty(), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// `None`: it is none of ours, or was changed.
    pub(crate) fn open<T: DeserializeOwned>(&self, sealed: &str) -> Option<T> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let text = |text: &str| text.to_owned();
        State { parked: Some(text("1")), key: text("b/x"), principal: text("alice"), request: text("d") }
    }

    /// A client could answer somebody else's question, or make a tool believe what its user never said.
    #[test]
    fn only_what_was_sealed_here_opens_and_only_unchanged() {
        let seal = Seal::new("").unwrap();
        let sealed = seal.close(&state()).unwrap();
        assert_eq!(seal.open(&sealed), Some(state()));
        assert!(!sealed.contains("alice"));
        assert_ne!(seal.close(&state()).unwrap(), sealed, "no two are alike");
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.open::<State>(&String::from_utf8(bytes).unwrap()), None, "changed at {at}");
        }
        assert_eq!(Seal::new("").unwrap().open::<State>(&sealed), None, "another start");
        for nothing in ["", "x", "AAAA", "%%%"] {
            assert_eq!(seal.open::<State>(nothing), None);
        }
        let (one, other) = (Seal::new("secret").unwrap(), Seal::new("secret").unwrap());
        assert_eq!(other.open(&one.close(&state()).unwrap()), Some(state()), "the same key is the same seal");
    }
}
