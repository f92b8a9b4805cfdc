//! A page of every backend at once, as one page.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::cursor::Cursor;
use super::merge::{Merged, Page};
use super::owners::Owners;
use super::view::List;
use crate::front::face::Face;
use crate::front::modern::Seal;

/// How long a list waits for a backend that has never been seen to take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A list longer than this is not read to its end to find out whose a resource is.
const PAGES: usize = 50;

/// What a client is told of a cursor that is not for this.
const BAD_CURSOR: &str =
    "cursor is not valid here: it was changed, is for another list, or older than this service; begin anew";

/// Asks one backend.
pub(crate) trait Lister: Sync {
    /// A page of its list, or why there is none. Comes back within the backend's patience.
    fn page(&self, face: &Arc<Face>, list: List, cursor: Option<&str>) -> impl Future<Output = Page> + Send;
}

/// Whose list, and of what.
pub(crate) struct Purpose<'a> {
    pub(crate) list: List,
    pub(crate) set: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) members: &'a [Arc<Face>],
    pub(crate) owners: &'a Owners,
    pub(crate) seal: &'a Seal,
    pub(crate) modern: bool,
    /// Others may see another list, so that nobody is to keep this one for them.
    pub(crate) private: bool,
}

/// The result as raw JSON; an error is a cursor that is none, and what is wrong.
pub(crate) async fn list(
    lister: &impl Lister,
    purpose: &Purpose<'_>,
    cursor: Option<&str>,
) -> Result<String, String> {
    let Purpose { list, set, principal, members, owners, seal, modern, private } = *purpose;
    let bad = || BAD_CURSOR.to_owned();
    let from = match cursor {
        None => None,
        Some(sealed) => Some(Cursor::open(seal, sealed, set, principal, list.method()).ok_or_else(bad)?),
    };
    let asked: Vec<(&Arc<Face>, Option<&str>)> = match &from {
        None => members.iter().map(|face| (face, None)).collect(),
        // One that has left meanwhile has no more to list.
        Some(from) => {
            let place = |face: &Arc<Face>| from.places.iter().find(|(name, _)| **name == *face.name);
            members.iter().filter_map(|face| Some((face, Some(&*place(face)?.1)))).collect()
        }
    };
    let pages = join_all(asked.iter().map(|(face, cursor)| lister.page(face, list, *cursor))).await;
    if let [Page::BadCursor(text)] = pages.as_slice() {
        return Err(text.clone());
    }
    let order: Vec<Arc<str>> = members.iter().map(|face| face.name.clone()).collect();
    let mut merged = Merged::new(list, &order, owners);
    for ((face, _), page) in asked.iter().zip(&pages) {
        merged.add(&face.name, page);
    }
    for conflict in merged.conflicts.iter().filter(|conflict| owners.is_news(conflict)) {
        tracing::warn!(
            event = "unified.conflict",
            uri = conflict.uri,
            backend = &*conflict.owner,
            hidden = &*conflict.other,
            "two backends have this resource: the first has it here"
        );
    }
    let public = !private && from.map_or(merged.public, |from| from.public && merged.public);
    let next = (!merged.places.is_empty()).then(|| Cursor {
        set: set.to_owned(),
        principal: principal.to_owned(),
        method: list.method().to_owned(),
        public,
        places: merged.places.clone(),
    });
    let next = next.and_then(|next| next.seal(seal));
    Ok(merged.result(next.as_deref(), modern.then_some(public)))
}

/// Reads the lists of those whose resources are not known yet.
pub(crate) async fn learn(lister: &impl Lister, members: &[Arc<Face>], owners: &Owners) {
    let order: Vec<Arc<str>> = members.iter().map(|face| face.name.clone()).collect();
    let unseen = members.iter().filter(|face| !owners.has_seen(&face.name));
    join_all(unseen.map(|face| learn_one(lister, face, owners, &order))).await;
}

async fn learn_one(lister: &impl Lister, face: &Arc<Face>, owners: &Owners, order: &[Arc<str>]) {
    for list in [List::Resources, List::Templates] {
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let page = lister.page(face, list, cursor.as_deref()).await;
            if matches!(page, Page::Unavailable(..)) {
                return; // to be asked once more
            }
            let mut merged = Merged::new(list, order, owners);
            merged.add(&face.name, &page);
            cursor = merged.places.pop().map(|(_, next)| next);
            if cursor.is_none() {
                break;
            }
        }
    }
    owners.saw_all_of(&face.name);
}
