//! Whose credentials a server behind a URL gets: one kind of them, and nobody's with another's request.

use super::{Checks, is_http_url};
use crate::key_path::KeyPath;
use crate::{Config, Isolation, Oauth, Transport};

impl Checks<'_> {
    pub(super) fn credentials(
        &mut self,
        transport: &Transport,
        isolation: Isolation,
        config: &Config,
        at: &KeyPath,
    ) {
        let Transport::Http { headers, forward_authorization, oauth, .. } = transport else { return };
        let own = headers.keys().find(|name| name.eq_ignore_ascii_case("authorization"));
        let (forward, oauth_at) = (at.key("forward_authorization"), at.key("oauth"));
        if let Some(name) = own {
            let header = at.key("headers").key(name);
            let hint = "keep one: a request has one Authorization";
            if *forward_authorization {
                self.fault(&forward, &[&header], format!("headers.{name} is given as well"), hint);
            }
            if oauth.is_some() {
                self.fault(&oauth_at, &[&header], format!("headers.{name} is given as well"), hint);
            }
        }
        if *forward_authorization {
            self.forwarded(isolation, config, oauth.is_some(), at);
        }
        if let Some(oauth) = oauth {
            self.oauth(oauth, &oauth_at);
        }
    }

    fn forwarded(&mut self, isolation: Isolation, config: &Config, oauth: bool, at: &KeyPath) {
        let forward = at.key("forward_authorization");
        if oauth {
            self.fault(&forward, &[], "oauth is given as well", "keep one: a request has one Authorization");
        }
        if !config.auth.is_open() {
            self.fault(
                &forward,
                &[&KeyPath::of(&["auth", "keys"]), &KeyPath::of(&["auth", "issuer"])],
                "the client's Authorization is its key or token for mcpvisor (auth.keys, auth.issuer), which no server may see",
                "give the server credentials of its own by headers or oauth, or leave it to the server who gets in",
            );
        }
        if matches!(isolation, Isolation::Principal | Isolation::Shared) {
            self.fault(
                &at.key("isolation"),
                &[&forward],
                "one connection for several clients, and forward_authorization: one's requests would go out as another's",
                "isolation = \"session\", or \"request\"",
            );
        }
    }

    fn oauth(&mut self, oauth: &Oauth, at: &KeyPath) {
        let token_url = at.key("token_url");
        if !is_http_url(&oauth.token_url) {
            self.fault(
                &token_url,
                &[],
                "not an http or https URL",
                "write it as \"https://host/oauth/token\"",
            );
        }
        for (key, value) in [("client_id", &oauth.client_id), ("client_secret", &oauth.client_secret)] {
            if value.is_empty() {
                self.fault(
                    &at.key(key),
                    &[&token_url],
                    "missing",
                    format!("give the {key} that the token server knows"),
                );
            }
        }
    }
}
