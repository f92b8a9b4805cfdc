//! What every backend is asked at once.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::message::{Envelope, Kind};
use mcpvisor_actors::{Exchange, Refusal};
use serde_json::{Value, json};

use super::{Hub, answer};
use crate::front::modern::INVALID_PARAMS;
use crate::front::unified::list::{Purpose, list};
use crate::front::unified::view::List;

impl Hub {
    pub(super) async fn list(self: Arc<Self>, id: Bytes, of: List, params: Value) -> Exchange {
        let members = self.set.members();
        let cursor = match &params["cursor"] {
            Value::Null => None,
            cursor => Some(cursor.as_str().unwrap_or_default()),
        };
        let purpose = Purpose {
            list: of,
            set: self.set.name(),
            principal: &self.principal,
            members: &members,
            owners: &self.owners,
            seal: &self.seal,
            modern: false,
            private: true,
        };
        match list(&*self, &purpose, cursor).await {
            Ok(result) => answer::result(&id, &result),
            Err(text) => answer::wrong(INVALID_PARAMS, text),
        }
    }

    /// Tells every backend that has a log, and those that come later.
    pub(super) async fn set_level(&self, id: &[u8], raw: Bytes, params: Value) -> Exchange {
        self.level.store(Some(Arc::new(raw)));
        let told = self.attached().into_iter().filter(|member| member.has("logging"));
        let answers = futures_util::future::join_all(told.map(|member| {
            let params = params.clone();
            async move { self.ask(&member, "logging/setLevel", params).await }
        }));
        for answer in answers.await.into_iter().flatten() {
            // All have the same levels: what one does not know none does.
            if let Some(error) = error_of(&answer) {
                return Exchange::Answer(Err(error));
            }
        }
        answer::result(id, "{}")
    }
}

fn error_of(answer: &Envelope) -> Option<Refusal> {
    if answer.kind() != Kind::Error {
        return None;
    }
    let error: Value = serde_json::from_slice(answer.body()?).unwrap_or_else(|_| json!({}));
    let code = error["code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(INVALID_PARAMS);
    Some(Refusal::Invalid { code, message: error["message"].as_str().unwrap_or_default().to_owned() })
}
