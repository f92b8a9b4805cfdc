//! What the configuration says to the front, all of it at once: who is let in, and to what.

use std::sync::Arc;

use mcpvisor_actors::access::may_use;
use mcpvisor_config::{AccessRule, Config};

use super::face::Faces;
use super::gate::Gate;
use super::unified::Sets;
use crate::auth::Authenticator;

/// Replaced as a whole by a reload.
pub(super) struct Rules {
    pub(super) auth: Authenticator,
    pub(super) gate: Gate,
    pub(super) faces: Faces,
    pub(super) sets: Sets,
    /// Who may use what.
    access: Arc<[AccessRule]>,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self::with(config, Faces::new(config), &Sets::default())
    }

    /// Those that follow.
    pub(super) fn then(&self, config: &Config) -> Self {
        Self::with(config, self.faces.then(config), &self.sets)
    }

    fn with(config: &Config, faces: Faces, before: &Sets) -> Self {
        let (auth, gate) = (Authenticator::new(&config.auth), Gate::new(&config.gateway, &config.auth));
        let sets = before.then(config, &faces);
        Self { auth, gate, faces, sets, access: config.auth.rules.clone() }
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
