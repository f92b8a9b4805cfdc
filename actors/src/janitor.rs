//! The clean-up tick.
//!
//! * Owns: one timer per distinct cleanup interval.
//! * Receives: its own ticks; the intervals of another configuration.
//! * Sends: `CleanUp` to the Registry, which evicts what [`due`] says.
//! * Dies when: a bug makes it; the Root starts another.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether others need its room.
    pub(crate) pressed: bool,
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
            streaming: place.settings.load().keep_while_streaming
                && route.listeners().iter().any(Route::is_stream_open),
            pressed: usage.is_pressed(),
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
            !kept(seen, backend) && (seen.pressed || seen.idle_for >= backend.pool.idle_timeout)
        }
        Phase::Draining => false,
    }
}

/// Whether it stays although nobody uses it.
pub(crate) fn kept(seen: Seen, backend: &Backend) -> bool {
    backend.idle == Idle::Keep || (backend.keep_while_streaming && seen.streaming)
}

pub(crate) struct Janitor;

pub(crate) enum JanitorMsg {
    /// This interval has passed.
    Tick(Duration),
    /// From now on these intervals count.
    Configure(Arc<Config>),
}

pub(crate) struct JanitorState {
    address: RegistryAddress,
    /// One per cleanup interval.
    rounds: BTreeMap<Duration, Timer>,
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
        let mut state = JanitorState { address, rounds: BTreeMap::new() };
        state.configure(&myself, &config);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<JanitorMsg>,
        message: JanitorMsg,
        state: &mut JanitorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JanitorMsg::Tick(interval) if state.rounds.contains_key(&interval) => {
                // A Registry that is being replaced is cleaned at the next tick.
                let _ = state.address.send(RegistryMsg::CleanUp { interval });
                state.rounds.insert(interval, round(&myself, interval));
            }
            JanitorMsg::Tick(_) => {}
            JanitorMsg::Configure(config) => state.configure(&myself, &config),
        }
        Ok(())
    }
}

impl JanitorState {
    /// A round that goes on is not begun anew: reloads that come again and again must not keep everything.
    fn configure(&mut self, myself: &ActorRef<JanitorMsg>, config: &Config) {
        let intervals = intervals(config);
        self.rounds.retain(|interval, _| intervals.contains(interval));
        for interval in intervals {
            self.rounds.entry(interval).or_insert_with(|| round(myself, interval));
        }
    }
}

fn round(myself: &ActorRef<JanitorMsg>, interval: Duration) -> Timer {
    Timer::at(Instant::now() + interval, myself.clone(), JanitorMsg::Tick(interval))
}

/// The distinct ones; the general one also serves what is not configured.
fn intervals(config: &Config) -> BTreeSet<Duration> {
    let own = config.backends.values().map(|backend| backend.pool.cleanup_interval);
    own.chain([config.pool.cleanup_interval]).collect()
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
        Seen { phase, busy: false, idle_for: TIMEOUT, streaming: false, pressed: false }
    }

    /// Reloads that come again and again would keep everything that nobody uses.
    #[tokio::test(start_paused = true)]
    async fn a_round_goes_on_through_a_reload_and_others_come_and_go() {
        let config = |settings: &str| {
            let text =
                format!("{settings}\n[backends.b]\ncommand = \"x\"\npool.cleanup_interval = \"10s\"\n");
            let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
            let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
            mcpvisor_config::load(request).unwrap().config
        };
        let (myself, _ticks) = crate::ear::ear::<JanitorMsg>().await;
        let mut state = JanitorState { address: RegistryAddress::default(), rounds: BTreeMap::new() };
        state.configure(&myself, &config(""));
        let deadlines = |state: &JanitorState| {
            state.rounds.iter().map(|(every, timer)| (every.as_secs(), timer.deadline())).collect::<Vec<_>>()
        };
        let before = deadlines(&state);
        assert_eq!(before.iter().map(|(every, _)| *every).collect::<Vec<_>>(), [10, 300]);
        tokio::time::advance(Duration::from_secs(5)).await;
        state.configure(&myself, &config("[pool]\ncleanup_interval = \"20s\""));
        let after = deadlines(&state);
        assert_eq!(after.iter().map(|(every, _)| *every).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(after[0], before[0]);
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

    /// There would be no room for a session that somebody wants.
    #[test]
    fn what_others_need_the_room_of_goes_before_its_time_unless_it_is_used_or_kept() {
        let pressed = Seen { pressed: true, idle_for: Duration::ZERO, ..idle(Phase::Ready) };
        assert!(due(pressed, &backend("")));
        assert!(!due(Seen { busy: true, ..pressed }, &backend("")));
        assert!(!due(pressed, &backend("idle = \"keep\"")));
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
