//! What the tree counts: a table, and handles that are made from it.
//!
//! [`CATALOGUE`] is the only place where names, labels with their closed sets, buckets and help stand; [`Counters`] and
//! [`Gauges`] have a series for each combination of label values in the table, from zero, and none else.

mod backend;
mod catalogue;
mod operation;
mod series;
mod sets;
mod spec;
mod tools;

pub(crate) use backend::{BackendMetrics, PhaseGauge, Standing, lost, retried};
pub use catalogue::requests::{OPERATION as OPERATION_BUCKETS, SESSION as SESSION_BUCKETS};
pub(crate) use catalogue::whole::{ACTORS, HANDLE_DURATION, MAILBOX_MESSAGES, MAILBOX_WAIT};
pub use catalogue::{CATALOGUE, spec};
pub(crate) use operation::Operation;
pub use series::{Counters, Gauges, histogram_of};
pub use sets::{
    ACTOR, ERROR_TYPE, ERROR_TYPES, KINDS, METHOD, METHODS, OTHER, TOOL, TRANSPORT, VERSION, code_label,
    method_label, version_label,
};
pub use spec::{BACKEND, Label, MetricKind, MetricSpec, Scope, Unit, Values};
pub(crate) use tools::ToolNames;

use crate::actor::ActorKind;
use catalogue::whole;

/// Creates what belongs to no backend at zero.
pub(crate) fn start_at_zero() {
    for spec in [&whole::SUPERVISOR_RESTARTS, &whole::ORPHANS_REAPED, &whole::GUARD_RESTARTS] {
        Counters::new(spec, None);
    }
    crate::actor::show();
}

/// An actor failed by a bug of ours, and another takes its place.
pub fn actor_failed(actor: ActorKind) {
    Counters::new(&whole::SUPERVISOR_RESTARTS, None).add(&[actor.as_str()], 1);
}

/// Processes that had outlived their parent were ended.
pub(crate) fn orphans_reaped(count: usize) {
    Counters::new(&whole::ORPHANS_REAPED, None).add(&[], count as u64);
}

/// A guard was started again.
pub(crate) fn guard_restarted(times: u64) {
    Counters::new(&whole::GUARD_RESTARTS, None).add(&[], times);
}
