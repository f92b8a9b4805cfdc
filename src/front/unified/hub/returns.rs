//! Backends that were missing from a list, until they are back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mcpvisor_actors::Refusal;
use serde_json::json;
use tokio::time::sleep;

use super::Hub;
use crate::front::face::Face;

/// Between two looks, at first and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);
/// The same while there is nobody to tell.
const UNHEARD: Duration = Duration::from_secs(5);

impl Hub {
    /// Looks after it, and tells the client when it is back. `why`: what the client is told now.
    pub(super) fn miss(&self, face: &Arc<Face>, why: Option<&str>) {
        if !self.missed.pin().insert(face.name.clone()) {
            return;
        }
        if let Some(why) = why {
            self.warn(&format!("{why}; what '{}' offers is missing from lists until it is back", face.name));
        }
        let (hub, face) = (self.me.clone(), face.clone());
        tokio::spawn(async move {
            let mut pause = FIRST;
            loop {
                sleep(pause).await;
                let Some(hub) = hub.upgrade().filter(|hub| hub.ended().is_none()) else { return };
                if hub.set.member(&face.name).is_none() {
                    break hub.found(&face, false);
                }
                // Nobody would hear of it; whoever asks for a list finds out.
                if !hub.stream_open.load(Relaxed) {
                    pause = UNHEARD;
                    continue;
                }
                pause = match hub.look(&face).await {
                    Ok(()) => break hub.found(&face, true),
                    Err(Refusal::BackendUnavailable { retry_after: Some(after), .. }) => {
                        after.clamp(FIRST, LAST)
                    }
                    Err(_) => (pause * 2).min(LAST),
                };
            }
        });
    }

    pub(super) fn found(&self, face: &Arc<Face>, back: bool) {
        self.missed.pin().remove(&face.name);
        if back {
            self.tell_of_changes();
        }
    }

    async fn look(&self, face: &Arc<Face>) -> Result<(), Refusal> {
        let member = self.attach(face).await?;
        self.ask(&member, "ping", json!({})).await.map(drop)
    }
}
