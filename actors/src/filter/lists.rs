//! Lists without what is hidden, under the names that clients know.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use mcpvisor_config::{Backend, NameFilter};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{own_name_for, passes, tools_are_open};
use crate::message::{Envelope, Fields, Kind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    prompts: Option<&'a RawValue>,
    #[serde(borrow)]
    resources: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_templates: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    uri_template: Option<&'a RawValue>,
}

/// Whether the answer to a request is one of those that [`seen`] may change.
pub(crate) fn is_list(request: &Envelope) -> bool {
    request.method().is_some_and(|method| method.ends_with("/list"))
}

/// The answer to `request` as this principal sees it; `None`: as it is. A list that cannot be read is an empty one.
pub(crate) fn seen(
    backend: &Backend,
    principal: &str,
    request: &Envelope,
    answer: &Envelope,
) -> Option<Bytes> {
    let method = request.method()?;
    let open = match method {
        "tools/list" => tools_are_open(backend),
        "prompts/list" => backend.prompts.is_open(),
        "resources/list" | "resources/templates/list" => backend.resources.is_open(),
        _ => true,
    };
    if open || answer.kind() != Kind::Result {
        return None;
    }
    let page = serde_json::from_slice::<Page<'_>>(answer.body()?);
    let list = page.ok().and_then(|page| match method {
        "tools/list" => page.tools,
        "prompts/list" => page.prompts,
        "resources/list" => page.resources,
        _ => page.resource_templates,
    });
    let Some(list) = list else { return Some(answer.with_part(answer.body()?, b"{}")) };
    let entries: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    let shown: Vec<Cow<'_, str>> =
        entries.iter().filter_map(|entry| show(backend, principal, method, entry.get())).collect();
    let shown =
        Envelope::parse(answer.with_part(list.get().as_bytes(), format!("[{}]", shown.join(",")).as_bytes()));
    let shown = shown.ok()?;
    let private =
        (method == "tools/list" && !backend.rules.is_empty()).then(|| for_nobody_else(&shown)).flatten();
    Some(private.unwrap_or_else(|| shown.bytes().clone()))
}

/// A list that the server would have kept for everybody: others may see another one (2026-07-28, `cacheScope`).
fn for_nobody_else(answer: &Envelope) -> Option<Bytes> {
    let body = answer.body()?;
    let mut fields = Fields::parse(body)?;
    fields.get("cacheScope")?;
    fields.set("cacheScope", "\"private\"".to_owned());
    Some(answer.with_part(body, fields.to_string().as_bytes()))
}

/// An entry of a list as clients see it; `None`: they do not.
fn show<'a>(backend: &Backend, principal: &str, method: &str, raw: &'a str) -> Option<Cow<'a, str>> {
    let entry: Entry<'_> = serde_json::from_str(raw).ok()?;
    let named = |filter: &NameFilter, name: Option<&RawValue>| {
        let name: String = serde_json::from_str(name?.get()).ok()?;
        passes(filter, &name).then_some(Cow::Borrowed(raw))
    };
    match method {
        "tools/list" => tool(backend, principal, raw, &entry),
        "prompts/list" => named(&backend.prompts, entry.name),
        "resources/list" => named(&backend.resources, entry.uri),
        _ => named(&backend.resources, entry.uri_template),
    }
}

fn tool<'a>(backend: &Backend, principal: &str, raw: &'a str, entry: &Entry<'_>) -> Option<Cow<'a, str>> {
    let tools = &backend.tools;
    let name_at = entry.name?;
    let own: String = serde_json::from_str(name_at.get()).ok()?;
    let name = tools.rename.get(&own).unwrap_or(&own);
    // Another tool may have been given its name: that one is called by it.
    if own_name_for(backend, principal, name) != Some(&own) {
        return None;
    }
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    if *name != own {
        changes.push((place(raw, name_at.get()), json!(name).to_string()));
    }
    if let Some(text) = tools.describe.get(&own) {
        let text = json!(text).to_string();
        changes.push(match entry.description {
            Some(at) => (place(raw, at.get()), text),
            None => (1..1, format!(r#""description":{text},"#)),
        });
    }
    changes.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    let mut shown = Cow::Borrowed(raw);
    for (at, text) in changes {
        shown.to_mut().replace_range(at, &text);
    }
    Some(shown)
}

fn place(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}
