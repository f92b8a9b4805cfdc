//! What the configuration says to the front, all of it at once: who is let in, and to what.

use mcpvisor_config::Config;

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
        Self { auth, gate, faces, sets }
    }

    /// Whether something of that name is served: a backend, or several as one.
    pub(super) fn serves(&self, name: &str) -> bool {
        self.faces.get(name).is_some() || self.sets.get(name).is_some()
    }
}
