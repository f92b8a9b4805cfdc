//! Every metric there is, in one table: what the tree counts (`mcpvisor_actors::metrics`), and here what the front
//! counts and what is only known of the whole process.
//!
//! `docs/metrics.md` and `docs/metrics.json` are written from it ([`text`]); tests compare both, and what `/metrics`
//! really says, with it.

mod front;
mod process;
pub mod text;

use mcpvisor_actors::metrics::{CATALOGUE as TREE, MetricSpec};

pub(crate) use front::{
    AUTH_FAILURES, HTTP_RESPONSES, LIMITS_REACHED, REQUEST_ERRORS, SERVER_OPERATION, SERVER_SESSION,
    SESSIONS, STREAM_OVERFLOWS, STREAMS_OPEN,
};
pub(crate) use process::{
    BUILD_INFO, CONFIG_RELOADS, CONNECTIONS_LIMIT, CPU, ERRORS_LIMIT, LAST_RELOAD_SUCCESSFUL,
    LAST_RELOAD_TIME, LOG_LINES_DROPPED, MAX_FDS, OPEN_FDS, RESIDENT, RUNTIME_BUSY, RUNTIME_QUEUED,
    RUNTIME_TASKS, RUNTIME_WORKERS, START_TIME, THREADS, VIRTUAL,
};

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static MetricSpec> {
    TREE.iter().copied().chain([front::ALL, process::ALL]).flat_map(|table| table.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use mcpvisor_actors::metrics::{MetricKind, Scope, Unit, Values};

    use super::*;

    /// Series of one backend, and those of one combination of operation labels, in both histograms of operations.
    const PER_BACKEND: usize = 150;
    const PER_OPERATION: usize = 42;

    #[test]
    fn every_metric_is_named_once_by_the_rules_and_explained() {
        let mut seen = HashSet::new();
        for spec in all() {
            let name = spec.name;
            assert!(seen.insert(name), "{name} stands twice");
            assert!(!spec.help.is_empty() && !spec.help.ends_with('.'), "{name}");
            assert_eq!(spec.kind == MetricKind::Counter, name.ends_with("_total"), "{name}");
            let bare = name.trim_end_matches("_total");
            assert_eq!(spec.unit == Unit::Bytes, bare.ends_with("_bytes"), "{name}");
            assert_eq!(
                matches!(spec.unit, Unit::Seconds | Unit::Timestamp),
                bare.ends_with("_seconds"),
                "{name}"
            );
            assert_eq!(
                spec.unit == Unit::Timestamp,
                name.contains("timestamp") || name.contains("start_time"),
                "{name}"
            );
            assert_eq!(spec.kind == MetricKind::Histogram, !spec.buckets.is_empty(), "{name}");
        }
    }

    /// Whoever could make label values could fill the memory of Prometheus.
    #[test]
    fn label_values_come_from_the_configuration_or_from_closed_sets() {
        for spec in all() {
            let of_backends = spec.labels.iter().any(|label| label.values == Values::Backends);
            assert!(!of_backends || spec.scope != Scope::Service, "{}", spec.name);
            assert!(spec.scope != Scope::Backend || of_backends, "{}", spec.name);
            for label in spec.labels {
                match label.values {
                    Values::Closed(values) => {
                        let distinct: HashSet<_> = values.iter().collect();
                        assert_eq!(distinct.len(), values.len(), "{} {}", spec.name, label.name);
                    }
                    Values::Backends => assert_eq!(label.name, "backend"),
                    Values::Tools => assert!(spec.name.contains("operation"), "{}", spec.name),
                    Values::Bounded(_) => assert!(["code", "version"].contains(&label.name), "{}", spec.name),
                }
            }
        }
    }

    #[test]
    fn buckets_rise_and_only_operations_have_more_than_eight() {
        for spec in all().filter(|spec| spec.kind == MetricKind::Histogram) {
            assert!(spec.buckets.is_sorted(), "{}", spec.name);
            assert!(spec.buckets.len() <= 8 || spec.name.contains("operation"), "{}", spec.name);
            let global = spec.labels.iter().any(|label| label.name == "actor");
            let carries = spec.labels.len() == 1 || spec.name.contains("operation");
            assert!(global || carries, "{} carries more than the backend", spec.name);
        }
    }

    /// The promise to whoever pays for the storage.
    #[test]
    fn a_backend_stays_within_its_budget_of_series() {
        let sum = |scope| all().filter(|spec| spec.scope == scope).map(MetricSpec::series).sum::<usize>();
        assert!(sum(Scope::Backend) <= PER_BACKEND, "{} series for each backend", sum(Scope::Backend));
        let operations = all().filter(|spec| spec.name.contains("operation_duration"));
        assert_eq!(operations.map(MetricSpec::series).sum::<usize>(), PER_OPERATION);
    }
}
