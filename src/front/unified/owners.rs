//! Which backend a resource is of: learned from what they list, and from what their results name.
//!
//! Read and written by requests that run at once; what is known never waits for anybody.

use std::sync::Arc;

use papaya::{HashMap, HashSet};

use super::template::Template;

/// What is not remembered beyond this is asked for.
const MOST: usize = 20_000;

/// A URI that two backends claim; the first of them is its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) uri: String,
    pub(crate) owner: Arc<str>,
    pub(crate) other: Arc<str>,
}

/// Those of one session, or of one principal that has none.
#[derive(Default)]
pub(crate) struct Owners {
    uris: HashMap<String, Arc<str>>,
    templates: HashMap<String, (Template, Arc<str>)>,
    /// Backends whose lists have been seen to their end.
    seen: HashSet<Arc<str>>,
    /// Conflicts that have been reported, by URI.
    reported: HashSet<String>,
}

/// A backend and its place among the others.
pub(crate) trait Order {
    /// `None`: it is no longer among them.
    fn rank(&self, backend: &str) -> Option<usize>;
}

impl Order for [Arc<str>] {
    fn rank(&self, backend: &str) -> Option<usize> {
        self.iter().position(|name| **name == *backend)
    }
}

impl Owners {
    /// A backend lists the resource. Of two, the one that is configured first has it.
    pub(crate) fn lists(&self, uri: &str, backend: &Arc<str>, order: &[Arc<str>]) -> Result<(), Conflict> {
        let uris = self.uris.pin();
        let known = uris.get(uri).cloned();
        let (owner, told) = decide(uri, known, backend, order);
        if let Some(owner) = owner
            && uris.len() < MOST
        {
            uris.insert(uri.to_owned(), owner);
        }
        told
    }

    /// The same of a template.
    pub(crate) fn offers(
        &self,
        template: &str,
        backend: &Arc<str>,
        order: &[Arc<str>],
    ) -> Result<(), Conflict> {
        let templates = self.templates.pin();
        let known = templates.get(template).map(|(_, owner)| owner.clone());
        let (owner, told) = decide(template, known, backend, order);
        if let Some(owner) = owner
            && templates.len() < MOST
        {
            templates.insert(template.to_owned(), (Template::parse(template), owner));
        }
        told
    }

    /// A result of the backend names the resource: nobody lists it, as far as is known.
    pub(crate) fn names(&self, uri: &str, backend: &Arc<str>) {
        let uris = self.uris.pin();
        if uris.len() < MOST && !uris.contains_key(uri) {
            uris.insert(uri.to_owned(), backend.clone());
        }
    }

    /// The owner, as far as is known.
    pub(crate) fn of(&self, uri: &str, order: &[Arc<str>]) -> Option<Arc<str>> {
        let listed = self.uris.pin().get(uri).filter(|owner| order.rank(owner).is_some()).cloned();
        listed.or_else(|| self.by_template(uri, order))
    }

    fn by_template(&self, uri: &str, order: &[Arc<str>]) -> Option<Arc<str>> {
        let templates = self.templates.pin();
        let fitting = templates.values().filter(|(template, _)| template.matches(uri));
        let ranked = fitting
            .filter_map(|(template, owner)| Some((template.weight(), order.rank(owner)?, owner.clone())));
        // What says more of the URI fits better; of equals the first configured.
        ranked.max_by_key(|(weight, rank, _)| (*weight, usize::MAX - *rank)).map(|(_, _, owner)| owner)
    }

    /// The owner of a template that was listed, byte for byte; else of a URI.
    pub(crate) fn of_template(&self, text: &str, order: &[Arc<str>]) -> Option<Arc<str>> {
        let owner = self.templates.pin().get(text).map(|(_, owner)| owner.clone());
        owner.filter(|owner| order.rank(owner).is_some()).or_else(|| self.of(text, order))
    }

    /// The lists of the backend have been seen to their end.
    pub(crate) fn saw_all_of(&self, backend: &Arc<str>) {
        self.seen.pin().insert(backend.clone());
    }

