//! Resources: by their owner, which may have to be found out.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::{Visitor, last, later};
use crate::front::face::Face;
use crate::front::inbound::Inbound;
use crate::front::modern::answer::error_code;
use crate::front::modern::checks::INVALID_PARAMS;
use crate::front::modern::meta::Meta;
use crate::front::modern::talk::{Said, Talk};
use crate::front::rejection::Rejection;
use crate::front::unified::learn;

impl Visitor {
    pub(super) async fn read(self, inbound: &Inbound<'_>, meta: Meta) -> Result<Talk, Rejection> {
        let uri = meta.name.clone().unwrap_or_default();
        match self.owner(&uri) {
            Some(face) => self.pass(inbound, &face, self.message.clone(), meta).await,
            None => Ok(later(async move { self.read_unknown(&uri).await })),
        }
    }

    /// Asks for the lists; where they do not tell, one backend after the other, until one has it.
    async fn read_unknown(&self, uri: &str) -> Said {
        let members = self.set.members();
        learn(self, &members, &self.owners).await;
        let owner = self.owner(uri);
        let candidates = owner.as_ref().map_or(&members[..], std::slice::from_ref);
        let mut first = None;
        for face in candidates {
            let Some((status, answer)) = self.answer(face).await else { continue };
            if error_code(&answer).is_none() {
                self.owners.names(uri, &face.name);
                return Said::Last(status, answer);
            }
            // That it has no resources at all, or is not there, says less than that it has not this one.
            if error_code(&answer) == Some(i64::from(INVALID_PARAMS)) || owner.is_some() {
                first.get_or_insert(Said::Last(status, answer));
            }
        }
        first.unwrap_or_else(|| {
            let (text, data) = (format!("no backend has the resource {uri}"), json!({ "uri": uri }));
            let answer = mcpvisor_actors::message::error(Some(self.id()), INVALID_PARAMS, &text, Some(&data));
            Said::Last(StatusCode::OK, answer)
        })
    }

    async fn answer(&self, face: &Arc<Face>) -> Option<(StatusCode, bytes::Bytes)> {
        match self.send(face, self.message.clone()).await {
            Ok(mut talk) => last(&mut talk).await,
            Err(rejection) => Some((StatusCode::OK, rejection.body().clone())),
        }
    }

    pub(super) async fn complete_resource(
        &self,
        inbound: &Inbound<'_>,
        uri: &str,
        meta: Meta,
    ) -> Result<Talk, Rejection> {
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
            Some(face) => self.pass(inbound, &face, self.message.clone(), meta).await,
            None => {
                let text = format!("no backend has the resource {uri}");
                Ok(Talk::Told(Some(self.wrong(StatusCode::OK, INVALID_PARAMS, &text))))
            }
        }
    }

    pub(crate) fn owner(&self, uri: &str) -> Option<Arc<Face>> {
        self.owners.of(uri, &self.set.order()).and_then(|owner| self.set.member(&owner))
    }

    /// Finds out whose resources are whose, if these are not known.
    pub(crate) async fn learn_owners(&self, uris: &[String]) {
        if uris.iter().any(|uri| self.owner(uri).is_none()) {
            learn(self, &self.set.members(), &self.owners).await;
        }
    }
}
