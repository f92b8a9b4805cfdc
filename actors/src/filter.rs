//! What of a backend its clients may see and use, and under which names (`tools`, `prompts`, `resources`; `auth.rules` say which of
//! them may use which tools). Pure.
//!
//! Applied where every request of every client passes on its way, so that there is no way around it: what is hidden in a list
//! cannot be asked for either. What cannot be read is refused.

mod lists;

use std::sync::Arc;

use arc_swap::Guard;
use mcpvisor_config::{Backend, NameFilter, ToolFilter};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::access;
use crate::era::Era;
use crate::error::Refusal;
use crate::glob;
use crate::message::Envelope;
use crate::session_record::SessionRecord;

pub(crate) use lists::{is_list, seen};

const INVALID_PARAMS: i32 = -32602;
/// `server/resources`, "Error Handling", up to 2025-11-25; after that it is [`INVALID_PARAMS`].
const RESOURCE_NOT_FOUND: i32 = -32002;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    uri: Option<String>,
}

/// A request as the backend is to get it; `None`: as it is. `record` is that of whoever asks.
///
/// # Errors
/// What it names is not there for this client.
pub(crate) fn admit(
    backend: &Backend,
    record: impl Fn() -> Guard<Arc<SessionRecord>>,
    message: &Envelope,
) -> Result<Option<Envelope>, Refusal> {
    let filters = Filters::of(backend);
    match message.method() {
        Some("tools/call") if !tools_are_open(backend) => call(backend, &record().principal, message),
        Some("prompts/get") if !filters.prompts.is_open() => {
            let name = params(message)?.name.and_then(text).ok_or_else(unreadable)?;
            prompt(filters.prompts, &name)
        }
        Some("resources/read" | "resources/subscribe" | "resources/unsubscribe")
            if !filters.resources.is_open() =>
        {
            let uri = params(message)?.uri.and_then(text).ok_or_else(unreadable)?;
            resource(filters.resources, record().era, &uri)
        }
        Some("completion/complete") if !(filters.prompts.is_open() && filters.resources.is_open()) => {
            let reference = params(message)?.reference.ok_or_else(unreadable)?;
            let reference: Reference = serde_json::from_str(reference.get()).map_err(|_| unreadable())?;
            if let Some(name) = &reference.name {
                prompt(filters.prompts, name)?;
            }
            reference.uri.map_or(Ok(None), |uri| resource(filters.resources, record().era, &uri))
        }
        _ => Ok(None),
    }
}

/// The name that the backend has for a tool that clients know as `name`; `None`: there is none for them.
fn own_name<'a>(tools: &'a ToolFilter, name: &'a str) -> Option<&'a str> {
    let renamed = tools.rename.iter().find(|(_, to)| *to == name).map(|(own, _)| own.as_str());
    // What has another name now has its own no more.
    let own = renamed.or_else(|| (!tools.rename.contains_key(name)).then_some(name))?;
    passes(&tools.names, own).then_some(own)
}

/// Whether every tool is there for everybody, under its own name.
pub(crate) fn tools_are_open(backend: &Backend) -> bool {
    backend.rules.is_empty() && backend.tools.is_open()
}

/// The name that the backend has for a tool that this principal knows as `name`; `None`: there is none for it.
pub(crate) fn own_name_for<'a>(backend: &'a Backend, principal: &str, name: &'a str) -> Option<&'a str> {
    let own = own_name(&backend.tools, name)?;
    access::may_call(&backend.rules, principal, &backend.name, own).then_some(own)
}

/// The filters of one backend, but for that of its tools.
struct Filters<'a> {
    prompts: &'a NameFilter,
    resources: &'a NameFilter,
}

impl<'a> Filters<'a> {
    fn of(backend: &'a Backend) -> Self {
        Self { prompts: &backend.prompts, resources: &backend.resources }
    }
}

fn call(backend: &Backend, principal: &str, message: &Envelope) -> Result<Option<Envelope>, Refusal> {
    let raw = params(message)?.name.ok_or_else(unreadable)?;
    let name = text(raw).ok_or_else(unreadable)?;
    let own = own_name_for(backend, principal, &name).ok_or_else(|| unknown("tool", &name))?;
    if own == name {
        return Ok(None);
    }
    let renamed = message.with_part(raw.get().as_bytes(), json!(own).to_string().as_bytes());
    let renamed = Envelope::parse(renamed).map_err(|_| unreadable())?;
    Ok(Some(renamed.with_credentials(message.credentials().cloned())))
}

fn prompt(prompts: &NameFilter, name: &str) -> Result<Option<Envelope>, Refusal> {
    if passes(prompts, name) { Ok(None) } else { Err(unknown("prompt", name)) }
}

fn resource(resources: &NameFilter, era: Era, uri: &str) -> Result<Option<Envelope>, Refusal> {
    if passes(resources, uri) {
        return Ok(None);
    }
    let code = if era == Era::Legacy { RESOURCE_NOT_FOUND } else { INVALID_PARAMS };
    Err(Refusal::Invalid { code, message: format!("Resource not found: {uri}") })
}

fn passes(filter: &NameFilter, name: &str) -> bool {
    let any = |globs: &[String]| globs.iter().any(|glob| glob::matches(glob.as_bytes(), name.as_bytes()));
    any(&filter.allow) && !any(&filter.deny)
}

fn params(message: &Envelope) -> Result<Params<'_>, Refusal> {
    let params = message.params().filter(|raw| raw.starts_with(b"{")).ok_or_else(unreadable)?;
    // A name that stands there twice is no name: which of them counts is the reader's choice.
    serde_json::from_slice(params).map_err(|_| unreadable())
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn unknown(what: &str, name: &str) -> Refusal {
    Refusal::Invalid { code: INVALID_PARAMS, message: format!("Unknown {what}: {name}") }
}

fn unreadable() -> Refusal {
    Refusal::Invalid { code: INVALID_PARAMS, message: "params do not say what is asked for".to_owned() }
}

#[cfg(test)]
mod tests;
