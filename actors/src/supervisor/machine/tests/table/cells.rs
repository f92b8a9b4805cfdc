//! What stands in the cells: what is done, and where the key is then.

use super::*;

/// The second stop in a row lasts twice as long; the row `New` has one behind it.
fn stopped(row: Row, fatal: bool) -> Refused {
    let retry_after = if row == New { POOL.cooldown * 2 } else { POOL.cooldown };
    Refused::Stopped { fatal, retry_after }
}

pub(super) fn on_request(row: Row) -> (Vec<Effect>, Row) {
    let refused = match row {
        Launching | Ready | BackingOff | Draining(Evict | Restart) => return (vec![], row),
        New => return (vec![Effect::Launch], Launching),
        Held | HeldAtFirst => Refused::Breaker { retry_after: HELD },
        Draining(Drain) => Refused::Drain,
        Draining(Retire::Delete(cause)) => Refused::Ended(cause),
        Draining(Stop) => Refused::Operator,
        Draining(Limit) | Stopped => stopped(row, false),
    };
    (vec![Effect::Refuse(refused)], row)
}

pub(super) fn on_late_request(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Stopped => (vec![Effect::Launch], Launching),
        // Only a ticket lets it go on.
        Held | HeldAtFirst => (vec![Effect::Refuse(Refused::Breaker { retry_after: Duration::ZERO })], row),
        Launching | Ready | BackingOff | Draining(_) | New => on_request(row),
    }
}

pub(super) fn on_fault(row: Row) -> (Vec<Effect>, Row) {
    let first = match row {
        Launching => Effect::Refuse(Refused::Launch),
        Ready | New => Effect::Withdraw,
        BackingOff | Held | HeldAtFirst | Draining(_) | Stopped => return (vec![], row),
    };
    (vec![first, Effect::BackOff(Instant::now())], BackingOff)
}

pub(super) fn on_last_fault(row: Row, fatal: bool) -> (Vec<Effect>, Row) {
    let first = match row {
        Launching => Effect::Refuse(Refused::Launch),
        Ready | New => Effect::Withdraw,
        BackingOff | Held | HeldAtFirst | Draining(_) | Stopped => return (vec![], row),
    };
    (vec![first, Effect::Refuse(stopped(row, fatal)), Effect::Stopped { fatal }], Stopped)
}

pub(super) fn on_last_error(row: Row) -> (Vec<Effect>, Row) {
    let refuse = Effect::Refuse(stopped(row, false));
    let stop = Effect::Stopped { fatal: false };
    match row {
        Launching | Held | HeldAtFirst => (vec![Effect::Abandon, refuse, stop], Stopped),
        BackingOff | New => (vec![refuse, stop], Stopped),
        Ready => (vec![Effect::Withdraw, refuse, Effect::Retire(Limit)], Draining(Limit)),
        Draining(_) | Stopped => (vec![], row),
    }
}

/// Drain, delete, an operator's stop.
fn ending(row: Row, cause: Retire, refused: Refused) -> (Vec<Effect>, Row) {
    let refuse = Effect::Refuse(refused);
    let effects = match row {
        Ready => vec![Effect::Withdraw, refuse, Effect::Retire(cause)],
        Draining(_) => vec![refuse, Effect::Retire(cause)],
        Launching | BackingOff | Held | HeldAtFirst | Stopped | New => vec![refuse, Effect::Abandon],
    };
    (effects, Draining(cause))
}

pub(super) fn on_drain(row: Row) -> (Vec<Effect>, Row) {
    match row {
        // It is over already; only its time gets shorter.
        Draining(Retire::Delete(_)) => (vec![Effect::Retire(DELETE)], row),
        Launching | Ready | BackingOff | Held | HeldAtFirst | Stopped | New => {
            ending(row, Drain, Refused::Drain)
        }
        Draining(Drain | Limit | Stop | Evict | Restart) => ending(row, Drain, Refused::Drain),
    }
}

pub(super) fn on_delete(row: Row) -> (Vec<Effect>, Row) {
    ending(row, DELETE, Refused::Ended(EndCause::Delete))
}

pub(super) fn on_stop(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Draining(Retire::Delete(_)) => (vec![Effect::Retire(DELETE)], row),
        Draining(Drain) => (vec![], row),
        Launching | Ready | BackingOff | Held | HeldAtFirst | Stopped | New => {
            ending(row, Stop, Refused::Operator)
        }
        Draining(Limit | Stop | Evict | Restart) => ending(row, Stop, Refused::Operator),
    }
}

/// The next request launches; what is on its way out because of the stop comes back by itself.
pub(super) fn on_start(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Draining(Stop) => (vec![Effect::Retire(Restart)], Draining(Restart)),
        Launching | Ready | BackingOff | Held | HeldAtFirst | Stopped | New => (vec![], row),
        Draining(Drain | Retire::Delete(_) | Limit | Evict | Restart) => (vec![], row),
    }
}

pub(super) fn on_evict(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Launching | Draining(_) => (vec![], row),
        Ready => (vec![Effect::Withdraw, Effect::Retire(Evict)], Draining(Evict)),
        BackingOff | Held | HeldAtFirst | Stopped | New => (vec![Effect::Abandon], Draining(Evict)),
    }
}

pub(super) fn on_restart(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Launching | Held | HeldAtFirst => (vec![Effect::Abandon, Effect::Launch], Launching),
        Ready => (vec![Effect::Withdraw, Effect::Retire(Restart)], Draining(Restart)),
        BackingOff | Stopped => (vec![Effect::Launch], Launching),
        // Said again: a connection may just be refusing to be evicted.
        Draining(Limit | Stop | Evict) => (vec![Effect::Retire(Restart)], Draining(Restart)),
        Draining(Drain | Retire::Delete(_) | Restart) | New => (vec![], row),
    }
}

pub(super) fn on_reload(row: Row) -> (Vec<Effect>, Row) {
    match row {
        // Forgotten, and launched by the next request.
        Stopped => (vec![], New),
        Draining(Drain | Retire::Delete(_) | Limit | Stop | Restart) => (vec![], row),
        Draining(Evict) | Launching | Ready | BackingOff | Held | HeldAtFirst | New => on_restart(row),
    }
}

/// What waits is told, and the next request launches.
pub(super) fn on_unauthorized(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Launching => (vec![Effect::Refuse(Refused::Unauthorized)], Draining(Evict)),
        Ready | BackingOff | Held | HeldAtFirst | Draining(_) | Stopped | New => (vec![], row),
    }
}

pub(super) fn on_gone(row: Row) -> (Vec<Effect>, Row) {
    match row {
        Draining(Drain | Retire::Delete(_) | Stop | Evict) => (vec![Effect::End], row),
        Draining(Restart) => (vec![Effect::Launch], Launching),
        Draining(Limit) => {
            let refuse = Effect::Refuse(stopped(row, false));
            (vec![refuse, Effect::Stopped { fatal: false }], Stopped)
        }
        // The next launch waits by itself.
        Launching | Ready | BackingOff | Held | HeldAtFirst | Stopped | New => (vec![], row),
    }
}
