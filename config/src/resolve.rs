//! Merged settings to the resolved types. The defaults lie under everything, so every key has a value.

mod access;
mod auth;
mod backend;
mod sandbox;
mod sections;
mod tokens;
mod transport;

use std::cell::RefCell;
use std::collections::BTreeMap;

use figment::value::Dict;

use crate::error::Fault;
use crate::key_path::KeyPath;
use crate::read::Reader;
use crate::shipped::SLOW_STARTERS;
use crate::{Config, LoadRequest, Secrets};

pub(crate) use auth::digest as key_digest;

/// What the resolved types are made from.
pub(crate) struct Resolve<'a> {
    /// All layers merged.
    pub(crate) merged: &'a Dict,
    pub(crate) request: &'a LoadRequest,
    /// What `${VAR}` brought in.
    pub(crate) secrets: Secrets,
    /// Whether the user set a key, in any layer.
    pub(crate) user_set: &'a dyn Fn(&KeyPath) -> bool,
}

impl Resolve<'_> {
    /// The configuration, complete only if there are no faults.
    pub(crate) fn config(self) -> (Config, Vec<Fault>) {
        let faults = RefCell::new(Vec::new());
        let top = Reader::new(self.merged, &faults);
        let groups = top.table("groups");
        let gateway = sections::gateway(&top.table("gateway"));
        let mut config = Config {
            pool: sections::pool(&top.table("pool")),
            session: sections::session(&top.table("session")),
            backoff: sections::backoff(&top.table("backoff")),
            timeouts: sections::timeouts(&top.table("timeouts")),
            limits: sections::limits(&top.table("limits")),
            principal_limits: sections::principal_limits(&top.table("principal_limits")),
            http: sections::http(&top.table("http")),
            auth: auth::auth(&top.table("auth"), &gateway.public_url, self.request),
            telemetry: sections::telemetry(&top.table("telemetry")),
            groups: groups.names().map(|name| (name.to_owned(), groups.texts(name))).collect(),
            backends: BTreeMap::new(),
            secrets: self.secrets,
            gateway,
        };
        let slow = top.table(SLOW_STARTERS);
        let slow_starters = backend::SlowStarters {
            commands: slow.texts("commands"),
            launch: slow.duration("launch"),
            apply: !(self.user_set)(&KeyPath::of(&["timeouts", "launch"])),
        };
        backend::check_defaults(&top.table("backend_defaults"));
        let backends = top.table("backends");
        for name in backends.names() {
            if let Some(backend) = backend::backend(name, &top, &config, &slow_starters) {
                config.backends.insert(name.to_owned(), backend);
            }
        }
        (config, faults.into_inner())
    }
}
