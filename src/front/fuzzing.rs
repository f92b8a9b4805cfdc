//! The pure parts that read what strangers write, for the fuzz targets.

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use mcpvisor_actors::message::Envelope;
use mcpvisor_config::Auth;

use super::events::{EventId, write_event};
use super::gate::{Gate, Refused};
use super::modern::meta::Meta;
use super::modern::{Seal, State};
use super::unified::Cursor;
use super::{era, media, modern};

/// A sealed thing whose words are given: key, principal and request of a state; set, principal and method of a cursor.
pub type Sealed = [String; 3];

/// Seals the state of a parked call.
pub fn seal_state(key: &str, [of, principal, request]: Sealed) -> Option<String> {
    Seal::new(key)?.close(&State { parked: Some("p".into()), key: of, principal, request })
}

/// Opens it.
pub fn open_state(key: &str, sealed: &str) -> Option<Sealed> {
    Seal::new(key)?.open::<State>(sealed).map(|state| [state.key, state.principal, state.request])
}

/// Seals a place in a list of several backends.
pub fn seal_cursor(key: &str, [set, principal, method]: Sealed) -> Option<String> {
    let places = vec![("a".to_owned(), String::new())];
    Cursor { set, principal, method, public: false, places }.seal(&Seal::new(key)?)
}

/// Whether it opens for these.
pub fn open_cursor(key: &str, sealed: &str, [set, principal, method]: &Sealed) -> bool {
    Seal::new(key).is_some_and(|seal| Cursor::open(&seal, sealed, set, principal, method).is_some())
}

/// What a header that repeats the body means.
pub fn decoded(value: &HeaderValue) -> Option<String> {
    modern::decoded(value).map(Into::into)
}

/// Whether a service at this address, of these names, lets the request in; what is wrong, if not.
pub fn lets_in(listen: &str, hosts: &[String], origins: &[String], request: &Parts) -> Result<(), String> {
    let auth = Auth { allowed_hosts: hosts.to_vec(), allowed_origins: origins.to_vec(), ..Auth::default() };
    Gate::new(listen, "", &auth).check(request).map_err(|refused: Refused| format!("{refused:?}"))
}

/// Whether the body is JSON; whether an answer may be JSON, or a stream; whether it had better be one.
pub fn accepts(headers: &HeaderMap) -> [bool; 4] {
    let takes = |media| media::accepts(headers, media);
    [media::is_json(headers), takes(media::JSON), takes(media::EVENT_STREAM), media::prefers_stream(headers)]
}

/// A `Last-Event-ID`, written anew.
pub fn event_id(text: &[u8]) -> Option<String> {
    EventId::parse(text).map(|id| id.to_string())
}

/// A message as an event.
pub fn event(message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    write_event(&mut out, EventId { stream: 7, sequence: 8 }, message);
    out.freeze()
}

/// Whether the headers are those of a modern client.
pub fn is_modern(headers: &HeaderMap, message: &Envelope) -> (bool, bool) {
    (era::is_modern(headers), era::choose(headers, message) == era::Era::Modern)
}

/// The status and code with which a modern request is refused before anybody works for it.
pub fn checked(headers: &HeaderMap, message: &Envelope) -> Result<(), (u16, i32)> {
    modern::check(headers, message, &Meta::of(message)).map_err(|wrong| (wrong.status.as_u16(), wrong.code))
}

/// An answer whose state is bound to a backend and a principal.
pub fn bound(key: &str, whose: [&str; 2], answer: Bytes) -> Option<Bytes> {
    modern::bind(key, whose, answer)
}

/// A request with the state that its backend has given.
///
/// # Errors
/// It was not given to this principal by this backend. True: it was given to somebody else.
pub fn unbound(key: &str, whose: [&str; 2], request: &Envelope, state: &[u8]) -> Result<Envelope, bool> {
    modern::unbind(key, whose, request, state)
}
