//! Where each request goes, by what it names.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::message::Envelope;
use mcpvisor_actors::{CancellationToken, Exchange};
use serde_json::Value;
use tokio::sync::oneshot;

use super::requests::Whose;
use super::{Hub, answer};
use crate::front::face::Face;
use crate::front::modern::INVALID_PARAMS;
use crate::front::modern::meta::name_of;
use crate::front::unified::Asked;
use crate::front::unified::names::{split, unknown};
use crate::front::unified::view::View;

/// Where a request goes.
pub(super) enum Way {
    /// To this backend, in its own words.
    To(Arc<Face>, Envelope),
    /// It is worked for here.
    Here(oneshot::Receiver<Exchange>),
}

impl Hub {
    pub(super) fn way(self: &Arc<Self>, message: &Envelope, token: &CancellationToken, whose: &Whose) -> Way {
        let method = message.method().unwrap_or_default();
        let params: Value = match Asked::of(method) {
            // Arguments may be large, and only the name is of interest here.
            Asked::Named(_) => Value::Null,
            _ => message.params().and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default(),
        };
        let id = message.id_bytes().unwrap_or_default();
        match Asked::of(method) {
            Asked::List(list) => self.here(token, |hub| hub.list(id, list, params)),
            Asked::Named(what) => self.named(what, message),
            Asked::Uri => match params["uri"].as_str().map(str::to_owned) {
                None => told(answer::wrong(INVALID_PARAMS, "params.uri is missing".to_owned())),
                Some(uri) => self.of_uri(uri, message, token, whose),
            },
            Asked::Reference => match params["ref"]["type"].as_str() {
                Some("ref/prompt") => self.complete_prompt(&params["ref"]["name"], message),
                Some("ref/resource") => {
                    let uri = params["ref"]["uri"].as_str().unwrap_or_default().to_owned();
                    let (message, whose) = (message.clone(), whose.clone());
                    self.here(token, |hub| async move { hub.complete_resource(&uri, message, &whose).await })
                }
                _ => {
                    told(answer::wrong(INVALID_PARAMS, "params.ref.type is none of the protocol".to_owned()))
                }
            },
            Asked::Nothing if method == "ping" => told(answer::result(&id, "{}")),
            Asked::Nothing if method == "logging/setLevel" => {
                let raw = Bytes::copy_from_slice(message.params().unwrap_or_default());
                self.here(token, |hub| async move { hub.set_level(&id, raw, params).await })
            }
            Asked::Nothing => {
                let text = format!("there is no {method} for several backends at once: use /mcp/{{backend}}");
                told(answer::wrong(answer::METHOD_NOT_FOUND, text))
            }
        }
    }

    fn here<F>(self: &Arc<Self>, token: &CancellationToken, work: impl FnOnce(Arc<Self>) -> F) -> Way
    where
        F: Future<Output = Exchange> + Send + 'static,
    {
        Way::Here(self.work(token, work(self.clone())))
    }

    fn named(&self, what: &str, message: &Envelope) -> Way {
        let Some(name) = name_of(message) else {
            return told(answer::wrong(INVALID_PARAMS, "params.name is missing".to_owned()));
        };
        let found = split(&name).and_then(|(backend, rest)| Some((self.set.member(backend)?, rest)));
        match found {
            Some((face, rest)) => {
                let inner = View::new(face.name.clone()).call(message, rest);
                Way::To(face, inner)
            }
            None => self.unknown(what, &name),
        }
    }

    fn complete_prompt(&self, name: &Value, message: &Envelope) -> Way {
        let name = name.as_str().unwrap_or_default();
        let found = split(name).and_then(|(backend, rest)| Some((self.set.member(backend)?, rest)));
        match found {
            Some((face, rest)) => {
                let inner = View::new(face.name.clone()).completion(message, rest);
                Way::To(face, inner)
            }
            None => self.unknown("prompt", name),
        }
    }

    fn unknown(&self, what: &str, name: &str) -> Way {
        let order = self.set.order();
        let names: Vec<&str> = order.iter().map(|name| &**name).collect();
        told(answer::wrong(INVALID_PARAMS, unknown(what, name, &names)))
    }

    fn of_uri(
        self: &Arc<Self>,
        uri: String,
        message: &Envelope,
        token: &CancellationToken,
        whose: &Whose,
    ) -> Way {
        let owner = self.owners.of(&uri, &self.set.order()).and_then(|owner| self.set.member(&owner));
        let (message, whose) = (message.clone(), whose.clone());
        match owner {
            Some(face) => Way::To(face, message),
            None => self.here(token, |hub| async move { hub.of_unknown(&uri, message, &whose).await }),
        }
    }
}

fn told(exchange: Exchange) -> Way {
    let (reply, receiver) = oneshot::channel();
    let _ = reply.send(exchange);
    Way::Here(receiver)
}
