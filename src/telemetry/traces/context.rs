//! `traceparent` and `tracestate` in `params._meta` (W3C Trace Context; SEP-414). Every other byte stays.

use std::str::FromStr;

use http::HeaderMap;
use mcpvisor_actors::message::Envelope;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// What is longer need not be passed on (W3C Trace Context, section 3.3.1.5).
const LONGEST_STATE: usize = 512;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    traceparent: Option<&'a RawValue>,
    #[serde(borrow)]
    tracestate: Option<&'a RawValue>,
}

/// A client may name its trace in headers of HTTP: unless the message names one, it is as if that did. Nothing is changed where no
/// traces are made.
pub(crate) fn adopt(headers: &HeaderMap, message: Envelope) -> Envelope {
    if super::active().is_none() || !headers.contains_key(PARENT) || parent(&message).is_some() {
        return message;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match read(text(PARENT), text(STATE)) {
        Some(context) => with_parent(message, &context),
        None => message,
    }
}

/// Whose child a request is to be.
pub(super) fn parent(message: &Envelope) -> Option<SpanContext> {
    let params = message.params()?;
    memchr::memmem::find(params, PARENT.as_bytes())?;
    let params: Params<'_> = serde_json::from_slice(params).ok()?;
    let meta: Meta<'_> = serde_json::from_str(params.meta?.get()).ok()?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    read(&text(meta.traceparent?)?, &meta.tracestate.and_then(text).unwrap_or_default())
}

/// The same request as a child of `context`. One whose params are no object stays as it is.
pub(super) fn with_parent(message: Envelope, context: &SpanContext) -> Envelope {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    let parent = format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags.to_u8());
    let message = with_meta(message, PARENT, &json!(parent).to_string());
    let state = context.trace_state().header();
    // What the client said of the state belongs to its own parent, and is ours now.
    if state.is_empty() { message } else { with_meta(message, STATE, &json!(state).to_string()) }
}

/// What `traceparent` and `tracestate` come to in a message, for the fuzz targets; `None`: nothing.
#[cfg(feature = "fuzzing")]
pub fn fuzzed(parent: &str, state: &str, message: Envelope) -> Option<Envelope> {
    read(parent, state).map(|context| with_parent(message, &context))
}

/// Sets one field of `params._meta` to raw JSON.
fn with_meta(message: Envelope, key: &'static str, value: &str) -> Envelope {
    let spliced = spliced(&message, key, value);
    let spliced = spliced.and_then(|bytes| Envelope::parse(bytes.into()).ok());
    let spliced = spliced.map(|spliced| spliced.with_credentials(message.credentials().cloned()));
    spliced.unwrap_or(message)
}

