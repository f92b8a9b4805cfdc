//! Lists: each backend is asked for its page as by a client of its own.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Visitor;
use crate::front::face::Face;
use crate::front::modern::checks::INVALID_PARAMS;
use crate::front::modern::talk::Said;
use crate::front::rejection::INTERNAL_ERROR;
use crate::front::unified::{List, Lister, PATIENCE, Page, Purpose, list};

impl Visitor {
    pub(super) async fn list(&self, of: List) -> Said {
        let Some(seal) = self.front.seal.clone() else {
            return self.wrong(
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
                "there are no random numbers to seal a cursor with",
            );
        };
        let params = self.message.params().and_then(|raw| serde_json::from_slice::<Value>(raw).ok());
        let cursor = params.map(|mut params| params["cursor"].take()).unwrap_or_default();
        let cursor = (!cursor.is_null()).then(|| cursor.as_str().unwrap_or_default());
        let members = self.set.members();
        let purpose = Purpose {
            list: of,
            set: self.set.name(),
            principal: &self.caller.principal,
            members: &members,
            owners: &self.owners,
            seal: &seal,
            modern: true,
            private: self.set.is_for_one(),
        };
        match list(self, &purpose, cursor).await {
            Ok(result) => self.told(&result),
            Err(text) => self.wrong(StatusCode::OK, INVALID_PARAMS, &text),
        }
    }

    /// Asks one backend, and waits for it no longer than for its slowest list, nor less than is usual. It goes on without being
    /// waited for: it may be being launched.
    pub(super) async fn ask_patiently(&self, face: &Arc<Face>, method: &'static str, params: Value) -> Page {
        let (visitor, asked, begun) = (self.clone(), face.clone(), Instant::now());
        let mut task = tokio::spawn(async move {
            match visitor.ask(&asked, method, params).await {
                Some(answer) => Page::of(&answer),
                None => Page::Unavailable("internal", "the answer is no message".to_owned()),
            }
        });
        match timeout(face.patience(PATIENCE), &mut task).await {
            Ok(Ok(page)) => page,
            Ok(Err(_)) => {
                Page::Unavailable("internal", "mcpvisor lost the request; please report this".to_owned())
            }
            Err(_) => {
                let face = face.clone();
                tokio::spawn(async move {
                    if !matches!(task.await, Ok(Page::Unavailable(..)) | Err(_)) {
                        face.was_slow(begun.elapsed());
                    }
                });
                Page::Unavailable("slow", "it has not answered yet".to_owned())
            }
        }
    }
}

impl Lister for Visitor {
    async fn page(&self, face: &Arc<Face>, list: List, cursor: Option<&str>) -> Page {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        self.ask_patiently(face, list.method(), params).await
    }
}
