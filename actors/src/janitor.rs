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
use ractor::ActorProcessingErr;
use tokio::time::Instant;

use crate::actor::{Actor, ActorKind, ActorRef};
use crate::metadata::Phase;
use crate::registry::{RegistryAddress, RegistryMsg};
use crate::route::Route;
use crate::timer::Timer;

/// A stopped key stays visible for this long, unless it is used.
const STOPPED_VISIBLE: Duration = Duration::from_secs(3600);

/// How a key is used, as it is seen now: by the Registry for the janitor, then by its Supervisor, at last by its
/// Connection. Each may know of a request that the one before did not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) phase: Phase,
    /// Whether anything is in flight or waits.
    pub(crate) busy: bool,
    pub(crate) idle_for: Duration,
    /// Whether a client has its standalone stream open, where that matters.
    pub(crate) streaming: bool,
}

impl Seen {
    /// From what is counted of the key that `route` stands for.
    pub(crate) fn of(route: &Route, phase: Phase, now: Instant) -> Self {
        let place = route.place();
        let usage = &place.usage;
        Self {
            phase,
            busy: usage.in_flight() + usage.queued() > 0,
            idle_for: now.saturating_duration_since(usage.last_used()),
            streaming: place.keep_while_streaming && route.listeners().iter().any(Route::is_stream_open),
        }
    }
}

/// Whether a key is to be evicted now.
pub(crate) fn due(seen: Seen, backend: &Backend) -> bool {
    if seen.busy {
        return false;
    }
    match seen.phase {
        // There is no process to keep.
        Phase::Stopped => seen.idle_for >= STOPPED_VISIBLE,
        // Launching is also the phase of a key that was opened by a caller who never came to use it.
        Phase::Launching | Phase::Ready | Phase::BackingOff => {
            let kept = backend.idle == Idle::Keep || (backend.keep_while_streaming && seen.streaming);
            !kept && seen.idle_for >= backend.pool.idle_timeout
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
    const KIND: ActorKind = ActorKind::Janitor;
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

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn backend(settings: &str) -> Backend {
        let text = format!("[backends.b]\ncommand = \"x\"\npool.idle_timeout = \"10s\"\n{settings}");
        let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
        let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
        mcpvisor_config::load(request).unwrap().config.backends["b"].clone()
    }

    fn idle(phase: Phase) -> Seen {
        Seen { phase, busy: false, idle_for: TIMEOUT, streaming: false }
    }

    #[test]
    fn what_nobody_uses_is_due_after_its_time() {
        let backend = backend("");
        for phase in [Phase::Launching, Phase::Ready, Phase::BackingOff] {
            assert!(due(idle(phase), &backend), "{phase:?}");
            assert!(!due(Seen { busy: true, ..idle(phase) }, &backend), "{phase:?}");
            let early = TIMEOUT - Duration::from_millis(1);
            assert!(!due(Seen { idle_for: early, ..idle(phase) }, &backend), "{phase:?}");
            assert!(
                due(Seen { streaming: true, ..idle(phase) }, &backend),
                "a stream keeps the session only"
            );
        }
        assert!(!due(idle(Phase::Draining), &backend));
    }

    #[test]
    fn an_open_stream_keeps_the_connection_where_that_is_wanted() {
        let backend = backend("keep_while_streaming = true");
        for phase in [Phase::Ready, Phase::BackingOff] {
            assert!(!due(Seen { streaming: true, ..idle(phase) }, &backend), "{phase:?}");
            assert!(due(idle(phase), &backend), "{phase:?}");
        }
    }

    #[test]
    fn what_is_to_be_kept_is_never_due_while_it_lives() {
        let backend = backend("idle = \"keep\"");
        let for_ever = Duration::from_secs(1 << 30);
        for phase in [Phase::Launching, Phase::Ready, Phase::BackingOff] {
            assert!(!due(Seen { idle_for: for_ever, ..idle(phase) }, &backend), "{phase:?}");
        }
    }

    #[test]
    fn a_stopped_key_is_shown_for_an_hour_whatever_is_kept() {
        for settings in ["", "idle = \"keep\"", "keep_while_streaming = true"] {
            let backend = backend(settings);
            let stopped = Seen { streaming: true, ..idle(Phase::Stopped) };
            assert!(!due(stopped, &backend), "{settings}");
            assert!(due(Seen { idle_for: STOPPED_VISIBLE, ..stopped }, &backend), "{settings}");
        }
    }
}
