//! Where the Registry is now: the Root replaces one that failed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ractor::{ActorRef, MessagingErr};

use super::RegistryMsg;

/// Cheap to clone; read without waiting.
#[derive(Clone, Default)]
pub(crate) struct RegistryAddress(Arc<ArcSwapOption<ActorRef<RegistryMsg>>>);

impl RegistryAddress {
    pub(crate) fn set(&self, registry: ActorRef<RegistryMsg>) {
        self.0.store(Some(Arc::new(registry)));
    }

    /// Gives the message back if there is no Registry to take it.
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
