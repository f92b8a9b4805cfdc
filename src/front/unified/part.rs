//! Several backends as one, as one principal sees them: those that it may use, and no trace of the others.

use std::sync::Arc;

use mcpvisor_actors::access::may_use;
use tokio::sync::watch;

use super::owners::Owners;
use super::set::{Members, Set};
use crate::front::face::Face;

/// See the module.
#[derive(Clone)]
pub(crate) struct Part {
    set: Arc<Set>,
    principal: Arc<str>,
}

impl Part {
    pub(crate) fn new(set: Arc<Set>, principal: Arc<str>) -> Self {
        Self { set, principal }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        self.set.name()
    }

    /// All of them, seen as one.
    pub(crate) fn face(&self) -> &Arc<Face> {
        self.set.face()
    }

    /// Those that are served now.
    pub(crate) fn members(&self) -> Arc<[Arc<Face>]> {
        let members = self.set.members();
        if members.rules.is_empty() {
            return members.faces.clone();
        }
        members.faces.iter().filter(|face| self.sees(&members, face)).cloned().collect()
    }

    /// The one of that name.
    pub(crate) fn member(&self, name: &str) -> Option<Arc<Face>> {
        let members = self.set.members();
        members.faces.iter().find(|face| *face.name == *name && self.sees(&members, face)).cloned()
    }

    /// Their names.
    pub(crate) fn order(&self) -> Vec<Arc<str>> {
        let members = self.set.members();
        members.faces.iter().filter(|face| self.sees(&members, face)).map(|face| face.name.clone()).collect()
    }

    /// Whether others may see something else under the same name.
    pub(crate) fn is_for_one(&self) -> bool {
        !self.set.members().rules.is_empty()
    }

    /// Whether there are some, and none of them for this principal.
    pub(crate) fn hides_all(&self) -> bool {
        let members = self.set.members();
        !members.faces.is_empty() && !members.faces.iter().any(|face| self.sees(&members, face))
    }

    /// Tells when they may be others.
    pub(crate) fn changes(&self) -> watch::Receiver<Members> {
        self.set.changes()
    }

    /// What is known of the resources of a principal that has no session.
    pub(crate) fn owners(&self) -> Arc<Owners> {
        self.set.owners(&self.principal)
    }

    fn sees(&self, members: &Members, face: &Face) -> bool {
        may_use(&members.rules, &self.principal, &face.name)
    }
}
