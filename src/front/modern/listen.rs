//! `subscriptions/listen`: a stream of what changes, to a backend of either era.

mod bridged;
mod fan;
mod pause;
mod relayed;
mod wanted;

use std::collections::VecDeque;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{self, Envelope, Fields, SUBSCRIPTION_ID};
use mcpvisor_actors::{Refusal, Route};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::key::Who;
use super::talk::Said;
use crate::front::inbound::Inbound;
use crate::front::lease::Lease;
use bridged::Bridged;
pub(crate) use fan::Fan;
use relayed::Relayed;
use wanted::Wanted;

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// One stream.
pub(crate) struct Listen {
    source: Source,
    /// To be said before anything else.
    next: VecDeque<Bytes>,
    /// The client's id, raw JSON.
    id: Bytes,
    ending: CancellationToken,
    lease: Lease,
    ended: bool,
}

enum Source {
    /// Tells nothing.
    Quiet,
    Relayed(Box<Relayed>),
    Bridged(Bridged),
}

/// What came of a look at the source.
enum Heard {
    /// Nothing for this client.
    Nothing,
    Said(Said),
    /// Events.
    Several(Vec<Bytes>),
    Refused(Refusal),
    /// There is no more to come, and nothing is wrong.
    End,
}

/// Grants nothing, until the client has heard enough of that.
pub(crate) fn quiet(inbound: &Inbound<'_>, message: &Envelope) -> Listen {
    let mut listen = Listen::new(inbound, Source::Quiet, message);
    listen.next.push_back(named(&listen.id, ACKNOWLEDGED, Wanted::default().acknowledged()));
    listen
}

/// Passes the request on.
pub(crate) fn relayed(inbound: &Inbound<'_>, route: Route, message: Envelope) -> Listen {
    let relayed = Relayed::begin(&inbound.face, route, message.clone());
    Listen::new(inbound, Source::Relayed(Box::new(relayed)), &message)
}

/// Subscribes in the way of the legacy era, then tells what of it was granted.
pub(crate) fn bridged(inbound: &Inbound<'_>, who: &Who, message: &Envelope) -> Listen {
    Listen::new(inbound, Source::Bridged(Bridged::begin(inbound, who, message)), message)
}

impl Listen {
    fn new(inbound: &Inbound<'_>, source: Source, message: &Envelope) -> Self {
        let id = message.id_bytes().unwrap_or_default();
        let (ending, lease) = (inbound.front.ending.clone(), Lease::begin(inbound));
        Self { source, next: VecDeque::new(), id, ending, lease, ended: false }
    }

    /// What the client is told next. May be dropped and called again.
    pub(crate) async fn say(&mut self) -> Option<Said> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(next) = self.next.pop_front() {
                return Some(Said::Event(next));
            }
            let heard = tokio::select! {
                biased;
                () = self.ending.cancelled() => Heard::End,
                () = self.lease.over() => Heard::End,
                heard = self.source.hear(&self.id) => heard,
            };
            let said = match heard {
                Heard::Nothing => continue,
                Heard::Several(events) => {
                    self.next.extend(events);
                    continue;
                }
                Heard::Said(said) => said,
                Heard::Refused(refusal) => Said::Last(StatusCode::OK, refusal.to_message(Some(&self.id))),
                Heard::End => self.complete(),
            };
            self.ended = matches!(said, Said::Last(..));
            return Some(said);
        }
    }

    /// An end in good order.
    fn complete(&self) -> Said {
        Said::Last(StatusCode::OK, message::subscription_ended(&self.id))
    }
}

impl Source {
    async fn hear(&mut self, id: &Bytes) -> Heard {
        match self {
            Self::Quiet => std::future::pending().await,
            Self::Relayed(relayed) => relayed.hear(id).await,
            Self::Bridged(bridged) => bridged.hear(id).await,
        }
    }
}

/// A notification of our own on the subscription.
fn named(id: &Bytes, method: &str, params: Value) -> Bytes {
    let plain = message::notification(method, Some(params));
    Envelope::parse(plain.clone()).map_or(plain, |message| with_subscription_id(id, &message))
}

/// A notification on the subscription with this id (raw JSON).
fn with_subscription_id(id: &Bytes, message: &Envelope) -> Bytes {
    let Some(params) = message.params() else {
        return named(id, message.method().unwrap_or_default(), json!({}));
    };
    let Some(mut fields) = Fields::parse(params) else { return message.bytes().clone() };
    let mut meta = fields.get("_meta").and_then(|meta| Fields::parse(meta.as_bytes())).unwrap_or_default();
    meta.set(SUBSCRIPTION_ID, String::from_utf8_lossy(id).into_owned());
    let meta = meta.to_string();
    fields.set("_meta", meta);
    message.with_part(params, fields.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notification_says_which_subscription_it_is_for_and_stays_what_it_was() {
        let id = Bytes::from_static(b"\"s\"");
        let of = |text: &str| {
            let message = Envelope::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            String::from_utf8(with_subscription_id(&id, &message).to_vec()).unwrap()
        };
        assert_eq!(
            of(
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","n":1.50,"_meta":{"x":1}}}"#
            ),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","n":1.50,"_meta":{"x":1,"io.modelcontextprotocol/subscriptionId":"s"}}}"#
        );
        let without: Value =
            serde_json::from_str(&of(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#))
                .unwrap();
        assert_eq!(without["params"]["_meta"][SUBSCRIPTION_ID], "s");
    }

    /// A client would look for a subscription that it does not have.
    #[test]
    fn an_id_of_any_size_stays_what_it_is() {
        let id = Bytes::from_static(b"123456789012345678901234567890");
        let said = named(&id, ACKNOWLEDGED, json!({ "notifications": {} }));
        let end = message::subscription_ended(&id);
        for told in [said, end] {
            let told = String::from_utf8(told.to_vec()).unwrap();
            let id = r#""io.modelcontextprotocol/subscriptionId":123456789012345678901234567890}"#;
            assert!(told.contains(id), "{told}");
        }
    }
}
