//! The page that Prometheus reads: what the recorder holds, and what it cannot hold.
//!
//! The exporter's counters are whole numbers and seconds of CPU time are not, and it cannot forget a backend: so families of
//! this module are written here, and those of removed backends left out.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use mcpvisor_actors::metrics::{MetricSpec, spec};
use mcpvisor_actors::{BackendUsage, ChildrenUsage};
use tokio::runtime::RuntimeMetrics;

use super::catalogue::text::kind;
use super::catalogue::{
    CPU, MAX_FDS, OPEN_FDS, RESIDENT, RUNTIME_BUSY, RUNTIME_QUEUED, RUNTIME_TASKS, RUNTIME_WORKERS,
    START_TIME, THREADS, VIRTUAL,
};
use super::own_process::OwnProcess;
use super::recorder::Metrics;

/// All of it. `own`: `None` where there is no `/proc`.
pub(crate) fn page(
    metrics: &Metrics,
    children: &ChildrenUsage,
    runtime: &RuntimeMetrics,
    own: Option<&OwnProcess>,
) -> String {
    let backends = metrics.backends();
    let mut text = of_these(&metrics.render(), &backends, &metrics.sets());
    append_children(&mut text, children, &backends);
    append_runtime(&mut text, runtime);
    if let Some(own) = own {
        append_process(&mut text, own);
    }
    text
}

/// Without the series of other backends, and of other sets of them.
fn of_these(text: &str, backends: &BTreeSet<Arc<str>>, sets: &BTreeSet<Arc<str>>) -> String {
    let mut kept = String::with_capacity(text.len() + 4096);
    for line in text.lines() {
        // No value of a label has a quotation mark in it.
        let name = line.split_once("backend=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0));
        if line.starts_with('#') || name.is_none_or(|name| backends.contains(name) || sets.contains(name)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn append_children(text: &mut String, children: &ChildrenUsage, backends: &BTreeSet<Arc<str>>) {
    let usage = |name: &Arc<str>| children.backends.get(name).copied().unwrap_or_default();
    let mut family = |name: &str, value: fn(&BackendUsage) -> f64| {
        let Some(spec) = spec(name) else { return };
        head(text, spec);
        for backend in backends {
            let _ = writeln!(text, "{name}{{backend=\"{backend}\"}} {}", value(&usage(backend)));
        }
    };
    family("mcpvisor_backend_processes", |usage| usage.processes as f64);
    family("mcpvisor_backend_memory_bytes", |usage| usage.memory as f64);
    family("mcpvisor_backend_cpu_seconds_total", |usage| usage.cpu_seconds);
    family("mcpvisor_backend_open_fds", |usage| usage.open_fds as f64);
    if let Some(age) = spec("mcpvisor_backend_sample_age_seconds") {
        single(text, age, children.age().as_secs_f64());
    }
}

fn append_runtime(text: &mut String, runtime: &RuntimeMetrics) {
    let workers = runtime.num_workers();
    let busy = (0..workers).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    single(text, &RUNTIME_WORKERS, workers as f64);
    single(text, &RUNTIME_TASKS, runtime.num_alive_tasks() as f64);
    single(text, &RUNTIME_QUEUED, runtime.global_queue_depth() as f64);
    single(text, &RUNTIME_BUSY, busy.sum());
}

fn append_process(text: &mut String, process: &OwnProcess) {
    single(text, &CPU, process.cpu_seconds);
    single(text, &RESIDENT, process.resident as f64);
    single(text, &VIRTUAL, process.virtual_size as f64);
    single(text, &START_TIME, process.start_time);
    single(text, &THREADS, process.threads as f64);
    single(text, &OPEN_FDS, process.open_fds as f64);
    if let Some(max_fds) = process.max_fds {
        single(text, &MAX_FDS, max_fds as f64);
    }
}

fn single(text: &mut String, spec: &MetricSpec, value: f64) {
    head(text, spec);
    let _ = writeln!(text, "{} {value}", spec.name);
}

fn head(text: &mut String, spec: &MetricSpec) {
    let _ = write!(text, "# HELP {0} {1}\n# TYPE {0} {2}\n", spec.name, spec.help, kind(spec.kind));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::own_process::own_process;

    /// A backend that was removed would be alerted on for ever.
    #[test]
    fn a_backend_that_is_not_configured_is_not_shown() {
        let text = "# TYPE a gauge\na{backend=\"one\"} 1\na{backend=\"two\",phase=\"ready\"} 2\nb 3\n";
        let kept = of_these(text, &BTreeSet::from(["two".into()]), &BTreeSet::new());
        assert_eq!(kept, "# TYPE a gauge\na{backend=\"two\",phase=\"ready\"} 2\nb 3\n");
    }

    #[test]
    fn prometheus_sees_how_mcpvisor_itself_is_doing() {
        let process = own_process().unwrap();
        assert!(process.open_fds > 2 && process.resident > 1_000_000 && process.threads >= 1);
        assert!(process.start_time > 1.6e9);
        let mut text = String::new();
        append_process(&mut text, &process);
        assert!(
            text.contains("\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes "),
            "{text}"
        );
    }
}