fn spliced(message: &Envelope, key: &str, value: &str) -> Option<Vec<u8>> {
    let field = format!("{}:{value}", json!(key));
    let Some(raw) = message.params() else {
        let params = format!(r#""params":{{"_meta":{{{field}}}}}"#);
        return Some(inserted(message.bytes(), message.bytes(), &params));
    };
    let params: Params<'_> = serde_json::from_slice(raw).ok()?;
    let Some(meta) = params.meta else {
        // Beside it a second `_meta` would stand, and strict servers refuse that.
        if let Some(null) = null_meta(raw) {
            return Some(
                message.with_part(null.get().as_bytes(), format!("{{{field}}}").as_bytes()).to_vec(),
            );
        }
        return raw
            .starts_with(b"{")
            .then(|| inserted(message.bytes(), raw, &format!(r#""_meta":{{{field}}}"#)));
    };
    let fields: std::collections::HashMap<String, &RawValue> = serde_json::from_str(meta.get()).ok()?;
    match fields.get(key) {
        Some(old) => Some(message.with_part(old.get().as_bytes(), value.as_bytes()).to_vec()),
        None => Some(inserted(message.bytes(), meta.get().as_bytes(), &field)),
    }
}

/// `_meta` that is there and null, which `Params` takes for none.
fn null_meta(params: &[u8]) -> Option<&RawValue> {
    let fields: std::collections::HashMap<String, &RawValue> = serde_json::from_slice(params).ok()?;
    fields.get("_meta").copied()
}

/// `whole` with a field put first into `object`, which is a part of it.
fn inserted(whole: &[u8], object: &[u8], field: &str) -> Vec<u8> {
    let start = (object.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    let open = start + object.iter().position(|byte| *byte == b'{').unwrap_or_default() + 1;
    let (before, after) = whole.split_at(open.min(whole.len()));
    let is_empty = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    [before, field.as_bytes(), if is_empty { b"" } else { b"," }, after].concat()
}

/// W3C Trace Context, section 3.2: what does not fit is as good as missing.
fn read(parent: &str, state: &str) -> Option<SpanContext> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // A later version may say more; this one may not.
    if !fits || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = if state.len() <= LONGEST_STATE { state } else { "" };
    let state = TraceState::from_str(state).unwrap_or_default();
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, state);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn message(params: &str) -> Envelope {
        let text = format!(r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m"{params}}}"#);
        Envelope::parse(text.into()).unwrap()
    }

    fn with(params: &str) -> String {
        let context = read(TRACE, "a=1").unwrap();
        String::from_utf8(with_parent(message(params), &context).bytes().to_vec()).unwrap()
    }

    /// A server would be told other arguments than the client gave, as soon as somebody looks at traces.
    #[test]
    fn every_byte_stays_but_for_the_two_fields() {
        let both = format!(r#""tracestate":"a=1","traceparent":"{TRACE}""#);
        for (before, after) in [
            (
                String::new(),
                format!(r#"{{"params":{{"_meta":{{{both}}}}}, "jsonrpc":"2.0" ,"id":1.0e1,"method":"m"}}"#),
            ),
            (
                r#", "params": {}"#.into(),
                format!(r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m", "params": {{"_meta":{{{both}}}}}}}"#),
            ),
            (
                r#","params":{ "x" : 1.50, "x":1.5 }"#.into(),
                format!(
                    r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m","params":{{"_meta":{{{both}}}, "x" : 1.50, "x":1.5 }}}}"#
                ),
            ),
            (
                r#","params":{"a":[1 ],"_meta":{"progressToken": 7}}"#.into(),
                format!(
                    r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m","params":{{"a":[1 ],"_meta":{{{both},"progressToken": 7}}}}}}"#
                ),
            ),
            (
                r#","params":{"_meta":{"traceparent" : "x", "z":0}}"#.into(),
                format!(
                    r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m","params":{{"_meta":{{"tracestate":"a=1","traceparent" : "{TRACE}", "z":0}}}}}}"#
                ),
            ),
            (
                r#","params":{"_meta": null ,"x":1}"#.into(),
                format!(
                    r#"{{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m","params":{{"_meta": {{{both}}} ,"x":1}}}}"#
                ),
            ),
            (r#","params":[1]"#.into(), r#"{ "jsonrpc":"2.0" ,"id":1.0e1,"method":"m","params":[1]}"#.into()),
        ] {
            assert_eq!(with(&before), after, "{before}");
        }
    }

    #[test]
    fn what_is_no_parent_is_none() {
        let of = |parent: &str| read(parent, "").is_some();
        assert!(
            of(TRACE)
                && of(&TRACE.replacen("00", "01", 1))
                && of(&format!("{}-more", TRACE.replacen("00", "01", 1)))
        );
        for wrong in [
            "",
            "00",
            &format!("{TRACE}-more"),
            &TRACE.replacen("00", "ff", 1),
            &TRACE.to_uppercase(),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(!of(wrong), "{wrong}");
        }
        let meta = format!(r#","params":{{"_meta":{{"traceparent":"{TRACE}","tracestate":"k=v"}}}}"#);
        let context = parent(&message(&meta)).unwrap();
        assert_eq!((context.trace_state().header().as_str(), context.is_remote()), ("k=v", true));
        assert!(parent(&message(r#","params":{"traceparent":"x"}"#)).is_none());
    }
}
