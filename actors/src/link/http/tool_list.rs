//! Another look at the tools of a modern server, which has found headers that say something else than their body
//! (2026-07-28, "Custom Headers from Tool Parameters", "Client Behavior").

use bytes::Bytes;
use reqwest::Body;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::endpoint::Endpoint;
use super::reading::{self, EventStream};
use crate::credentials::Credentials;
use crate::message::{Envelope, Kind};
use crate::mirrored::MirroredTools;

/// A list longer than this is not read to its end.
const PAGES: usize = 50;

/// What the request that was refused says of its client; not its progress token, which is taken.
#[derive(Default, Deserialize, Serialize)]
struct Meta<'a> {
    #[serde(
        borrow,
        rename = "io.modelcontextprotocol/protocolVersion",
        skip_serializing_if = "Option::is_none"
    )]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo", skip_serializing_if = "Option::is_none")]
    client: Option<&'a RawValue>,
    #[serde(
        borrow,
        rename = "io.modelcontextprotocol/clientCapabilities",
        skip_serializing_if = "Option::is_none"
    )]
    capabilities: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta", default)]
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: &'a str,
    method: &'static str,
    params: ListParams<'a>,
}

#[derive(Serialize)]
struct ListParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    #[serde(rename = "_meta")]
    meta: &'a Meta<'a>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "nextCursor")]
    next: Option<String>,
}

/// Reads the list as the client of `call` would, and makes it known. False: it could not be read. Its time is that of
/// the call, whose owner keeps the deadline.
pub(super) async fn renew(endpoint: &Endpoint, whose: Option<&Credentials>, call: &Bytes) -> bool {
    let Ok(call) = Envelope::parse(call.clone()) else { return false };
    let params: Params<'_> =
        call.params().and_then(|params| serde_json::from_slice(params).ok()).unwrap_or_default();
    let mut tools = MirroredTools::default();
    let mut cursor: Option<String> = None;
    for page in 0..PAGES {
        // No number: those are of requests that the Connection has made.
        let id = format!("tools-{}-{page}", call.wire_id().unwrap_or_default());
        let params = ListParams { cursor: cursor.as_deref(), meta: &params.meta };
        let request = Request { jsonrpc: "2.0", id: &id, method: "tools/list", params };
        let Ok(request) = serde_json::to_vec(&request) else { return false };
        let Some(answer) = ask(endpoint, whose, request.into(), &id).await else { return false };
        let Some(body) = answer.body().filter(|_| answer.kind() == Kind::Result) else { return false };
        tools.learn(body);
        cursor = serde_json::from_slice::<Page>(body).ok().and_then(|page| page.next);
        if cursor.is_none() {
            break;
        }
    }
    endpoint.renew(tools);
    true
}

async fn ask(endpoint: &Endpoint, whose: Option<&Credentials>, request: Bytes, id: &str) -> Option<Envelope> {
    let headers = endpoint.mirror(&request);
    let response = endpoint.post(whose, || Body::from(request.clone()), headers).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    if !reading::is_event_stream(&response) {
        let message = reading::message(response, endpoint.limit()).await.ok()?;
        return answer(endpoint, message, id);
    }
    let mut stream = EventStream::new(response, endpoint.limit());
    loop {
        let (message, _permit) = stream.next().await.ok()?;
        if let Some(answer) = answer(endpoint, message, id) {
            return Some(answer);
        }
    }
}

fn answer(endpoint: &Endpoint, message: Bytes, id: &str) -> Option<Envelope> {
    let answer = Envelope::parse(message).ok().filter(Envelope::is_answer)?;
    let named: Option<Value> = answer.id().and_then(|id| serde_json::from_slice(id).ok());
    if named.as_ref().and_then(Value::as_str) != Some(id) {
        return None;
    }
    Envelope::parse(endpoint.sift(answer.bytes().clone())).ok()
}
