//! What the configuration says to the front, all of it at once: who is let in, and to what.

use mcpvisor_config::Config;

use super::face::Faces;
use super::gate::Gate;
use crate::auth::Authenticator;

/// Replaced as a whole by a reload.
pub(super) struct Rules {
    pub(super) auth: Authenticator,
    pub(super) gate: Gate,
    pub(super) faces: Faces,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self::with(config, Faces::new(config))
    }

    /// Those that follow.
    pub(super) fn then(&self, config: &Config) -> Self {
        Self::with(config, self.faces.then(config))
    }

    fn with(config: &Config, faces: Faces) -> Self {
        let (auth, gate) = (Authenticator::new(&config.auth), Gate::new(&config.gateway, &config.auth));
        Self { auth, gate, faces }
    }
}
