//! Which backends are served as one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use mcpvisor_config::{AccessRule, Config};
use papaya::HashMap;
use tokio::sync::watch;

use super::owners::Owners;
use crate::front::face::{Face, FaceSettings, Faces};

/// The name of all backends together: no backend has it, and none has a slash.
pub(crate) const ALL: &str = "*";

/// Principals without sessions whose resources are remembered.
const MOST: usize = 1000;

/// The name of a group among the sets.
pub(crate) fn group(name: &str) -> String {
    format!("group/{name}")
}

/// Some backends, in the order of the configuration.
pub(crate) struct Set {
    name: Arc<str>,
    /// Counted only where it is used.
    face: OnceLock<Arc<Face>>,
    settings: ArcSwap<FaceSettings>,
    members: watch::Sender<Members>,
    /// Of clients that have no session to remember it, by their principals.
    owners: HashMap<Arc<str>, Arc<Owners>>,
}

/// Those that are served, and who may use which.
#[derive(Clone)]
pub(crate) struct Members {
    pub(super) faces: Arc<[Arc<Face>]>,
    pub(super) rules: Arc<[AccessRule]>,
}

/// All of them, by name.
#[derive(Default)]
pub(crate) struct Sets(BTreeMap<String, Arc<Set>>);

impl Set {
    fn new(name: &str, settings: FaceSettings, members: Members) -> Self {
        let settings = ArcSwap::from_pointee(settings);
        let (face, owners) = (OnceLock::new(), HashMap::new());
        Self { name: name.into(), face, settings, members: watch::Sender::new(members), owners }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// All of them, seen as one.
    pub(crate) fn face(&self) -> &Arc<Face> {
        self.face.get_or_init(|| Arc::new(Face::new(&self.name, **self.settings.load())))
    }

    /// As they are now. Not to be held across an await.
    pub(super) fn members(&self) -> watch::Ref<'_, Members> {
        self.members.borrow()
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.members.borrow().faces.iter().map(|face| face.name.clone()).collect()
    }

    /// Tells of others that are served instead.
    pub(crate) fn changes(&self) -> watch::Receiver<Members> {
        self.members.subscribe()
    }

    /// What is known of the resources of a principal that has no session.
    pub(crate) fn owners(&self, principal: &Arc<str>) -> Arc<Owners> {
        let owners = self.owners.pin();
        if owners.len() >= MOST && !owners.contains_key(principal) {
            // It is asked for once more.
            owners.clear();
        }
        owners.get_or_insert_with(principal.clone(), Arc::default).clone()
    }

    fn set(&self, settings: FaceSettings, members: Members) {
        self.settings.store(settings.into());
        if let Some(face) = self.face.get() {
            face.set(settings);
        }
        self.members.send_if_modified(|before| {
            let same = same(&before.faces, &members.faces) && before.rules == members.rules;
            if !same {
                *before = members;
            }
            !same
        });
    }
}

/// Whether they are the same, in the same order.
pub(crate) fn same(one: &[Arc<Face>], other: &[Arc<Face>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

impl Sets {
    /// Those that `config` names; one that was there before is the same.
    pub(crate) fn then(&self, config: &Config, faces: &Faces) -> Self {
        let settings = FaceSettings::general(config);
        let mut sets = BTreeMap::new();
        let mut add = |name: String, faces: Arc<[Arc<Face>]>| {
            let members = Members { faces, rules: config.auth.rules.clone() };
            let set = match self.0.get(&name) {
                Some(set) => {
                    set.set(settings, members);
                    set.clone()
                }
                None => Arc::new(Set::new(&name, settings, members)),
            };
            sets.insert(name, set);
        };
        if config.gateway.unified {
            add(ALL.to_owned(), config.backends.keys().filter_map(|name| faces.get(name)).cloned().collect());
        }
        for (name, members) in &config.groups {
            add(group(name), members.iter().filter_map(|name| faces.get(name)).cloned().collect());
        }
        Self(sets)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Set>> {
        self.0.get(name)
    }

    /// The names of the groups that are wanted.
    pub(crate) fn groups(&self, wanted: impl Fn(&Arc<Set>) -> bool) -> Vec<&str> {
        let wanted = self.0.iter().filter(|(_, set)| wanted(set));
        wanted.filter_map(|(name, _)| name.strip_prefix("group/")).collect()
    }
}
