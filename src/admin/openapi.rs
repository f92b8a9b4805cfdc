//! `GET /api/v1/openapi.json`: this API, for programs.
//!
//! Written by hand. That it describes what is served is tested: here route by route, in `tests/admin_api.rs` answer by answer.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;

use crate::VERSION;

/// The document but for the version of this build.
const DOCUMENT: &str = include_str!("openapi.json");
/// What stands in its place.
const PLACEHOLDER: &str = "VERSION_OF_THIS_BUILD";

static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.replace(PLACEHOLDER, VERSION));

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mcpvisor_actors::EventKind;
    use serde_json::Value;

    use super::super::routes;
    use super::super::views::MISSED;
    use super::*;

    fn described() -> Value {
        serde_json::from_str(&TEXT).unwrap()
    }

    /// Programs made from the document would ask for what is not there, and never for what is.
    #[test]
    fn what_is_described_is_what_is_served() {
        let document = described();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        });
        let served = routes::all();
        let served = served.iter().map(|route| (route.method.to_owned(), route.path.to_owned()));
        assert_eq!(operations.collect::<BTreeSet<_>>(), served.collect::<BTreeSet<_>>());
        assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &VERSION.into()));
    }

    #[test]
    fn every_event_is_named_and_explained() {
        let document = described();
        let named =
            document["components"]["schemas"]["Event"]["properties"]["event"]["enum"].as_array().unwrap();
        let named: BTreeSet<&str> = named.iter().filter_map(Value::as_str).collect();
        let known = EventKind::ALL.map(EventKind::as_str).into_iter().chain([MISSED]);
        assert_eq!(named, known.collect());
        let explained = include_str!("../../docs/events.md");
        let missing = named.iter().filter(|name| !explained.contains(&format!("`{name}`")));
        assert_eq!(missing.collect::<Vec<_>>(), [] as [&&str; 0], "docs/events.md");
        let fields = document["components"]["schemas"]["Event"]["properties"].as_object().unwrap();
        let missing = fields.keys().filter(|name| !explained.contains(&format!("`{name}`")));
        assert_eq!(missing.collect::<Vec<_>>(), [] as [&String; 0], "docs/events.md");
    }

    /// A generated client would lack a parameter, or have one that nobody reads.
    #[test]
    fn every_parameter_of_a_path_is_described_and_every_reference_leads_somewhere() {
        let document = described();
        for (path, item) in document["paths"].as_object().unwrap() {
            let in_path: BTreeSet<&str> =
                path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            let told = item["parameters"].as_array().into_iter().flatten();
            let told: BTreeSet<&str> =
                told.map(|one| resolve(&document, one)["name"].as_str().unwrap()).collect();
            assert_eq!(in_path, told, "{path}");
        }
        check_references(&document, &document);
    }

    fn check_references(document: &Value, at: &Value) {
        match at {
            Value::Object(fields) => {
                assert!(!resolve(document, at).is_null(), "{at}");
                fields.values().for_each(|value| check_references(document, value));
            }
            Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
            _ => {}
        }
    }

    fn resolve<'a>(document: &'a Value, at: &'a Value) -> &'a Value {
        match at["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => at,
        }
    }
}
