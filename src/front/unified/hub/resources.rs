//! Resources whose owner is not known: asked for, and learned.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::Exchange;
use mcpvisor_actors::message::{Envelope, Kind};

use super::requests::{Whose, exchange};
use super::{Hub, answer};
use crate::front::face::Face;
use crate::front::modern::INVALID_PARAMS;
use crate::front::unified::list::learn;
use crate::front::unified::owners::Owners;

/// Longer results are not searched for what they link to.
const LONGEST: usize = 1 << 20;

/// The code of the era for a resource that nobody has.
const RESOURCE_NOT_FOUND: i32 = -32002;

impl Hub {
    /// Asks for the lists; where they do not tell, one backend after the other, until one has it.
    pub(super) async fn of_unknown(&self, uri: &str, message: Envelope, whose: &Whose) -> Exchange {
        let members = self.set.members();
        learn(self, &members, &self.owners).await;
        if let Some(face) = self.owner(uri) {
            let _ = whose.set(face.clone());
            return self.when_attached(&face, message).await;
        }
        let mut first = None;
        for face in members.iter() {
            let Ok(member) = self.attach(face).await else { continue };
            if !member.has("resources") {
                continue;
            }
            let told = exchange(&member.route, message.clone()).await;
            match &told {
                Exchange::Answer(Ok(answer)) if is_error(answer) => drop(first.get_or_insert(told)),
                Exchange::Answer(Err(_)) => drop(first.get_or_insert(told)),
                _ => {
                    let _ = whose.set(face.clone());
                    self.owners.names(uri, &face.name);
                    return told;
                }
            }
        }
        let nobody = || answer::wrong(RESOURCE_NOT_FOUND, format!("no backend has the resource {uri}"));
        first.unwrap_or_else(nobody)
    }

    /// `completion/complete` of a template's variable.
    pub(super) async fn complete_resource(&self, uri: &str, message: Envelope, whose: &Whose) -> Exchange {
        let owner =
            || self.owners.of_template(uri, &self.set.order()).and_then(|owner| self.set.member(&owner));
        let face = match owner() {
            Some(face) => Some(face),
            None => {
                learn(self, &self.set.members(), &self.owners).await;
                owner()
            }
        };
        match face {
            Some(face) => {
                let _ = whose.set(face.clone());
                self.when_attached(&face, message).await
            }
            None => answer::wrong(INVALID_PARAMS, format!("no backend has the resource {uri}")),
        }
    }

    fn owner(&self, uri: &str) -> Option<Arc<Face>> {
        self.owners.of(uri, &self.set.order()).and_then(|owner| self.set.member(&owner))
    }
}

fn is_error(answer: &Bytes) -> bool {
    memchr::memmem::find(answer, br#""error""#).is_some()
        && Envelope::parse(answer.clone()).is_ok_and(|answer| answer.kind() == Kind::Error)
}

/// The resources that a result names are of the backend that gave it.
pub(crate) fn learn_links(owners: &Owners, backend: &Arc<str>, answer: &Bytes) {
    if answer.len() > LONGEST || memchr::memmem::find(answer, br#""resource"#).is_none() {
        return;
    }
    let Some(result) = Envelope::parse(answer.clone()).ok() else { return };
    let Some(result) = result.body().and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
    else {
        return;
    };
    let of_tool = result["content"].as_array().into_iter().flatten();
    let of_prompt = result["messages"].as_array().into_iter().flatten().map(|message| &message["content"]);
    for content in of_tool.chain(of_prompt) {
        let uri = match content["type"].as_str() {
            Some("resource_link") => content["uri"].as_str(),
            Some("resource") => content["resource"]["uri"].as_str(),
            _ => None,
        };
        if let Some(uri) = uri {
            owners.names(uri, backend);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that follows a link would be told that nobody has what it leads to.
    #[test]
    fn links_in_results_of_tools_and_prompts_are_learned() {
        let (owners, backend): (Owners, Arc<str>) = (Owners::default(), "b".into());
        let tool = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"x://1"},{"type":"resource","resource":{"uri":"x://2"}},{"type":"text","text":"\"resource\""}]}}"#;
        learn_links(&owners, &backend, &Bytes::from_static(tool));
        let prompt = br#"{"jsonrpc":"2.0","id":1,"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"x://3"}}}]}}"#;
        learn_links(&owners, &backend, &Bytes::from_static(prompt));
        let order = [backend];
        for uri in ["x://1", "x://2", "x://3"] {
            assert_eq!(owners.of(uri, &order).as_deref(), Some("b"), "{uri}");
        }
    }
}
