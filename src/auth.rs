//! Who is asking: the one place that turns credentials into a principal.

mod caller;

use std::sync::Arc;

use http::HeaderValue;
use mcpvisor_config::Auth;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use caller::Credential;
pub use caller::{AuthFailure, Caller};

/// The principal of everybody where no keys are configured.
pub const ANONYMOUS: &str = "anonymous";

/// Recognises the holders of the configured keys.
pub struct Authenticator {
    anonymous: Arc<str>,
    keys: Vec<Key>,
}

struct Key {
    principal: Arc<str>,
    sha256: [u8; 32],
}

impl Authenticator {
    /// Recognises `auth.keys`; with none, everybody is [`ANONYMOUS`].
    pub fn new(auth: &Auth) -> Self {
        let keys = auth.keys.iter().map(|key| Key { principal: key.id.as_str().into(), sha256: key.sha256 });
        Self { anonymous: ANONYMOUS.into(), keys: keys.collect() }
    }

    /// Whether anybody can still be this principal.
    pub fn knows(&self, principal: &str) -> bool {
        match self.keys.is_empty() {
            true => principal == ANONYMOUS,
            false => self.keys.iter().any(|key| *key.principal == *principal),
        }
    }

    /// Whether credentials are asked for at all.
    pub fn is_required(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether what a caller has shown would still be taken.
    pub fn honours(&self, caller: &Caller) -> bool {
        match &caller.credential {
            Credential::Nothing => !self.is_required(),
            Credential::Key(digest) => {
                self.holder_of(digest).is_some_and(|principal| principal == caller.principal)
            }
        }
    }

    /// Who asks, as a request's `Authorization` header says.
    ///
    /// `Bearer KEY`, or the bare key, as the GitHub gateway's clients send it.
    ///
    /// # Errors
    /// Nobody that is known here.
    pub fn caller(&self, authorization: Option<&HeaderValue>) -> Result<Caller, AuthFailure> {
        if !self.is_required() {
            return Ok(Caller { principal: self.anonymous.clone(), credential: Credential::Nothing });
        }
        let credentials = authorization.ok_or(AuthFailure::Missing)?.as_bytes().trim_ascii();
        let digest: [u8; 32] = Sha256::digest(token(credentials).ok_or(AuthFailure::Invalid)?).into();
        let principal = self.holder_of(&digest).ok_or(AuthFailure::Invalid)?;
        Ok(Caller { principal, credential: Credential::Key(digest) })
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
fn token(credentials: &[u8]) -> Option<&[u8]> {
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
