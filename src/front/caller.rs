//! Whether whoever asks is let in, and to this: its credentials, and what its token is for.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::Front;
use super::measure::count_auth_failure;
use super::rejection::{INTERNAL_ERROR, INVALID_REQUEST, Rejection};
use super::resource_metadata::{Fault, challenge};
use super::rules::Rules;
use super::target::Target;
use crate::auth::{AuthFailure, Caller};

/// When to come back while the issuer's keys are not known.
const COME_BACK: Duration = Duration::from_secs(5);

impl Front {
    /// Who asks, whether that is to be counted or not. Waits only if the issuer of a token may have a new key, and for that once.
    pub(super) async fn recognise(&self, headers: &HeaderMap) -> Result<Caller, AuthFailure> {
        let authorization = headers.get(header::AUTHORIZATION);
        let issuer = {
            let rules = self.rules.load();
            match (rules.auth.caller(authorization), rules.auth.issuer()) {
                (Err(AuthFailure::UnknownKey), Some(issuer)) => issuer.clone(),
                (known, _) => return known,
            }
        };
        // Somebody else may have had that done meanwhile.
        Box::pin(issuer.look_again()).await;
        match self.rules.load().auth.caller(authorization) {
            Err(AuthFailure::UnknownKey) => {}
            known => return known,
        }
        Err(if issuer.has_keys() { AuthFailure::Invalid } else { AuthFailure::Unavailable })
    }

    /// Who asks for this; a refusal is counted.
    pub(super) async fn caller(&self, headers: &HeaderMap, target: Target<'_>) -> Result<Caller, Rejection> {
        self.recognise(headers).await.map_err(|failure| self.rules.load().refuse(failure, target, None))
    }
}

impl Rules {
    /// Whether the caller's token, if that is what it has shown, is for this.
    ///
    /// # Errors
    /// It is for something else, or for less. This is counted.
    pub(super) fn check_token(&self, caller: &Caller, target: Target<'_>) -> Result<(), Rejection> {
        match self.token_lacks(caller, target) {
            None => Ok(()),
            Some(failure) => Err(self.refuse(failure, target, Some(&caller.principal))),
        }
    }

    /// Whether that is so, and nobody has to be told.
    pub(super) fn admits(&self, caller: &Caller, target: Target<'_>) -> bool {
        self.token_lacks(caller, target).is_none()
    }

    fn token_lacks(&self, caller: &Caller, target: Target<'_>) -> Option<AuthFailure> {
        let (token, issuer) = (caller.token()?, self.auth.issuer()?);
        let wanted = target.resource();
        if !token.is_for(issuer.tokens(), |path| wanted != Target::Nothing && Target::of(path) == wanted) {
            return Some(AuthFailure::Audience);
        }
        let lacks = |scope: &&str| !token.has(scope);
        let scopes = self.scopes(target, Some(&caller.principal));
        scopes.iter().any(lacks).then_some(AuthFailure::Scope)
    }

    /// The answer to whoever is not let in. What it would take is told as far as the principal, if there is one, may know of it.
    fn refuse(&self, failure: AuthFailure, target: Target<'_>, principal: Option<&str>) -> Rejection {
        count_auth_failure(failure.as_str());
        let what = match failure {
            AuthFailure::Missing => "credentials are missing",
            AuthFailure::Invalid | AuthFailure::UnknownKey => "the credentials are not valid",
            AuthFailure::Expired => "the token has expired",
            AuthFailure::Audience => "the token is for another resource",
            AuthFailure::Scope => "the token lacks a scope",
            AuthFailure::Unavailable => "the issuer's keys are not known yet",
        };
        let scopes = self.scopes(target, principal);
        let text = match (self.auth.issuer(), failure) {
            (Some(_), AuthFailure::Scope) => format!("{what}: it takes {}", scopes.join(" ")),
            (Some(_), AuthFailure::Unavailable) => what.to_owned(),
            (Some(issuer), _) if self.auth.has_keys() => {
                let issuer = &issuer.tokens().issuer;
                format!("{what}: send Authorization: Bearer with a token of {issuer} or a key of auth.keys")
            }
            (Some(issuer), _) => {
                format!("{what}: send Authorization: Bearer with a token of {}", issuer.tokens().issuer)
            }
            (None, _) => format!("{what}: send Authorization: Bearer KEY with a key of auth.keys"),
        };
        let status = match failure {
            AuthFailure::Scope => StatusCode::FORBIDDEN,
            AuthFailure::Unavailable => {
                let rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, &text);
                return rejection.retry_after(COME_BACK);
            }
            _ => StatusCode::UNAUTHORIZED,
        };
        let fault = match failure {
            AuthFailure::Missing => Fault::None,
            AuthFailure::Scope => Fault::InsufficientScope,
            _ => Fault::InvalidToken(what),
        };
        let by_key = match fault {
            Fault::None => r#"Bearer realm="mcpvisor""#,
            _ => r#"Bearer realm="mcpvisor", error="invalid_token""#,
        };
        let path = target.resource().to_string();
        let by_token =
            self.auth.issuer().and_then(|issuer| challenge(issuer.tokens(), &path, &scopes, fault));
        let challenge = by_token.unwrap_or_else(|| HeaderValue::from_static(by_key));
        Rejection::new(status, INVALID_REQUEST, &text).with(header::WWW_AUTHENTICATE, challenge)
    }
}
