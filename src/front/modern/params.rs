//! `Mcp-Param-*`: headers that repeat arguments of a tool, checked against the body.

use std::sync::Arc;

use http::HeaderMap;
use mcpvisor_actors::message::{Envelope, Kind};
use mcpvisor_actors::{Era, Mirrored, Route};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::checks::Wrong;
use super::key::own_meta;
use super::meta::Meta;
use super::mirrored::decoded;
use super::own;
use crate::front::inbound::Inbound;

/// A list longer than this is not read to its end.
const PAGES: usize = 50;

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    arguments: Value,
}

/// Checks a `tools/call` that goes this way, after a look at the backend's tool list if that has not been seen yet.
pub(super) async fn check(
    inbound: &Inbound<'_>,
    route: &Route,
    era: Era,
    meta: &Meta,
    message: &Envelope,
) -> Result<(), Wrong> {
    let tool = meta.name.as_deref().filter(|_| message.method() == Some("tools/call"));
    let Some(tool) = tool else { return Ok(()) };
    let mirrored = match route.mirrored(tool) {
        Some(known) => known,
        None => {
            read_list(inbound, route, era).await;
            route.mirrored(tool).unwrap_or_default()
        }
    };
    if mirrored.is_empty() {
        return Ok(());
    }
    let params: Option<Params> = message.params().and_then(|raw| serde_json::from_slice(raw).ok());
    compare(inbound.headers, &mirrored, &params.unwrap_or_default().arguments)
}

fn compare(headers: &HeaderMap, mirrored: &Arc<[Mirrored]>, arguments: &Value) -> Result<(), Wrong> {
    for Mirrored { name, path } in mirrored.iter() {
        let value = path.iter().fold(arguments, |value, key| &value[key.as_str()]);
        let header = headers.get(format!("mcp-param-{}", name.to_ascii_lowercase()));
        let wrong = |what: &str| Wrong::mismatch(format!("the header Mcp-Param-{name} {what}"));
        match (header, value) {
            (None, Value::Null) => {}
            (Some(_), Value::Null) => return Err(wrong("has no argument that it repeats")),
            (None, _) => return Err(wrong("is missing")),
            (Some(header), value) => {
                let said = decoded(header).ok_or_else(|| wrong("is not valid text or base64"))?;
                if !is_same(&said, value) {
                    return Err(wrong("says something else than the argument that it repeats"));
                }
            }
        }
    }
    Ok(())
}

fn is_same(said: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text == said,
        Value::Bool(flag) => said == if *flag { "true" } else { "false" },
        Value::Number(number) => match (number.as_i64(), said.parse::<i64>()) {
            (Some(number), Ok(said)) => number == said,
            // 42.0 is 42.
            _ => said.parse::<f64>().is_ok_and(|said| number.as_f64() == Some(said)),
        },
        _ => false,
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "nextCursor")]
    next: Option<String>,
}

/// Lets the connection see the whole list: it remembers what it says of headers. A backend that lists nothing, or not in
/// time (`timeouts.probe`), has nothing that is repeated until it says otherwise; its calls are not to wait for that.
async fn read_list(inbound: &Inbound<'_>, route: &Route, era: Era) {
    // The time that a launch takes is not the list's. One that fails has other things to say about that.
    if !route.attach().await.is_ok_and(|attached| attached.accepted) {
        return;
    }
    let backend = inbound.front.launcher.backend(&inbound.face.name).ok();
    let patience = backend.map(|backend| backend.timeouts.probe).unwrap_or_default();
    if timeout(patience, read_pages(inbound, route, era)).await != Ok(false) {
        route.assume_nothing_mirrored();
    }
}

/// False: the connection was lost, or there was none.
async fn read_pages(inbound: &Inbound<'_>, route: &Route, era: Era) -> bool {
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let mut params = json!({});
        if let Some(cursor) = &cursor {
            params["cursor"] = json!(cursor);
        }
        if era == Era::Modern {
            params["_meta"] = own_meta(inbound);
        }
        let Some(answer) = own::ask(route, "tools/list", &params).await else { return false };
        let page: Option<Page> = answer.body().and_then(|body| serde_json::from_slice(body).ok());
        cursor = page.filter(|_| answer.kind() == Kind::Result).and_then(|page| page.next);
        if cursor.is_none() {
            break;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(headers: &[(&str, &str)], arguments: Value) -> bool {
        let mirrored = |name: &str, path: &[&str]| Mirrored {
            name: name.to_owned(),
            path: path.iter().map(|key| (*key).to_owned()).collect(),
        };
        let all = Arc::from([
            mirrored("Region", &["region"]),
            mirrored("N", &["deep", "n"]),
            mirrored("On", &["on"]),
        ]);
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        compare(&headers, &all, &arguments).is_ok()
    }

    /// A proxy would decide on another value than the one that the tool gets.
    #[test]
    fn headers_say_what_the_arguments_say() {
        let region = ("mcp-param-region", "us-west1");
        assert!(outcome(&[], json!({})) && outcome(&[], json!({ "region": null })));
        assert!(outcome(&[region], json!({ "region": "us-west1" })));
        assert!(outcome(&[("mcp-param-region", "=?base64?5pel5pys?=")], json!({ "region": "日本" })));
        assert!(!outcome(&[region], json!({ "region": "us-west2" })));
        assert!(!outcome(&[], json!({ "region": "us-west1" })) && !outcome(&[region], json!({})));
        assert!(!outcome(&[("mcp-param-region", "=?base64?%%?=")], json!({ "region": "%%" })));
        assert!(outcome(&[("mcp-param-n", "42.0")], json!({ "deep": { "n": 42 } })));
        assert!(!outcome(&[("mcp-param-n", "43")], json!({ "deep": { "n": 42 } })));
        assert!(outcome(&[("mcp-param-on", "true")], json!({ "on": true })));
        assert!(!outcome(&[("mcp-param-on", "True")], json!({ "on": true })));
    }
}
