//! What the phases of a key mean for those who use it; the whole table of phases and events is in `table`.

mod table;

use super::*;
use crate::error::EndCause;
use crate::fault::FaultReason;

const POOL: Pool = Pool {
    idle_timeout: Duration::from_secs(1800),
    cleanup_interval: Duration::from_secs(300),
    max_error_count: 1,
    reset_after: Duration::from_secs(600),
    cooldown: Duration::from_secs(30),
    cooldown_max: Duration::from_secs(600),
};
const BACKOFF: Backoff =
    Backoff { min: Duration::from_millis(250), max: Duration::from_secs(30), jitter: 0.0 };

struct World {
    machine: Machine,
    now: Instant,
    waiting: bool,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(POOL, BACKOFF, false, Budget::default()),
            now: Instant::now(),
            waiting: false,
        }
    }

    fn launching() -> Self {
        let mut world = Self::new();
        assert_eq!(world.on(Event::Wanted), [Effect::Launch]);
        world
    }

    fn ready() -> Self {
        let mut world = Self::launching();
        assert_eq!(world.on(Event::Ready), [Effect::Open]);
        world
    }

    fn backing_off() -> Self {
        let mut world = Self::ready();
        world.fault();
        assert_eq!(world.machine.phase(), Phase::BackingOff);
        world
    }

    fn stopped() -> Self {
        let mut world = Self::backing_off();
        world.on(Event::BackoffOver);
        world.on(Event::Ready);
        world.fault();
        assert_eq!(world.machine.phase(), Phase::Stopped);
        world
    }

    fn on(&mut self, event: Event<'_>) -> Vec<Effect> {
        self.machine.on(event, self.waiting, self.now)
    }

    fn fault(&mut self) -> Vec<Effect> {
        self.on(Event::Fault { fault: &Fault::new(FaultReason::Exit, "exit code 1"), random: 0.0 })
    }

    fn fatal(&mut self) -> Vec<Effect> {
        self.on(Event::Fault { fault: &Fault::new(FaultReason::Spawn, "not found").fatal(), random: 0.0 })
    }

    fn phase(&self) -> Phase {
        self.machine.phase()
    }
}

