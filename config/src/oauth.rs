//! `[backends.NAME.oauth]`: a token of mcpvisor's own for an upstream (RFC 6749, 4.4).

use std::fmt;

/// How a token is got; the secret is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Oauth {
    /// The token endpoint.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// How that is proved.
    pub client_secret: String,
    /// How both are sent.
    pub client_auth: ClientAuth,
    /// `scope`; empty = not sent.
    pub scope: String,
    /// `resource` (RFC 8707); empty = not sent.
    pub resource: String,
    /// `audience`, for servers that want it in place of that; empty = not sent.
    pub audience: String,
}

/// Where id and secret of the client stand (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In `Authorization`.
    Basic,
    /// In the form.
    Post,
}

impl fmt::Debug for Oauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oauth")
            .field("client_id", &self.client_id)
            .field("client_auth", &self.client_auth)
            .field("scope", &self.scope)
            .field("resource", &self.resource)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
