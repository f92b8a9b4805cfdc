//! What belongs to no backend: the actors, and what they end.

use crate::metrics::sets::ACTOR;
use crate::metrics::spec::{MetricSpec, Unit};

/// Seconds of a message: from a microsecond, which is usual, to what nobody should ever see.
const MESSAGE: &[f64] = &[0.00001, 0.0001, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0];

pub(crate) const ALL: &[&MetricSpec] = &[
    &SUPERVISOR_RESTARTS,
    &ORPHANS_REAPED,
    &GUARD_RESTARTS,
    &ACTORS,
    &MAILBOX_MESSAGES,
    &MAILBOX_WAIT,
    &HANDLE_DURATION,
    &SAMPLE_AGE,
];

pub(crate) static SUPERVISOR_RESTARTS: MetricSpec = MetricSpec::counter(
    "mcpvisor_supervisor_restarts_total",
    "Actors that failed by a bug and were replaced, by actor",
)
.by(&[ACTOR]);
pub(crate) static ORPHANS_REAPED: MetricSpec = MetricSpec::counter(
    "mcpvisor_orphans_reaped_total",
    "Processes that outlived their parent, or an earlier start of the service, and were ended",
);
pub(crate) static GUARD_RESTARTS: MetricSpec = MetricSpec::counter(
    "mcpvisor_guard_restarts_total",
    "Guard processes that died, or could not be started, and were started again",
);
pub(crate) static ACTORS: MetricSpec = MetricSpec::gauge("mcpvisor_actors", "Actors that live").by(&[ACTOR]);
pub(crate) static MAILBOX_MESSAGES: MetricSpec = MetricSpec::gauge(
    "mcpvisor_mailbox_messages",
    "Messages in the mailboxes of all actors of a kind, with the one that is being handled",
)
.by(&[ACTOR]);
pub(crate) static MAILBOX_WAIT: MetricSpec = MetricSpec::histogram(
    "mcpvisor_mailbox_wait_seconds",
    MESSAGE,
    "How long messages waited in a mailbox; of connections and sessions one in 16 is measured",
)
.by(&[ACTOR]);
pub(crate) static HANDLE_DURATION: MetricSpec = MetricSpec::histogram(
    "mcpvisor_actor_handle_duration_seconds",
    MESSAGE,
    "How long an actor took for a message; of connections and sessions one in 16 is measured",
)
.by(&[ACTOR]);
pub(crate) static SAMPLE_AGE: MetricSpec = MetricSpec::gauge(
    "mcpvisor_backend_sample_age_seconds",
    "How long ago processes, memory, CPU time and file descriptors of the backends were looked at",
)
.in_unit(Unit::Seconds);
