//! What is counted of requests and responses. Handles are kept per thread: finding one by its labels
//! costs more than using it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use http::StatusCode;
use mcpvisor_actors::message::{Envelope, Kind};
use mcpvisor_actors::metrics::{
    BACKEND, Counters, ERROR_TYPE, KINDS, METHOD, TOOL, TRANSPORT, VERSION, code_label, method_label,
};
use mcpvisor_actors::{Answer, Refusal};
use metrics::{Counter, Gauge, Histogram, Label, counter, histogram};
use tokio::time::Instant;

use super::face::Face;
use super::version::Version;
use crate::telemetry::catalogue::{AUTH_FAILURES, HTTP_RESPONSES, SERVER_OPERATION};
use crate::telemetry::limits;
use crate::telemetry::traces::RequestTrace;

/// Answers longer than this are not searched for an error: errors are short.
const LONGEST_ERROR: usize = 16 << 10;
/// A session of another principal was asked for.
pub(crate) const FOREIGN_SESSION: &str = "foreign_session";

type OperationKey = (usize, &'static str, Version, &'static str, Option<Arc<str>>);

thread_local! {
    static OPERATIONS: RefCell<HashMap<OperationKey, Histogram>> = RefCell::default();
    static RESPONSES: RefCell<HashMap<(&'static str, u16), Counter>> = RefCell::default();
}

/// One request, from its arrival to its answer.
pub(crate) struct Operation {
    face: Arc<Face>,
    method: &'static str,
    version: Version,
    tool: Option<Arc<str>>,
    start: Instant,
    trace: Option<Box<RequestTrace>>,
    /// Who has worked on it, where that had to be found out.
    by: Option<Arc<OnceLock<Arc<Face>>>>,
}

/// Counts a stream for as long as it is open.
pub(crate) struct OpenStream(Gauge);

impl Operation {
    pub(crate) fn begin(face: &Arc<Face>, method: Option<&str>, version: Version) -> Self {
        let method = method_label(method.unwrap_or_default());
        Self { face: face.clone(), method, version, tool: None, start: Instant::now(), trace: None, by: None }
    }

    /// A call of this tool, if its name may be told.
    pub(crate) fn of_tool(mut self, tool: Option<Arc<str>>) -> Self {
        self.tool = tool;
        self
    }

    /// Whoever stands there at its end has worked on it.
    pub(crate) fn by(mut self, whose: Arc<OnceLock<Arc<Face>>>) -> Self {
        self.by = Some(whose);
        self
    }

    /// With these spans.
    pub(crate) fn traced(mut self, trace: Option<Box<RequestTrace>>) -> Self {
        self.trace = trace;
        self
    }

    /// The revision has only now been agreed on.
    pub(crate) fn speaks(&mut self, version: Version) {
        self.version = version;
    }

    /// The answer is there; `None` = it was lost here.
    pub(crate) fn finish(&mut self, answer: Option<&Answer>) {
        if let Some(face) = self.by.take().and_then(|by| by.get().cloned()) {
            self.face = face;
        }
        let error_type = match answer {
            Some(Ok(answer)) => error_type(answer, self.method),
            Some(Err(refusal)) => {
                count_refusal(&self.face, refusal);
                refusal.kind()
            }
            None => "internal",
        };
        if let Some(mut trace) = self.trace.take() {
            let refusal = answer.and_then(|answer| answer.as_ref().err());
            trace.finish(error_type, refusal.map(Refusal::reason).filter(|reason| !reason.is_empty()));
        }
        let key = (self.face.index, self.method, self.version, error_type, self.tool.clone());
        let seconds = self.start.elapsed().as_secs_f64();
        OPERATIONS.with_borrow_mut(|handles| {
            handles.entry(key).or_insert_with(|| self.histogram(error_type)).record(seconds);
        });
    }

    fn histogram(&self, error_type: &'static str) -> Histogram {
        let mut labels = vec![
            Label::new(BACKEND.name, self.face.name.clone()),
            Label::new(METHOD.name, self.method),
            Label::new(ERROR_TYPE.name, error_type),
            Label::new(TRANSPORT.name, "tcp"),
            Label::new(VERSION.name, self.version.as_str()),
        ];
        labels.extend(self.tool.clone().map(|tool| Label::new(TOOL.name, tool)));
        histogram!(SERVER_OPERATION.name, labels)
    }
}

impl OpenStream {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Counts a response. `route` is from a closed set.
pub(crate) fn count_response(route: &'static str, status: StatusCode) {
    let code = status.as_u16();
    RESPONSES.with_borrow_mut(|handles| {
        let handle = handles
            .entry((route, code))
            .or_insert_with(|| counter!(HTTP_RESPONSES.name, "route" => route, "code" => code.to_string()));
        handle.increment(1);
    });
}

/// Counts an error of our own that a client saw.
pub(crate) fn count_refusal(face: &Face, refusal: &Refusal) {
    if KINDS.contains(&refusal.kind()) {
        face.errors.add(&[refusal.kind()], 1);
    }
    if let Refusal::Overloaded { what, .. } = refusal {
        limits::reached(what.setting());
    }
}

/// Counts credentials, or a session, that let nobody in.
pub(crate) fn count_auth_failure(reason: &'static str) {
    auth_failures().add(&[reason], 1);
}

/// Counters that are born at one never show an increase: they begin at zero.
pub(crate) fn register_auth_failures() {
    auth_failures();
}

fn auth_failures() -> Counters {
    Counters::new(&AUTH_FAILURES, None)
}

/// `""` for a result; the code of an error, as far as the set of codes is closed.
fn error_type(answer: &bytes::Bytes, method: &str) -> &'static str {
    if answer.len() > LONGEST_ERROR {
        return "";
    }
    if method == "tools/call" && says_is_error(answer) {
        return "tool_error";
    }
    // A result may well speak of an error; only then is it worth a closer look.
    if memchr::memmem::find(answer, br#""error""#).is_none() {
        return "";
    }
    match Envelope::parse(answer.clone()) {
        Ok(message) if message.kind() == Kind::Error => code_label(message.error_code()),
        _ => "",
    }
}

/// Whether a tool's result says `"isError": true`. Inside a string the quotes would have backslashes.
fn says_is_error(answer: &[u8]) -> bool {
    const FIELD: &[u8] = br#""isError""#;
    memchr::memmem::find_iter(answer, FIELD).any(|at| {
        let rest = answer.get(at + FIELD.len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(answer: &str, method: &str) -> &'static str {
        error_type(&bytes::Bytes::copy_from_slice(answer.as_bytes()), method)
    }

    #[test]
    fn failures_are_told_apart_from_talk_of_failures() {
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":{"error":"none"}}"#, "ping"), "");
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#, "ping"),
            "-32601"
        );
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}"#, "ping"), "_OTHER");
        let tool = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError" : true}}"#;
        assert_eq!(kind(tool, "tools/call"), "tool_error");
        assert_eq!(kind(tool, "tools/list"), "");
        assert_eq!(kind(r#"{"result":{"text":"\"isError\":true","isError":false}}"#, "tools/call"), "");
    }
}
