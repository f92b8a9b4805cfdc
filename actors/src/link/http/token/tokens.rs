//! The token sources of all backends that want tokens.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcpvisor_config::Oauth;

use super::TokenSource;

/// One source for all connections of a backend, as long as it is configured in the same way.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<ArcSwap<HashMap<String, (Oauth, TokenSource)>>>);

impl Tokens {
    pub(crate) fn of(&self, backend: &str, oauth: &Oauth) -> TokenSource {
        let find = |known: &HashMap<String, (Oauth, TokenSource)>| {
            known.get(backend).filter(|(of, _)| of == oauth).map(|(_, source)| source.clone())
        };
        if let Some(source) = find(&self.0.load()) {
            return source;
        }
        let new = TokenSource::new(oauth);
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            // Another connection may have been faster: then this one's is used by nobody, and ends.
            if find(&known).is_none() {
                known.insert(backend.to_owned(), (oauth.clone(), new.clone()));
            }
            known
        });
        find(&self.0.load()).unwrap_or(new)
    }
}
