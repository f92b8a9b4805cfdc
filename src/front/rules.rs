//! What the configuration says to the front, all of it at once: who is let in, and to what.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcpvisor_actors::access::may_use;
use mcpvisor_config::{AccessRule, Config};

use super::face::Faces;
use super::gate::Gate;
use super::target::Target;
use super::unified::{ALL, Sets, group};
use crate::auth::Authenticator;

/// Replaced as a whole by a reload.
pub(super) struct Rules {
    pub(super) auth: Authenticator,
    pub(super) gate: Gate,
    pub(super) faces: Faces,
    pub(super) sets: Sets,
    /// Who may use what.
    access: Arc<[AccessRule]>,
    /// What tokens must carry to use a backend, besides what all must.
    scopes: BTreeMap<String, Arc<[String]>>,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self::with(config, Authenticator::new(&config.auth), Faces::new(config), &Sets::default())
    }

    /// Those that follow.
    pub(super) fn then(&self, config: &Config) -> Self {
        Self::with(config, self.auth.then(&config.auth), self.faces.then(config), &self.sets)
    }

    fn with(config: &Config, auth: Authenticator, faces: Faces, before: &Sets) -> Self {
        let gate = Gate::new(&config.gateway.listen, &config.gateway.public_url, &config.auth);
        let sets = before.then(config, &faces);
        let scoped = config.backends.values().filter(|backend| !backend.scopes.is_empty());
        let scopes = scoped.map(|backend| (backend.name.clone(), backend.scopes.clone())).collect();
        Self { auth, gate, faces, sets, access: config.auth.rules.clone(), scopes }
    }

    /// The scopes that a token must carry for this: of several backends as one those of all that the principal may use, of which without
    /// a principal nobody can tell where there are rules.
    pub(super) fn scopes(&self, target: Target<'_>, principal: Option<&str>) -> Vec<&str> {
        let Some(issuer) = self.auth.issuer() else { return Vec::new() };
        let set = match target {
            Target::Unified => self.sets.get(ALL),
            Target::Group(name) => self.sets.get(&group(name)),
            _ => None,
        };
        let members = set.map(|set| set.names()).unwrap_or_default();
        let of_one = target.backend().into_iter();
        let may_use = |name: &&str| match principal {
            Some(principal) => self.may_use(principal, name),
            None => self.access.is_empty() || target.backend().is_some(),
        };
        let backends = members.iter().map(|name| &**name).chain(of_one).filter(may_use);
        let of_backends = backends.filter_map(|name| self.scopes.get(name)).flat_map(|scopes| scopes.iter());
        let mut all = Vec::new();
        for scope in issuer.tokens().scopes.iter().chain(of_backends) {
            if !all.contains(&scope.as_str()) {
                all.push(scope.as_str());
            }
        }
        all
    }

    /// Whether the principal may use what goes by that name: a backend that it is given, or several as one, of which it sees those.
    pub(super) fn allows(&self, principal: &str, name: &str) -> bool {
        self.faces.get(name).is_none() || self.may_use(principal, name)
    }

    /// Whether the principal may use a backend of that name, if there is one.
    pub(super) fn may_use(&self, principal: &str, backend: &str) -> bool {
        may_use(&self.access, principal, backend)
    }

    /// Whether there are principals that may not use everything.
    pub(super) fn has_limits(&self) -> bool {
        !self.access.is_empty()
    }

    /// The names of the backends that the principal may use, sorted.
    pub(super) fn names_for(&self, principal: &str) -> Vec<String> {
        let mut names = self.faces.names();
        names.retain(|name| self.allows(principal, name));
        names
    }

    /// Whether something of that name is served: a backend, or several as one.
    pub(super) fn serves(&self, name: &str) -> bool {
        self.faces.get(name).is_some() || self.sets.get(name).is_some()
    }
}
