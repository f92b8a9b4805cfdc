//! The clean-up tick.
//!
//! * Owns: one timer per distinct cleanup interval.
//! * Receives: its own ticks.
//! * Sends: `CleanUp` to the Registry, which evicts what [`due`] says.
//! * Dies when: a bug makes it; the Root starts another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mcpvisor_config::{Backend, Config, Idle};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::metadata::{ConnectionMetadata, Phase};
use crate::registry::{RegistryAddress, RegistryMsg};
use crate::timer::Timer;

/// A stopped key stays visible for this long, unless it is used.
const STOPPED_VISIBLE: Duration = Duration::from_secs(3600);

/// Whether a key is to be evicted now.
pub(crate) fn due(connection: &ConnectionMetadata, backend: &Backend) -> bool {
    if connection.in_flight + connection.queued > 0 {
        return false;
    }
    match connection.phase {
        Phase::Stopped => connection.idle_for >= STOPPED_VISIBLE,
        // Launching is also the phase of a key that was opened by a caller who never came to use it.
        Phase::Launching | Phase::Ready | Phase::BackingOff => {
            backend.idle == Idle::Evict && connection.idle_for >= backend.pool.idle_timeout
        }
        Phase::Draining => false,
    }
}

pub(crate) struct Janitor;

pub(crate) enum JanitorMsg {
    /// The interval with this number has passed.
    Tick(usize),
}

pub(crate) struct JanitorState {
    address: RegistryAddress,
    rounds: Vec<Round>,
}

/// The backends whose cleanup interval is this one.
struct Round {
    interval: Duration,
    _timer: Option<Timer>,
}

impl Actor for Janitor {
    type Msg = JanitorMsg;
    type State = JanitorState;
    type Arguments = (Arc<Config>, RegistryAddress);

    async fn pre_start(
        &self,
        myself: ActorRef<JanitorMsg>,
        (config, address): Self::Arguments,
    ) -> Result<JanitorState, ActorProcessingErr> {
        let mut state = JanitorState { address, rounds: rounds(&config) };
        for number in 0..state.rounds.len() {
            state.arm(&myself, number);
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<JanitorMsg>,
        JanitorMsg::Tick(number): JanitorMsg,
        state: &mut JanitorState,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(round) = state.rounds.get(number) {
            // A Registry that is being replaced is cleaned at the next tick.
            let _ = state.address.send(RegistryMsg::CleanUp { interval: round.interval });
        }
        state.arm(&myself, number);
        Ok(())
    }
}

impl JanitorState {
    fn arm(&mut self, myself: &ActorRef<JanitorMsg>, number: usize) {
        if let Some(round) = self.rounds.get_mut(number) {
            let at = Instant::now() + round.interval;
            round._timer = Some(Timer::at(at, myself.clone(), JanitorMsg::Tick(number)));
        }
    }
}

/// One round per distinct interval; the general one also serves what is not configured.
fn rounds(config: &Config) -> Vec<Round> {
    let own = config.backends.values().map(|backend| backend.pool.cleanup_interval);
    let intervals: BTreeSet<_> = own.chain([config.pool.cleanup_interval]).collect();
    intervals.into_iter().map(|interval| Round { interval, _timer: None }).collect()
}
