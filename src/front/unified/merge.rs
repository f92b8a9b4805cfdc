//! Pages of several backends as one page. Pure.

use std::sync::Arc;

use mcpvisor_actors::message::{Envelope, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::owners::{Conflict, Owners};
use super::view::{List, View};
use mcpvisor_actors::message::Fields;

/// In `_meta` of a result: backends that it knows nothing of.
pub(crate) const UNAVAILABLE: &str = "mcpvisor/unavailable";
/// In `_meta` of a result: URIs that more than one backend has.
const CONFLICTS: &str = "mcpvisor/conflicts";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What a backend has answered.
pub(crate) enum Page {
    /// Its result, raw JSON.
    Result(String),
    /// It has no such list.
    Nothing,
    /// It does not know the cursor any more.
    BadCursor(String),
    /// Nothing is known of it, and why: kind, and a sentence.
    Unavailable(&'static str, String),
}

impl Page {
    /// What an answer says.
    pub(crate) fn of(answer: &Envelope) -> Self {
        let body = String::from_utf8_lossy(answer.body().unwrap_or_default()).into_owned();
        if answer.kind() == Kind::Result {
            return Self::Result(body);
        }
        let error: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = error["message"].as_str().unwrap_or_default().to_owned();
        match error["code"].as_i64().unwrap_or_default() {
            // Some declare what they do not have.
            -32601 => Self::Nothing,
            -32602 => Self::BadCursor(text),
            -31001 => Self::Unavailable("backend_lost", text),
            -31002 => Self::Unavailable("backend_unavailable", text),
            -31003 => Self::Unavailable("timeout", text),
            -31004 => Self::Unavailable("overloaded", text),
            -31006 => Self::Unavailable("launch_failed", text),
            _ => Self::Unavailable("error", text),
        }
    }
}

/// The page as far as it is made.
pub(crate) struct Merged<'a> {
    list: List,
    order: &'a [Arc<str>],
    owners: &'a Owners,
    entries: Vec<String>,
    /// Backends that have more, and where they go on.
    pub(crate) places: Vec<(String, String)>,
    pub(crate) conflicts: Vec<Conflict>,
    unavailable: Vec<Value>,
    ttl: Option<u64>,
    /// Whether every answer may be kept for everybody.
    pub(crate) public: bool,
}

/// What stands beside the entries.
#[derive(Deserialize)]
struct Rest {
    #[serde(rename = "nextCursor")]
    next: Option<String>,
    #[serde(rename = "ttlMs")]
    ttl: Option<f64>,
    #[serde(rename = "cacheScope")]
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(alias = "uriTemplate")]
    uri: Option<String>,
}

impl<'a> Merged<'a> {
    pub(crate) fn new(list: List, order: &'a [Arc<str>], owners: &'a Owners) -> Self {
        Self {
            list,
            order,
            owners,
            entries: Vec::new(),
            places: Vec::new(),
            conflicts: Vec::new(),
            unavailable: Vec::new(),
            ttl: None,
            public: true,
        }
    }

    /// Adds the page of a backend.
    pub(crate) fn add(&mut self, backend: &Arc<str>, page: &Page) {
        let result = match page {
            Page::Result(result) => result,
            Page::Nothing => return,
            Page::BadCursor(text) => return self.miss(backend, "bad_cursor", text),
            Page::Unavailable(reason, text) => return self.miss(backend, reason, text),
        };
        let entries = Fields::parse(result.as_bytes()).and_then(|fields| {
            let entries: Vec<Box<RawValue>> = serde_json::from_str(fields.get(self.list.field())?).ok()?;
            Some(entries)
        });
        let (Some(entries), Ok(rest)) = (entries, serde_json::from_str::<Rest>(result)) else {
            return self.miss(backend, "invalid", "its answer is no list");
        };
        let view = View::new(backend.clone());
        for entry in entries {
            if self.owns(backend, entry.get()) {
                self.entries.extend(view.entry(self.list, entry.get()));
            }
        }
        // A backend that says nothing of it is one that may not be kept.
        let ttl = rest.ttl.map_or(0, |ttl| ttl.max(0.0) as u64);
        self.ttl = Some(self.ttl.map_or(ttl, |least| least.min(ttl)));
        self.public &= rest.scope.as_deref() == Some("public");
        self.places.extend(rest.next.map(|next| (backend.to_string(), next)));
    }

    fn miss(&mut self, backend: &Arc<str>, reason: &str, text: &str) {
        self.unavailable.push(unavailable(backend, reason, text));
        // It may be back at any time.
        (self.ttl, self.public) = (Some(0), false);
    }

    /// Whether the entry is this backend's to show.
    fn owns(&mut self, backend: &Arc<str>, entry: &str) -> bool {
        let (List::Resources | List::Templates) = self.list else { return true };
        let Ok(Named { uri: Some(uri) }) = serde_json::from_str(entry) else { return true };
        let told = match self.list {
            List::Resources => self.owners.lists(&uri, backend, self.order),
            _ => self.owners.offers(&uri, backend, self.order),
        };
        told.map_err(|conflict| self.conflicts.push(conflict)).is_ok()
    }

