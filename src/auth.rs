//! Who is asking: the one place that turns credentials into a principal.
//!
//! ```text
//! caller    what is known of whoever asks
//! token     a token, and whether it may be believed          key_set   the keys that tell      (both pure)
//! issuer    the keys as they were fetched last, and when they are fetched again     fetch      over HTTPS
//! ```

mod caller;
mod fetch;
mod issuer;
mod key_set;
mod token;

use std::sync::Arc;

use http::HeaderValue;
use mcpvisor_config::Auth;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use caller::Credential;
pub use caller::{AuthFailure, Caller};
pub(crate) use issuer::Issuer;

/// The principal of everybody where no keys are configured.
pub const ANONYMOUS: &str = "anonymous";

/// Recognises the holders of the configured keys, and of tokens of the configured issuer.
pub struct Authenticator {
    anonymous: Arc<str>,
    keys: Vec<Key>,
    issuer: Option<Arc<Issuer>>,
}

struct Key {
    principal: Arc<str>,
    sha256: [u8; 32],
}

impl Authenticator {
    /// Recognises `auth.keys` and tokens of `auth.issuer`; with neither, everybody is [`ANONYMOUS`]. With an issuer, its keys are
    /// fetched from now on, on the current runtime.
    pub fn new(auth: &Auth) -> Self {
        Self::with(auth, None)
    }

    /// The one that follows, after a reload. What is known of an issuer that stays is kept.
    pub fn then(&self, auth: &Auth) -> Self {
        Self::with(auth, self.issuer.as_ref())
    }

    fn with(auth: &Auth, before: Option<&Arc<Issuer>>) -> Self {
        let keys = auth.keys.iter().map(|key| Key { principal: key.id.as_str().into(), sha256: key.sha256 });
        let issuer = auth.tokens.are_taken().then(|| match before {
            Some(same) if **same.tokens() == auth.tokens => same.clone(),
            before => Arc::new(Issuer::start(auth.tokens.clone().into(), before.map(|before| &**before))),
        });
        Self { anonymous: ANONYMOUS.into(), keys: keys.collect(), issuer }
    }

    /// Whose tokens are taken.
    pub(crate) fn issuer(&self) -> Option<&Arc<Issuer>> {
        self.issuer.as_ref()
    }

    /// Whether there are keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether anybody can still be this principal.
    pub fn knows(&self, principal: &str) -> bool {
        match self.is_required() {
            false => principal == ANONYMOUS,
            true => {
                self.keys.iter().any(|key| *key.principal == *principal)
                    || self.issuer.as_ref().is_some_and(|issuer| issuer.may_have_named(principal))
            }
        }
    }

    /// Whether credentials are asked for at all.
    pub fn is_required(&self) -> bool {
        !self.keys.is_empty() || self.issuer.is_some()
    }

    /// Whether what a caller has shown would still be taken.
    pub fn honours(&self, caller: &Caller) -> bool {
        match &caller.credential {
            Credential::Nothing => !self.is_required(),
            Credential::Key(digest) => {
                self.holder_of(digest).is_some_and(|principal| principal == caller.principal)
            }
            // That it expires is seen to elsewhere.
            Credential::Token(_, asked) => {
                self.issuer.as_ref().is_some_and(|issuer| issuer.tokens() == asked)
            }
        }
    }

    /// Who asks, as a request's `Authorization` header says. Never waits.
    ///
    /// `Bearer KEY`, or the bare key, as the GitHub gateway's clients send it; `Bearer TOKEN`.
    ///
    /// # Errors
    /// Nobody that is known here.
    pub fn caller(&self, authorization: Option<&HeaderValue>) -> Result<Caller, AuthFailure> {
        if !self.is_required() {
            return Ok(Caller { principal: self.anonymous.clone(), credential: Credential::Nothing });
        }
        let credentials = authorization.ok_or(AuthFailure::Missing)?.as_bytes().trim_ascii();
        let shown = bearer(credentials).ok_or(AuthFailure::Invalid)?;
        let digest: [u8; 32] = Sha256::digest(shown).into();
        if let Some(principal) = self.holder_of(&digest) {
            return Ok(Caller { principal, credential: Credential::Key(digest) });
        }
        let issuer = self.issuer.as_ref().filter(|_| token::looks_like_one(shown));
        let issuer = issuer.ok_or(AuthFailure::Invalid)?;
        let verified = issuer.verify(shown, &digest)?;
        let principal = verified.principal.clone();
        Ok(Caller { principal, credential: Credential::Token(verified, issuer.tokens().clone()) })
    }