/// A limit that a reload has raised would stop what it was raised for.
#[tokio::test(start_paused = true)]
async fn another_limit_counts_what_was_counted_before() {
    let mut world = World::backing_off();
    world.machine.configure(Pool { max_error_count: 2, ..POOL }, BACKOFF);
    world.on(Event::BackoffOver);
    world.on(Event::Ready);
    assert!(matches!(world.fault()[..], [Effect::Withdraw, Effect::BackOff(_)]), "the second of two");
    world.machine.configure(POOL, BACKOFF);
    world.on(Event::BackoffOver);
    world.on(Event::Ready);
    world.fault();
    assert_eq!(world.phase(), Phase::Stopped, "the third of one");
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_fails_before_the_session_was_served_is_forgotten() {
    let mut world = World::launching();
    assert_eq!(world.fault(), [Effect::Refuse(Refused::Launch)]);
    assert_eq!(world.on(Event::Gone), [Effect::End]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_a_failed_launch_is_cleaned_up_gets_a_launch_of_his_own() {
    let mut world = World::launching();
    world.fault();
    world.waiting = true;
    assert_eq!(world.on(Event::Gone), [Effect::Launch]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_restarts_at_once_then_with_backoff_then_stops() {
    let mut world = World::ready();
    assert_eq!(world.fault(), [Effect::Withdraw, Effect::BackOff(world.now)]);
    assert_eq!(world.on(Event::Gone), [], "the restart waits for the processes by itself");
    assert_eq!(world.on(Event::BackoffOver), [Effect::Launch]);
    let refused = Refused::Stopped { fatal: false, retry_after: POOL.cooldown };
    assert_eq!(
        world.fault(),
        [Effect::Refuse(Refused::Launch), Effect::Refuse(refused), Effect::Stopped { fatal: false }],
        "a failed relaunch counts as well"
    );
}

#[tokio::test(start_paused = true)]
async fn no_restart_follows_what_no_restart_can_help() {
    let mut world = World::backing_off();
    world.on(Event::BackoffOver);
    assert!(world.fatal().contains(&Effect::Stopped { fatal: true }));
    assert_eq!(world.phase(), Phase::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_key_refuses_until_its_cooldown_is_over_and_then_starts_clean() {
    let mut world = World::stopped();
    assert!(matches!(world.machine.admits(world.now), Err(Refused::Stopped { fatal: false, .. })));
    assert_eq!(world.on(Event::Wanted), []);
    world.now += POOL.cooldown;
    assert!(world.machine.admits(world.now).is_ok());
    assert_eq!(world.on(Event::Wanted), [Effect::Launch]);
    assert_eq!(world.machine.budget().errors(world.now, &POOL), 0);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_leaves_the_key_to_be_launched_again() {
    let mut world = World::ready();
    assert_eq!(world.on(Event::Evict), [Effect::Withdraw, Effect::Retire(Retire::Evict)]);
    assert!(world.machine.admits(world.now).is_ok(), "requests wait for the next launch");
    world.waiting = true;
    assert_eq!(world.on(Event::Gone), [Effect::Launch]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_faster_than_the_eviction_keeps_the_connection() {
    let mut world = World::ready();
    world.on(Event::Evict);
    assert_eq!(world.on(Event::EvictRefused), [Effect::Open]);
    assert_eq!(world.phase(), Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_without_a_process_just_ends() {
    for mut world in [World::new(), World::backing_off(), World::stopped()] {
        assert_eq!(world.on(Event::Evict), [Effect::Abandon]);
        assert_eq!(world.on(Event::Gone), [Effect::End]);
    }
    assert_eq!(World::launching().on(Event::Evict), []);
}

#[tokio::test(start_paused = true)]
async fn a_drain_refuses_what_waits_and_lets_the_rest_finish() {
    let refused = Effect::Refuse(Refused::Drain);
    let mut ready = World::ready();
    let effects = ready.on(Event::Drain);
    assert_eq!(effects, [Effect::Withdraw, refused.clone(), Effect::Retire(Retire::Drain)]);
    assert_eq!(ready.machine.admits(ready.now), Err(Refused::Drain));
    assert_eq!(ready.fault(), [], "what dies while draining is no fault");
    assert_eq!(ready.on(Event::Gone), [Effect::End]);
    for mut world in [World::new(), World::launching(), World::backing_off(), World::stopped()] {
        assert_eq!(world.on(Event::Drain), [refused.clone(), Effect::Abandon]);
        assert_eq!(world.on(Event::Gone), [Effect::End]);
    }
}

/// A deleted session would leave a process that nobody ends, and a launch ticket that nobody gives back.
#[tokio::test(start_paused = true)]
async fn nothing_is_launched_for_a_key_that_is_ending() {
    let endings: [fn() -> Event<'static>; 3] =
        [|| Event::Evict, || Event::Delete(EndCause::Delete), || Event::Drain];
    for ending in endings {
        for mut world in [World::new(), World::backing_off(), World::stopped()] {
            world.now += POOL.cooldown;
            world.on(ending());
            assert_eq!(world.on(Event::Wanted), []);
            assert_eq!(world.on(Event::BackoffOver), []);
            assert_eq!(world.phase(), Phase::Draining);
        }
    }
}

/// A server that all share and that cannot start would be started anew with every request, for ever.
#[tokio::test(start_paused = true)]
async fn a_key_of_many_spends_its_budget_before_it_was_ever_served() {
    let mut world = World::new();
    world.machine = world.machine.lasting();
    for _ in 0..=POOL.max_error_count {
        assert_eq!(world.on(Event::Wanted), [Effect::Launch]);
        world.fault();
        if world.phase() == Phase::Stopped {
            break;
        }
        assert_eq!(world.phase(), Phase::Draining);
        let budget = world.machine.budget().clone();
        world.machine = Machine::new(POOL, BACKOFF, false, budget).lasting();
    }
    assert_eq!(world.phase(), Phase::Stopped);
    assert!(matches!(world.machine.admits(world.now), Err(Refused::Stopped { fatal: false, .. })));
    assert!(world.machine.admits(world.now + POOL.cooldown).is_ok());
}

/// A transport that was put in place of one that is being retired would never be used.
#[tokio::test(start_paused = true)]
async fn another_transport_is_launched_once_the_retiring_one_is_gone() {
    let mut evicted = World::ready();
    evicted.on(Event::Evict);
    let mut limited = World::ready();
    limited.on(Event::External);
    limited.on(Event::External);
    let mut failed = World::launching();
    failed.fault();
    for mut world in [evicted, limited, failed] {
        assert_eq!(world.on(Event::Replace), [Effect::Retire(Retire::Restart)]);
        assert!(world.machine.admits(world.now).is_ok());
        assert_eq!(world.on(Event::Gone), [Effect::Launch]);
    }
}

/// Reporting the same trouble again and again would keep a key away for the longest cooldown.
#[tokio::test(start_paused = true)]
async fn errors_reported_of_a_stopped_key_do_not_lengthen_its_next_cooldown() {
    let mut world = World::stopped();
    (0..5).for_each(|_| assert_eq!(world.on(Event::External), []));
    world.now += POOL.cooldown;
    world.on(Event::Wanted);
    world.on(Event::Ready);
    world.on(Event::External);
    world.on(Event::External);
    let second = Refused::Stopped { fatal: false, retry_after: POOL.cooldown * 2 };
    assert_eq!(world.machine.admits(world.now), Err(second), "doubled once, by the second stop");
    assert!(world.on(Event::Gone).contains(&Effect::Refuse(second)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_takes_over_any_other_retirement() {
    let mut world = World::ready();
    world.on(Event::Evict);
    let refused = Effect::Refuse(Refused::Ended(EndCause::Delete));
    let retire = Retire::Delete(EndCause::Delete);
    assert_eq!(world.on(Event::Delete(EndCause::Delete)), [refused, Effect::Retire(retire)]);
    world.waiting = true;
    assert_eq!(world.on(Event::Gone), [Effect::End]);
}

#[tokio::test(start_paused = true)]
async fn errors_from_outside_retire_a_serving_connection_and_stop_any_other() {
    let mut ready = World::ready();
    assert_eq!(ready.on(Event::External), []);
    let effects = ready.on(Event::External);
    assert!(effects.contains(&Effect::Retire(Retire::Limit)));
    assert!(matches!(ready.machine.admits(ready.now), Err(Refused::Stopped { .. })));
    assert!(ready.on(Event::Gone).contains(&Effect::Stopped { fatal: false }));
    let mut launching = World::launching();
    launching.on(Event::External);
    assert_eq!(launching.on(Event::External)[0], Effect::Abandon);
    assert_eq!(launching.phase(), Phase::Stopped);
    let mut waiting = World::backing_off();
    assert!(waiting.on(Event::External).contains(&Effect::Stopped { fatal: false }));
}

#[tokio::test(start_paused = true)]
async fn another_transport_replaces_what_there_is_and_forgets_its_errors() {
    let mut ready = World::ready();
    assert_eq!(ready.on(Event::Replace), [Effect::Withdraw, Effect::Retire(Retire::Restart)]);
    assert_eq!(ready.on(Event::Gone), [Effect::Launch]);
    assert_eq!(World::launching().on(Event::Replace), [Effect::Abandon, Effect::Launch]);
    for mut world in [World::backing_off(), World::stopped()] {
        assert_eq!(world.on(Event::Replace), [Effect::Launch]);
        assert_eq!(world.machine.budget().errors(world.now, &POOL), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_upstream_session_is_nobodys_error() {
    let mut world = World::ready();
    assert_eq!(world.on(Event::Renew), [Effect::Withdraw, Effect::Launch]);
    assert_eq!(world.machine.budget().total(), 0);
}

/// A session that was well for hours would be stopped for errors of long ago, only because its upstream forgot it since.
#[tokio::test(start_paused = true)]
async fn what_had_healed_before_a_lost_session_stays_healed() {
    let mut world = World::backing_off();
    world.on(Event::BackoffOver);
    world.on(Event::Ready);
    world.now += POOL.reset_after;
    world.on(Event::Renew);
    assert_eq!(world.machine.budget().errors(world.now, &POOL), 0, "while it is launched anew");
    world.on(Event::Ready);
    assert_eq!(world.machine.budget().errors(world.now, &POOL), 0);
}

/// A session would be told of, and charged for, a process that was never its own.
#[tokio::test(start_paused = true)]
async fn a_dead_spare_is_nobodys_error_and_who_waits_waits_on() {
    let mut world = World::launching();
    assert_eq!(world.on(Event::SpareDied), [Effect::Launch]);
    assert_eq!(world.phase(), Phase::Launching);
    assert_eq!(world.machine.budget().total(), 0);
    assert_eq!(world.on(Event::Gone), [], "the launch waits for its processes by itself");
    for mut world in [World::ready(), World::backing_off(), World::stopped()] {
        assert_eq!(world.on(Event::SpareDied), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_opens_nothing() {
    for mut world in [World::backing_off(), World::stopped(), World::ready()] {
        assert_eq!(world.on(Event::Ready), []);
    }
}

/// A connection that refuses to be evicted in the moment of a restart would be kept and never used again.
#[tokio::test(start_paused = true)]
async fn a_restart_that_meets_an_eviction_retires_it_all_the_same() {
    let mut world = World::ready();
    world.on(Event::Evict);
    assert_eq!(world.on(Event::Restart { by_hand: true }), [Effect::Retire(Retire::Restart)]);
    assert_eq!(world.on(Event::EvictRefused), []);
    assert_eq!(world.on(Event::Gone), [Effect::Launch]);
}

/// An operator's start would have no effect until the last call of the stopped server is done.
#[tokio::test(start_paused = true)]
async fn a_start_takes_back_a_stop_that_still_drains() {
    let mut world = World::ready();
    world.on(Event::Stop);
    assert_eq!(world.machine.admits(world.now), Err(Refused::Operator));
    assert_eq!(world.on(Event::Start), [Effect::Retire(Retire::Restart)]);
    assert!(world.machine.admits(world.now).is_ok());
    assert_eq!(world.on(Event::Gone), [Effect::Launch]);
}
