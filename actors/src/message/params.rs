//! The few params that routing needs.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Envelope;

/// The key of `_meta` that names the subscription of a message, by the id of its `subscriptions/listen`.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// `notifications/cancelled`
#[derive(Deserialize)]
pub struct CancelParams<'a> {
    /// The request that is no longer wanted, as raw JSON.
    #[serde(borrow, rename = "requestId")]
    pub request_id: &'a RawValue,
}

/// `notifications/progress`
#[derive(Deserialize)]
pub struct ProgressParams<'a> {
    /// The token of the request that makes progress, as raw JSON.
    #[serde(borrow, rename = "progressToken")]
    pub progress_token: &'a RawValue,
}

#[derive(Deserialize)]
struct WithMeta<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription_id: Option<&'a RawValue>,
}

/// Which of a request's params its HTTP header `Mcp-Name` repeats (2026-07-28, "Streamable HTTP", "Request Metadata").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameField {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`
    TaskId,
}

impl NameField {
    /// `None`: requests of this method have no such header.
    pub fn of(method: &str) -> Option<Self> {
        match method {
            "tools/call" | "prompts/get" => Some(Self::Name),
            "resources/read" => Some(Self::Uri),
            "tasks/get" | "tasks/update" | "tasks/cancel" => Some(Self::TaskId),
            _ => None,
        }
    }
}

/// Reads the fields of an object; an array of the same values is no such object.
fn object<'a, T: Deserialize<'a>>(params: &'a [u8]) -> Option<T> {
    params.starts_with(b"{").then(|| serde_json::from_slice(params).ok()).flatten()
}

/// `params.requestId` of a `notifications/cancelled`, as raw JSON.
pub fn cancelled_request_id(message: &Envelope) -> Option<&[u8]> {
    let params: CancelParams<'_> = object(message.params()?)?;
    Some(params.request_id.get().as_bytes())
}

/// `params.progressToken` of a `notifications/progress`, as raw JSON.
pub fn progress_token(message: &Envelope) -> Option<&[u8]> {
    let params: ProgressParams<'_> = object(message.params()?)?;
    Some(params.progress_token.get().as_bytes())
}

/// `params._meta.progressToken` of a request, as raw JSON.
///
/// Most requests have none, so the bytes are searched for the word before anything is parsed.
pub fn request_progress_token(message: &Envelope) -> Option<&[u8]> {
    let params = message.params()?;
    memchr::memmem::find(params, b"progressToken")?;
    let params: WithMeta<'_> = object(params)?;
    Some(params.meta?.progress_token?.get().as_bytes())
}

/// `params._meta["io.modelcontextprotocol/subscriptionId"]` of a notification, as raw JSON.
pub fn subscription_id(message: &Envelope) -> Option<&[u8]> {
    subscription_in(message.params()?)
}

/// The same of the result that ends the subscription.
pub fn result_subscription_id(message: &Envelope) -> Option<&[u8]> {
    subscription_in(message.body()?)
}

fn subscription_in(value: &[u8]) -> Option<&[u8]> {
    memchr::memmem::find(value, SUBSCRIPTION_ID.as_bytes())?;
    let value: WithMeta<'_> = object(value)?;
    Some(value.meta?.subscription_id?.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &str) -> Envelope {
        Envelope::parse(format!(r#"{{"jsonrpc":"2.0","method":"m","id":1,"params":{params}}}"#).into())
            .unwrap()
    }

    #[test]
    fn tokens_and_ids_keep_their_json_type() {
        assert_eq!(progress_token(&parse(r#"{"progressToken":"7","progress":1}"#)), Some(&br#""7""#[..]));
        assert_eq!(request_progress_token(&parse(r#"{"_meta":{"progressToken":7}}"#)), Some(&b"7"[..]));
        assert_eq!(request_progress_token(&parse(r#"{"text":"progressToken"}"#)), None);
        assert_eq!(cancelled_request_id(&parse(r#"{"requestId":"a","reason":"x"}"#)), Some(&br#""a""#[..]));
        assert_eq!(cancelled_request_id(&parse("[]")), None);
    }
}