    /// Looks at every key, so that the time taken does not tell which one came close.
    fn holder_of(&self, digest: &[u8; 32]) -> Option<Arc<str>> {
        let mut holder = None;
        for key in &self.keys {
            let same: Choice = key.sha256.ct_eq(digest);
            if same.into() {
                holder = Some(&key.principal);
            }
        }
        holder.cloned()
    }
}

/// The key in `Bearer KEY` or `KEY`; other schemes have a space in them and carry no key of ours.
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let Some(space) = credentials.iter().position(|byte| *byte == b' ') else {
        return (!credentials.is_empty()).then_some(credentials);
    };
    let (scheme, rest) = credentials.split_at(space);
    scheme.eq_ignore_ascii_case(b"bearer").then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use mcpvisor_config::AuthKey;

    use super::*;

    fn authenticator(keys: &[(&str, &str)]) -> Authenticator {
        let keys =
            keys.iter().map(|(id, key)| AuthKey { id: (*id).into(), sha256: Sha256::digest(key).into() });
        Authenticator::new(&Auth { keys: keys.collect(), ..Auth::default() })
    }

    fn ask(authenticator: &Authenticator, header: &str) -> Result<Arc<str>, AuthFailure> {
        authenticator.caller(Some(&HeaderValue::from_str(header).unwrap())).map(|caller| caller.principal)
    }

    #[test]
    fn each_key_is_its_own_principal() {
        let auth = authenticator(&[("alice", "a-key"), ("bob", "b-key")]);
        assert_eq!(ask(&auth, "Bearer a-key").as_deref(), Ok("alice"));
        assert_eq!(ask(&auth, "bearer  b-key ").as_deref(), Ok("bob"));
        assert_eq!(ask(&auth, "b-key").as_deref(), Ok("bob"));
    }

    #[test]
    fn a_wrong_key_is_nobody() {
        let auth = authenticator(&[("alice", "a-key")]);
        for header in ["Bearer a-ke", "Bearer a-key2", "Bearer ", "", "Basic a-key"] {
            assert_eq!(ask(&auth, header), Err(AuthFailure::Invalid), "{header:?}");
        }
        assert_eq!(auth.caller(None).err(), Some(AuthFailure::Missing));
    }

    #[test]
    fn without_keys_everybody_is_anonymous() {
        let auth = authenticator(&[]);
        assert!(auth.knows(ANONYMOUS) && !auth.knows("alice"));
        assert!(authenticator(&[("alice", "k")]).knows("alice"));
        assert!(!authenticator(&[("alice", "k")]).knows(ANONYMOUS));
        assert_eq!(auth.caller(None).map(|caller| caller.principal).as_deref(), Ok(ANONYMOUS));
        assert_eq!(ask(&auth, "Bearer whatever").as_deref(), Ok(ANONYMOUS));
    }

    /// The streams of a key that has leaked would go on after it was replaced.
    #[test]
    fn a_key_is_honoured_until_it_is_taken_back_or_replaced() {
        let auth = authenticator(&[("alice", "a-key")]);
        let alice = auth.caller(Some(&HeaderValue::from_static("Bearer a-key"))).ok().unwrap();
        assert!(auth.honours(&alice) && authenticator(&[("bob", "b"), ("alice", "a-key")]).honours(&alice));
        for other in
            [authenticator(&[("alice", "new")]), authenticator(&[("bob", "a-key")]), authenticator(&[])]
        {
            assert!(!other.honours(&alice));
        }
        let anybody = authenticator(&[]).caller(None).ok().unwrap();
        assert!(authenticator(&[]).honours(&anybody) && !auth.honours(&anybody));
    }
}
