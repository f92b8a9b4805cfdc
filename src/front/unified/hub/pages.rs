//! Lists: each backend is asked for its page, and none is waited for too long.

use std::sync::Arc;

use mcpvisor_actors::Refusal;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Hub;
use crate::front::face::Face;
use crate::front::unified::list::{Lister, PATIENCE};
use crate::front::unified::merge::Page;
use crate::front::unified::view::List;

impl Lister for Hub {
    async fn page(&self, face: &Arc<Face>, list: List, cursor: Option<&str>) -> Page {
        let Some(hub) = self.me() else { return Page::Nothing };
        let (asked, begun) = (face.clone(), Instant::now());
        let cursor = cursor.map(str::to_owned);
        let asking = async move { hub.ask_for_page(&asked, list, cursor.as_deref()).await };
        let mut task = tokio::spawn(asking);
        match timeout(face.patience(PATIENCE), &mut task).await {
            Ok(Ok(Page::Unavailable(reason, text))) => {
                self.miss(face, Some(&text));
                Page::Unavailable(reason, text)
            }
            Ok(Ok(page)) => page,
            Ok(Err(_)) => {
                Page::Unavailable("internal", "mcpvisor lost the request; please report this".to_owned())
            }
            Err(_) => {
                self.late(face.clone(), task, begun);
                Page::Unavailable("slow", "it has not answered yet".to_owned())
            }
        }
    }
}

impl Hub {
    async fn ask_for_page(&self, face: &Arc<Face>, list: List, cursor: Option<&str>) -> Page {
        let unavailable = |refusal: Refusal| Page::Unavailable(refusal.kind(), refusal.to_string());
        let member = match self.attach(face).await {
            Ok(member) if member.has(list.capability()) => member,
            Ok(_) => return Page::Nothing,
            Err(refusal) => return unavailable(refusal),
        };
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        match self.ask(&member, list.method(), params).await {
            Ok(page) => Page::of(&page),
            Err(refusal) => unavailable(refusal),
        }
    }

    /// It is still waited for: the client is told when it has come, and the next list waits as long as this one took.
    fn late(&self, face: Arc<Face>, task: JoinHandle<Page>, begun: Instant) {
        let Some(hub) = self.me() else { return };
        if !self.missed.pin().insert(face.name.clone()) {
            // One that waits is enough.
            return task.abort();
        }
        tokio::spawn(async move {
            let page = task.await;
            let failed = matches!(page, Ok(Page::Unavailable(..)) | Err(_));
            if !failed {
                face.was_slow(begun.elapsed());
            }
            hub.found(&face, !failed);
            if let Ok(Page::Unavailable(_, text)) = page {
                hub.miss(&face, Some(&text));
            }
        });
    }
}
