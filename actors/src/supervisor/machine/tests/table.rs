//! The whole table of phases and events. No cell can be left out: the matches below have no wildcard.
//!
//! Each row is a machine whose session was served before, with a limit of one error.

mod cells;

use super::*;
use cells::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Row {
    Launching,
    Ready,
    BackingOff,
    /// Backing off, because the breaker holds it back.
    Held,
    /// The same for a launch that no fault has made necessary: shown as launching.
    HeldAtFirst,
    Draining(Retire),
    Stopped,
    /// Shown as launching; nobody has asked for it yet.
    New,
}

use Retire::{Drain, Evict, Limit, Restart, Stop};
use Row::{BackingOff, Draining, Held, HeldAtFirst, Launching, New, Ready, Stopped};

const DELETE: Retire = Retire::Delete(EndCause::Delete);
const ROWS: [Row; 13] = [
    Launching,
    Ready,
    BackingOff,
    Held,
    HeldAtFirst,
    Draining(Drain),
    Draining(DELETE),
    Draining(Limit),
    Draining(Stop),
    Draining(Evict),
    Draining(Restart),
    Stopped,
    New,
];

/// What happens, and what it does in a row: the effects, and the row it leads to.
type Happens = fn(&mut World) -> Vec<Effect>;
type Column = (&'static str, Happens, fn(Row) -> (Vec<Effect>, Row));

const COLUMNS: [Column; 15] = [
    ("a request", request, on_request),
    ("a request after the cooldown", late_request, on_late_request),
    ("a fault", World::fault, on_fault),
    ("a fault that passes the limit", last_fault, |row| on_last_fault(row, false)),
    ("a fault that no restart can help", World::fatal, |row| on_last_fault(row, true)),
    ("record_error passes the limit", last_error, on_last_error),
    ("drain", |world| world.on(Event::Drain), on_drain),
    ("delete", |world| world.on(Event::Delete(EndCause::Delete)), on_delete),
    ("evict", |world| world.on(Event::Evict), on_evict),
    ("restart by hand", |world| world.on(Event::Restart { by_hand: true }), on_restart),
    ("changed by reload", |world| world.on(Event::Restart { by_hand: false }), on_reload),
    ("stopped by an operator", |world| world.on(Event::Stop), on_stop),
    ("started by an operator", |world| world.on(Event::Start), on_start),
    ("the client's credentials are refused", |world| world.on(Event::Unauthorized), on_unauthorized),
    ("gone", |world| world.on(Event::Gone), on_gone),
];

/// Somebody's request would hang, be refused without need, or start a server that nobody ends: whichever cell it is.
#[tokio::test(start_paused = true)]
async fn every_cell_does_what_the_table_says() {
    for (name, happens, expected) in COLUMNS {
        for row in ROWS {
            let mut world = world(row);
            let effects = happens(&mut world);
            assert_eq!((effects, row_of(&world)), expected(row), "{row:?} and {name}");
        }
    }
}

/// A key that starts anew after a stop would be stopped again by its first fault.
#[tokio::test(start_paused = true)]
async fn what_takes_a_stop_back_starts_with_a_clean_count() {
    let takes_back: [(Row, Happens); 6] = [
        (Stopped, late_request),
        (Stopped, |world| world.on(Event::Restart { by_hand: true })),
        (Stopped, |world| world.on(Event::Restart { by_hand: false })),
        (Stopped, |world| world.on(Event::Replace)),
        (Draining(Limit), |world| world.on(Event::Restart { by_hand: true })),
        (Draining(Limit), |world| world.on(Event::Replace)),
    ];
    for (row, happens) in takes_back {
        let mut world = world(row);
        happens(&mut world);
        world.on(Event::Gone);
        world.on(Event::Wanted);
        assert_eq!(world.machine.budget().errors(world.now, &POOL), 0, "{row:?}");
        world.on(Event::Ready);
        assert!(matches!(world.fault()[..], [Effect::Withdraw, Effect::BackOff(_)]), "{row:?}");
    }
}

/// What came while the connection was being closed would wait for nobody.
#[tokio::test(start_paused = true)]
async fn what_waits_for_the_end_of_an_eviction_launches_the_next() {
    for row in ROWS {
        let mut world = world(row);
        world.waiting = true;
        let expected = if row == Draining(Evict) { (vec![Effect::Launch], Launching) } else { on_gone(row) };
        assert_eq!((world.on(Event::Gone), row_of(&world)), expected, "{row:?}");
    }
}

const HELD: Duration = Duration::from_secs(7);

fn world(row: Row) -> World {
    let mut world = match row {
        BackingOff | Held => World::backing_off(),
        Stopped | New => World::stopped(),
        Launching | Ready | HeldAtFirst | Draining(_) => World::ready(),
    };
    let events = match row {
        Ready | BackingOff | Stopped => vec![],
        Launching => vec![Event::Renew],
        Held => vec![Event::BackoffOver, Event::Held(world.now + HELD)],
        HeldAtFirst => vec![Event::Renew, Event::Held(world.now + HELD)],
        New => vec![Event::Restart { by_hand: false }],
        Draining(Drain) => vec![Event::Drain],
        Draining(Retire::Delete(cause)) => vec![Event::Delete(cause)],
        Draining(Limit) => vec![Event::External, Event::External],
        Draining(Stop) => vec![Event::Stop],
        Draining(Evict) => vec![Event::Evict],
        Draining(Restart) => vec![Event::Restart { by_hand: true }],
    };
    events.into_iter().for_each(|event| drop(world.on(event)));
    assert_eq!(row_of(&world), row);
    world
}

fn row_of(world: &World) -> Row {
    match world.machine.state {
        State::New => New,
        State::Launching => Launching,
        State::Ready => Ready,
        State::BackingOff => BackingOff,
        State::Held { restart: true, .. } => Held,
        State::Held { restart: false, .. } => HeldAtFirst,
        State::Draining(cause) => Draining(cause),
        State::Stopped { .. } => Stopped,
    }
}

/// As the Supervisor does it.
fn request(world: &mut World) -> Vec<Effect> {
    match world.machine.admits(world.now) {
        Ok(()) => world.on(Event::Wanted),
        Err(refused) => vec![Effect::Refuse(refused)],
    }
}

fn late_request(world: &mut World) -> Vec<Effect> {
    world.now += POOL.cooldown;
    request(world)
}

/// The error before the last one is not what the cell is about.
fn spend(world: &mut World) {
    if world.machine.budget().errors(world.now, &POOL) < POOL.max_error_count {
        assert_eq!(world.on(Event::External), []);
    }
}

fn last_fault(world: &mut World) -> Vec<Effect> {
    spend(world);
    world.fault()
}

fn last_error(world: &mut World) -> Vec<Effect> {
    spend(world);
    world.on(Event::External)
}
