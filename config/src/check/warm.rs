//! Processes in reserve: how many, and how old.

use std::time::Duration;

use super::Checks;
use crate::key_path::KeyPath;
use crate::{Backend, Config};

/// Anything shorter would do nothing but start processes.
const SHORTEST_AGE: Duration = Duration::from_secs(1);

impl Checks<'_> {
    pub(super) fn warm(&mut self, backend: &Backend, config: &Config, at: &KeyPath) {
        let most = config.limits.max_connections;
        if backend.warm > most {
            let limit = KeyPath::of(&["limits", "max_connections"]);
            let what = format!("more processes in reserve than limits.max_connections ({most}) lets be used");
            self.fault(&at.key("warm"), &[&limit], what, "one or two are enough for most");
        }
        if !backend.warm_max_age.is_zero() && backend.warm_max_age < SHORTEST_AGE {
            let hint = "at least \"1s\"; \"0s\" = never replaced";
            self.fault(&at.key("warm_max_age"), &[], "too short to start a process in", hint);
        }
    }
}
