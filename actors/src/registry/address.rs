//! Where the Registry is now: the Root replaces one that failed.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ractor::MessagingErr;

use super::RegistryMsg;
use crate::actor::ActorRef;

/// A Registry that has not been replaced by then is not going to be.
const REPLACED_WITHIN: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// Cheap to clone; read without waiting.
#[derive(Clone, Default)]
pub(crate) struct RegistryAddress(Arc<ArcSwapOption<ActorRef<RegistryMsg>>>);

impl RegistryAddress {
    pub(crate) fn set(&self, registry: ActorRef<RegistryMsg>) {
        self.0.store(Some(Arc::new(registry)));
    }

    /// The same, waiting a moment for the Registry that takes the place of one that failed.
    pub(crate) async fn send_to_next(&self, mut message: RegistryMsg) -> Result<(), RegistryMsg> {
        for _ in 0..REPLACED_WITHIN.as_millis() / POLL.as_millis() {
            match self.send(message) {
                Ok(()) => return Ok(()),
                Err(undelivered) => message = undelivered,
            }
            tokio::time::sleep(POLL).await;
        }
        self.send(message)
    }

    /// Gives the message back if there is no Registry to take it.
    #[expect(clippy::result_large_err, reason = "the error is the message, which goes elsewhere")]
    pub(crate) fn send(&self, message: RegistryMsg) -> Result<(), RegistryMsg> {
        match self.0.load().as_ref() {
            Some(registry) => match registry.send_message(message) {
                Err(MessagingErr::SendErr(message)) => Err(message),
                _ => Ok(()),
            },
            None => Err(message),
        }
    }
}