    /// The result, as raw JSON. `modern`: as that era expects it; then whether every page of the list may be kept for everybody.
    pub(crate) fn result(self, next: Option<&str>, modern: Option<bool>) -> String {
        let mut fields = Fields::default();
        fields.set(self.list.field(), format!("[{}]", self.entries.join(",")));
        if let Some(next) = next {
            fields.set("nextCursor", json!(next).to_string());
        }
        let mut meta = json!({});
        if !self.unavailable.is_empty() {
            meta[UNAVAILABLE] = self.unavailable.into();
        }
        if !self.conflicts.is_empty() {
            let conflict = |conflict: &Conflict| json!({ "uri": conflict.uri, "backend": &*conflict.owner, "hidden": &*conflict.other });
            meta[CONFLICTS] = self.conflicts.iter().map(conflict).collect();
        }
        if let Some(public) = modern {
            fields.set("resultType", "\"complete\"".to_owned());
            fields.set("ttlMs", self.ttl.unwrap_or(0).to_string());
            fields.set("cacheScope", if public { "\"public\"" } else { "\"private\"" }.to_owned());
            meta[SERVER_INFO] = super::greet::server_info();
        }
        if meta.as_object().is_some_and(|meta| !meta.is_empty()) {
            fields.set("_meta", meta.to_string());
        }
        fields.to_string()
    }
}

/// A backend that nothing is known of, as clients are told.
pub(crate) fn unavailable(backend: &str, reason: &str, text: &str) -> Value {
    json!({ "backend": backend, "reason": reason, "message": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Vec<Arc<str>> {
        vec!["a".into(), "b".into()]
    }

    fn result(text: &str) -> Page {
        Page::Result(text.to_owned())
    }

    fn merge(list: List, pages: [Page; 2]) -> (Value, Vec<(String, String)>) {
        let (order, owners) = (order(), Owners::default());
        let mut merged = Merged::new(list, &order, &owners);
        for (backend, page) in order.iter().zip(&pages) {
            merged.add(backend, page);
        }
        let (places, public) = (merged.places.clone(), merged.public);
        (serde_json::from_str(&merged.result(None, Some(public))).unwrap(), places)
    }

    #[test]
    fn entries_stand_in_the_order_of_the_configuration_under_their_names() {
        let (page, places) = merge(
            List::Tools,
            [
                result(r#"{"tools":[{"name":"x","n":1.50},{"name":"y"}],"nextCursor":""}"#),
                result(r#"{"tools":[{"name":"x"}],"nextCursor":"7"}"#),
            ],
        );
        let names: Vec<_> =
            page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, ["a__x", "a__y", "b__x"]);
        assert_eq!(places, [("a".to_owned(), String::new()), ("b".to_owned(), "7".to_owned())]);
    }

    /// A client would keep for a day what one server said may change any moment, or show one user what is another's.
    #[test]
    fn the_most_careful_backend_decides_how_long_and_for_whom_a_page_is_kept() {
        let of = |one: &str, other: &str| {
            let (page, _) = merge(List::Tools, [result(one), result(other)]);
            (page["ttlMs"].clone(), page["cacheScope"].clone())
        };
        let page = |ttl: u32, scope: &str| format!(r#"{{"tools":[],"ttlMs":{ttl},"cacheScope":"{scope}"}}"#);
        assert_eq!(of(&page(9, "public"), &page(5, "public")), (json!(5), json!("public")));
        assert_eq!(of(&page(9, "public"), &page(5, "private")), (json!(5), json!("private")));
        assert_eq!(of(&page(9, "public"), r#"{"tools":[]}"#), (json!(0), json!("private")));
    }

    #[test]
    fn one_that_is_not_there_is_named_and_hides_nobody() {
        let dead = Page::Unavailable("launch_failed", "no such program".to_owned());
        let (page, _) =
            merge(List::Tools, [dead, result(r#"{"tools":[{"name":"x"}],"ttlMs":9,"cacheScope":"public"}"#)]);
        assert_eq!(page["tools"][0]["name"], "b__x");
        assert_eq!(page["_meta"][UNAVAILABLE][0]["backend"], "a");
        assert_eq!((&page["ttlMs"], &page["cacheScope"]), (&json!(0), &json!("private")));
        let (page, _) = merge(List::Tools, [Page::Nothing, result(r#"{"tools":[]}"#)]);
        assert!(page["_meta"].get(UNAVAILABLE).is_none());
    }

    #[test]
    fn a_uri_of_two_backends_is_shown_once_and_reported() {
        let same = r#"{"resources":[{"uri":"x://1","name":"n"}]}"#;
        let (page, _) = merge(List::Resources, [result(same), result(same)]);
        assert_eq!(page["resources"].as_array().unwrap().len(), 1);
        let expected = json!([{ "uri": "x://1", "backend": "a", "hidden": "b" }]);
        assert_eq!(page["_meta"][CONFLICTS], expected);
        let same = r#"{"resourceTemplates":[{"uriTemplate":"x://{id}","name":"n"}]}"#;
        let (page, _) = merge(List::Templates, [result(same), result(same)]);
        assert_eq!(page["resourceTemplates"].as_array().unwrap().len(), 1);
    }
}
