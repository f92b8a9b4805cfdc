//! Why something is refused, in the words of the client's error.

use std::sync::Arc;

use super::SupervisorState;
use super::machine::Refused;
use crate::error::{Refusal, Unavailable};
use crate::fault::{Fault, FaultReason};

impl SupervisorState {
    pub(super) fn refusal(&self, refused: Refused) -> Refusal {
        let backend = self.key().backend_id.clone();
        match refused {
            Refused::Launch => Refusal::LaunchFailed { backend, fault: self.told_fault() },
            Refused::Stopped { fatal, retry_after } => Refusal::BackendUnavailable {
                backend,
                reason: if fatal { Unavailable::Stopped } else { Unavailable::Cooling },
                retry_after: Some(retry_after),
                cause: self.last_fault.as_ref().map(ToString::to_string),
            },
            Refused::Breaker { retry_after } => Refusal::BackendUnavailable {
                backend,
                reason: Unavailable::Breaker,
                retry_after: Some(retry_after),
                cause: self.last_fault.as_ref().map(ToString::to_string),
            },
            Refused::Operator => Refusal::stopped_by_operator(backend),
            Refused::Drain => Refusal::ShuttingDown { backend, close: false },
            Refused::Ended(cause) => Refusal::SessionEnded { backend, cause },
            Refused::Unauthorized => match &self.challenge {
                Some(challenge) => Refusal::Unauthorized { backend, challenge: challenge.clone() },
                None => Refusal::LaunchFailed { backend, fault: self.told_fault() },
            },
        }
    }

    /// The last fault as clients may see it.
    fn told_fault(&self) -> Arc<Fault> {
        match &self.last_fault {
            Some(fault) if self.args.configured.expose_stderr || fault.stderr_tail.is_none() => fault.clone(),
            Some(fault) => Arc::new(Fault { stderr_tail: None, ..Fault::clone(fault) }),
            None => Arc::new(Fault::new(FaultReason::Spawn, "cancelled")),
        }
    }
}