    /// Whether the conflict is to be reported: once is enough.
    pub(crate) fn is_news(&self, conflict: &Conflict) -> bool {
        let reported = self.reported.pin();
        reported.len() < MOST && reported.insert(conflict.uri.clone())
    }

    /// Whether they have.
    pub(crate) fn has_seen(&self, backend: &str) -> bool {
        self.seen.pin().contains(backend)
    }

    /// The lists of the backend have changed.
    pub(crate) fn forget(&self, backend: &str) {
        self.uris.pin().retain(|_, owner| **owner != *backend);
        self.templates.pin().retain(|_, (_, owner)| **owner != *backend);
        self.seen.pin().remove(backend);
    }
}

/// Who is to be written down, if anybody, and whether what is listed is to be shown.
fn decide(
    uri: &str,
    known: Option<Arc<str>>,
    backend: &Arc<str>,
    order: &[Arc<str>],
) -> (Option<Arc<str>>, Result<(), Conflict>) {
    let known = known.filter(|owner| order.rank(owner).is_some());
    match known {
        None => (Some(backend.clone()), Ok(())),
        Some(owner) if owner == *backend => (None, Ok(())),
        Some(owner) if order.rank(backend) < order.rank(&owner) => (Some(backend.clone()), Ok(())),
        Some(owner) => {
            let conflict = Conflict { uri: uri.to_owned(), owner, other: backend.clone() };
            (None, Err(conflict))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Vec<Arc<str>> {
        vec!["a".into(), "b".into()]
    }

    #[test]
    fn the_first_configured_owns_what_two_list_whoever_is_faster() {
        let (order, owners) = (order(), Owners::default());
        assert!(owners.lists("x://1", &order[1], &order).is_ok());
        assert!(owners.lists("x://1", &order[0], &order).is_ok());
        assert_eq!(owners.of("x://1", &order).as_deref(), Some("a"));
        let conflict = owners.lists("x://1", &order[1], &order).unwrap_err();
        assert_eq!((&*conflict.owner, &*conflict.other, &*conflict.uri), ("a", "b", "x://1"));
        assert!(owners.lists("x://1", &order[0], &order).is_ok(), "its owner may list it again");
    }

    #[test]
    fn a_listed_resource_beats_a_template_and_a_long_template_a_short_one() {
        let (order, owners) = (order(), Owners::default());
        owners.offers("x://{+all}", &order[0], &order).unwrap();
        owners.offers("x://deep/{id}", &order[1], &order).unwrap();
        assert_eq!(owners.of("x://deep/1", &order).as_deref(), Some("b"));
        assert_eq!(owners.of("x://other", &order).as_deref(), Some("a"));
        owners.lists("x://deep/1", &order[0], &order).unwrap();
        assert_eq!(owners.of("x://deep/1", &order).as_deref(), Some("a"));
        assert_eq!(owners.of_template("x://deep/{id}", &order).as_deref(), Some("b"));
        assert_eq!(owners.of("y://1", &order), None);
    }

    #[test]
    fn a_backend_that_has_gone_owns_nothing() {
        let (order, owners) = (order(), Owners::default());
        owners.lists("x://1", &order[0], &order).unwrap();
        owners.saw_all_of(&order[0]);
        assert_eq!(owners.of("x://1", &order[1..]), None);
        owners.lists("x://1", &order[1], &order[1..]).unwrap();
        assert_eq!(owners.of("x://1", &order[1..]).as_deref(), Some("b"));
        assert!(owners.has_seen("a"));
        owners.forget("a");
        assert!(!owners.has_seen("a"));
    }

    #[test]
    fn a_link_in_a_result_tells_where_it_leads_but_no_more_than_a_list() {
        let (order, owners) = (order(), Owners::default());
        owners.lists("x://1", &order[0], &order).unwrap();
        owners.names("x://1", &order[1]);
        owners.names("x://2", &order[1]);
        assert_eq!(owners.of("x://1", &order).as_deref(), Some("a"));
        assert_eq!(owners.of("x://2", &order).as_deref(), Some("b"));
    }
}
