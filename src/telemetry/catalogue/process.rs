//! What is known of the whole process, and what only the configuration knows.

use mcpvisor_actors::metrics::{BACKEND, Label, MetricSpec, Unit, Values};

const VERSION: Label = Label { name: "version", values: Values::Bounded("one for each build") };
const RELOAD: Label = Label::of("result", &["ok", "failed", "unchanged"]);

pub(super) const ALL: &[&MetricSpec] = &[
    &BUILD_INFO,
    &CONNECTIONS_LIMIT,
    &ERRORS_LIMIT,
    &LAST_RELOAD_SUCCESSFUL,
    &LAST_RELOAD_TIME,
    &CONFIG_RELOADS,
    &LOG_LINES_DROPPED,
    &RUNTIME_WORKERS,
    &RUNTIME_TASKS,
    &RUNTIME_QUEUED,
    &RUNTIME_BUSY,
    &CPU,
    &RESIDENT,
    &VIRTUAL,
    &START_TIME,
    &THREADS,
    &OPEN_FDS,
    &MAX_FDS,
];

pub(crate) static BUILD_INFO: MetricSpec =
    MetricSpec::gauge("mcpvisor_build_info", "Always 1; the label says which build runs")
        .in_unit(Unit::Flag)
        .by(&[VERSION]);
pub(crate) static CONNECTIONS_LIMIT: MetricSpec =
    MetricSpec::gauge("mcpvisor_connections_limit", "limits.max_connections");
pub(crate) static ERRORS_LIMIT: MetricSpec =
    MetricSpec::gauge("mcpvisor_errors_limit", "pool.max_error_count of the backend").per_backend(&[BACKEND]);
pub(crate) static LAST_RELOAD_SUCCESSFUL: MetricSpec = MetricSpec::gauge(
    "mcpvisor_config_last_reload_successful",
    "1 unless the configuration was refused when it was last read",
)
.in_unit(Unit::Flag);
pub(crate) static LAST_RELOAD_TIME: MetricSpec = MetricSpec::gauge(
    "mcpvisor_config_last_reload_success_timestamp_seconds",
    "When the configuration was last read without a problem, in seconds since 1970",
)
.in_unit(Unit::Timestamp);
pub(crate) static CONFIG_RELOADS: MetricSpec = MetricSpec::counter(
    "mcpvisor_config_reloads_total",
    "Reloads by result: put into effect (ok), refused (failed), the same as before (unchanged)",
)
.by(&[RELOAD]);
pub(crate) static LOG_LINES_DROPPED: MetricSpec = MetricSpec::counter(
    "mcpvisor_log_lines_dropped_total",
    "Log lines that were dropped because nobody read standard error",
);
pub(crate) static RUNTIME_WORKERS: MetricSpec =
    MetricSpec::gauge("mcpvisor_runtime_workers", "Worker threads of the runtime");
pub(crate) static RUNTIME_TASKS: MetricSpec =
    MetricSpec::gauge("mcpvisor_runtime_tasks", "Tasks that live in the runtime");
pub(crate) static RUNTIME_QUEUED: MetricSpec = MetricSpec::gauge(
    "mcpvisor_runtime_queued_tasks",
    "Tasks in the global queue of the runtime: they wait for a worker",
);
pub(crate) static RUNTIME_BUSY: MetricSpec = MetricSpec::counter(
    "mcpvisor_runtime_busy_seconds_total",
    "How long the workers of the runtime were at work, together",
)
.in_unit(Unit::Seconds);
pub(crate) static CPU: MetricSpec =
    MetricSpec::counter("process_cpu_seconds_total", "CPU time of mcpvisor itself").in_unit(Unit::Seconds);
pub(crate) static RESIDENT: MetricSpec =
    MetricSpec::gauge("process_resident_memory_bytes", "Resident memory of mcpvisor itself")
        .in_unit(Unit::Bytes);
pub(crate) static VIRTUAL: MetricSpec =
    MetricSpec::gauge("process_virtual_memory_bytes", "Virtual memory of mcpvisor itself")
        .in_unit(Unit::Bytes);
pub(crate) static START_TIME: MetricSpec =
    MetricSpec::gauge("process_start_time_seconds", "When mcpvisor was started, in seconds since 1970")
        .in_unit(Unit::Timestamp);
pub(crate) static THREADS: MetricSpec = MetricSpec::gauge("process_threads", "Threads of mcpvisor itself");
pub(crate) static OPEN_FDS: MetricSpec =
    MetricSpec::gauge("process_open_fds", "Open file descriptors of mcpvisor itself");
pub(crate) static MAX_FDS: MetricSpec =
    MetricSpec::gauge("process_max_fds", "How many file descriptors may be open");
