//! A backend's own `requestState`, bound to the principal that it was given to: sealed on its way out, opened on its way back.
//!
//! To the backend everybody here is the same client. It can tell that a state is its own, and not whose. Where nobody shows who it
//! is, there is one principal, and states pass as they are.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::message::{Envelope, Fields, Kind};
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::bridge::Seal;

/// The field of params and results.
const FIELD: &str = "requestState";

/// Whose states these are.
pub(super) struct Bound {
    seal: Arc<Seal>,
    backend: Arc<str>,
    principal: Arc<str>,
}

/// What is sealed. Its fields are those of nothing else that is.
#[derive(Serialize, Deserialize)]
struct Held {
    backend: String,
    holder: String,
    /// As the backend wrote it, raw JSON.
    theirs: String,
}

impl Bound {
    pub(super) fn new(seal: Arc<Seal>, backend: Arc<str>, principal: Arc<str>) -> Self {
        Self { seal, backend, principal }
    }

    /// The request as the backend is to get it; `state` is what the client has brought along, raw JSON.
    ///
    /// # Errors
    /// It was not given to this principal by this backend. True: it was given to somebody else.
    pub(super) fn open(&self, request: &Envelope, state: &[u8]) -> Result<Envelope, bool> {
        let sealed: String = serde_json::from_slice(state).map_err(|_| false)?;
        let held: Held = self.seal.open(&sealed).ok_or(false)?;
        if held.holder != *self.principal {
            return Err(true);
        }
        if held.backend != *self.backend {
            return Err(false);
        }
        let params = request.params().ok_or(false)?;
        let mut fields = Fields::parse(params).ok_or(false)?;
        fields.set(FIELD, held.theirs);
        Envelope::parse(request.with_part(params, fields.to_string().as_bytes())).map_err(|_| false)
    }

    /// The answer as the client is to get it. Without random numbers it gets no state at all.
    pub(super) fn close(&self, answer: Bytes) -> Bytes {
        if memmem::find(&answer, FIELD.as_bytes()).is_none() {
            return answer;
        }
        let Ok(message) = Envelope::parse(answer.clone()) else { return answer };
        let Some(body) = message.body().filter(|_| message.kind() == Kind::Result) else { return answer };
        let Some(mut fields) = Fields::parse(body) else { return answer };
        let Some(theirs) = fields.get(FIELD).map(str::to_owned) else { return answer };
        let held = Held { backend: self.backend.to_string(), holder: self.principal.to_string(), theirs };
        match self.seal.close(&held) {
            Some(sealed) => fields.set(FIELD, serde_json::Value::from(sealed).to_string()),
            None => _ = fields.remove(FIELD),
        }
        message.with_part(body, fields.to_string().as_bytes())
    }
}

/// An answer as its client is to get it, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn bind(key: &str, [backend, principal]: [&str; 2], answer: Bytes) -> Option<Bytes> {
    let seal = Arc::new(Seal::new(key)?);
    Some(Bound::new(seal, backend.into(), principal.into()).close(answer))
}

/// A request as its backend is to get it, for the fuzz targets.
///
/// # Errors
/// As [`Bound::open`].
#[cfg(feature = "fuzzing")]
pub(crate) fn unbind(
    key: &str,
    [backend, principal]: [&str; 2],
    request: &Envelope,
    state: &[u8],
) -> Result<Envelope, bool> {
    let seal = Arc::new(Seal::new(key).ok_or(false)?);
    Bound::new(seal, backend.into(), principal.into()).open(request, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seal: &Arc<Seal>, backend: &str, principal: &str) -> Bound {
        Bound::new(seal.clone(), backend.into(), principal.into())
    }

    fn request(state: &str) -> Envelope {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","n":1.50,"requestState":{state}}}}}"#
        );
        Envelope::parse(text.into()).unwrap()
    }

    fn state_in(answer: &Bytes) -> String {
        let answer: serde_json::Value = serde_json::from_slice(answer).unwrap();
        answer["result"]["requestState"].to_string()
    }

    /// Somebody else's confirmation could be used for a call of one's own.
    #[test]
    fn a_state_comes_back_as_it_was_and_only_from_whom_it_was_given_to() {
        let seal = Arc::new(Seal::new("").unwrap());
        let answer = Bytes::from_static(
            br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"S\u002f1","n":1.50}}"#,
        );
        let alice = of(&seal, "a", "alice");
        let told = alice.close(answer.clone());
        let sealed = state_in(&told);
        assert!(!sealed.contains("S/1") && told.ends_with(br#","n":1.50}}"#), "{told:?}");
        let back = alice.open(&request(&sealed), sealed.as_bytes()).unwrap();
        assert_eq!(back.bytes(), request(r#""S\u002f1""#).bytes(), "byte for byte");
        assert_eq!(of(&seal, "a", "bob").open(&request(&sealed), sealed.as_bytes()).err(), Some(true));
        assert_eq!(of(&seal, "b", "alice").open(&request(&sealed), sealed.as_bytes()).err(), Some(false));
        for plain in [r#""S/1""#, "7", "{}", r#""""#] {
            assert_eq!(alice.open(&request(plain), plain.as_bytes()).err(), Some(false), "{plain}");
        }
    }

    #[test]
    fn what_has_no_state_passes_as_it_is() {
        let bound = of(&Arc::new(Seal::new("").unwrap()), "a", "alice");
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"requestState"}],"n":1.50}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"requestState"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(bound.close(Bytes::from_static(text.as_bytes())), text);
        }
    }
}
