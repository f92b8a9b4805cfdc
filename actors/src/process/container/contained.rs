//! A container that runs, behind a child of ours.

use std::fs;
use std::time::Duration;

use super::{Engine, Named};

/// Between two attempts to remove one, and after the last.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::ZERO];

/// The right to end it, and the duty.
#[derive(Debug)]
pub(crate) struct Contained {
    engine: Engine,
    named: Named,
}

impl Contained {
    pub(crate) fn new(engine: Engine, named: Named) -> Self {
        Self { engine, named }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has it stopped: SIGTERM, and after `grace` SIGKILL. Does not wait. False where there is none yet: then its image is being
    /// fetched, say, and a signal to the engine's command is the right thing.
    pub(crate) fn stop(&self, grace: Duration) -> bool {
        let Some(id) = self.id() else { return false };
        let (engine, name) = (self.engine.clone(), self.named.name.clone());
        let seconds = (grace.as_secs() + u64::from(grace.subsec_nanos() > 0)).to_string();
        tokio::spawn(async move {
            if let Err(error) = engine.call(words(&["stop", "-t", &seconds, &id]), grace).await {
                // What follows SIGTERM follows all the same.
                tracing::debug!(container = %name, %error, "the engine could not stop it");
            }
        });
        true
    }

    /// Removes it, running or not, and waits until that is done; gives up if its engine fails for seconds.
    pub(crate) async fn remove(&self) {
        for pause in PAUSES {
            let Err(error) = self.engine.call(self.removal(), Duration::ZERO).await else { break };
            // Most often it has removed itself, or is about to.
            if self.is_left().await == Ok(false) {
                break;
            }
            let container = &self.named.name;
            tracing::warn!(event = "container.left", %container, %error, "a container could not be removed");
            tokio::time::sleep(pause).await;
        }
        let _ = fs::remove_file(&self.named.cid_file);
    }

    /// The same for when nobody is left who could wait.
    pub(crate) fn remove_unattended(&self) {
        if let Err(error) = self.engine.start(&self.removal()) {
            tracing::warn!(event = "container.left", container = %self.named.name, %error, "a container could not be removed");
        }
        let _ = fs::remove_file(&self.named.cid_file);
    }

    async fn is_left(&self) -> Result<bool, String> {
        let name = format!("--filter=name=^{}$", self.named.name);
        let found = self.engine.call(words(&["ps", "--all", "--quiet", &name]), Duration::ZERO).await?;
        Ok(!found.trim().is_empty())
    }

    fn removal(&self) -> Vec<String> {
        // Where the id was never written down there may still be one of that name.
        let id = self.id().unwrap_or_else(|| self.named.name.clone());
        words(&["rm", "--force", "--volumes", &id])
    }

    /// As the engine has written it down.
    fn id(&self) -> Option<String> {
        let id = fs::read_to_string(&self.named.cid_file).ok()?;
        let id = id.trim();
        (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| id.to_owned())
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
