//! The table as people and as programs read it.

use std::fmt::Write;

use mcpvisor_actors::metrics::{MetricKind, MetricSpec, Scope, Unit, Values};
use serde_json::{Value, json};

use super::all;

/// What stands above the tables.
const HEAD: &str = "\
# Metrics

Written by a test from the table in the code (`MCPVISOR_BLESS=1 cargo test --test metrics documents`); do not edit. The same for
programs: [metrics.json](metrics.json).

`GET /metrics` on the admin listener, in Prometheus' text format. Label values come from the configuration and from the sets
below, never from a client. What belongs to a backend is there from zero as soon as it is configured, and gone once it is
removed. Histograms have, besides their buckets, a `_sum` and a `_count`.

";

/// `docs/metrics.md`
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let sections = [
        (Scope::Backend, "For each backend", "Every combination of label values, from the start."),
        (Scope::Seen, "As seen", "Only the combinations of label values that have occurred."),
        (Scope::Service, "For the service", "Every combination of label values, from the start."),
    ];
    for (scope, title, what) in sections {
        let of_scope: Vec<_> = all().filter(|spec| spec.scope == scope).collect();
        let _ = write!(text, "## {title}\n\n{what}");
        if scope == Scope::Backend {
            let lines: usize = of_scope.iter().map(|spec| spec.series()).sum();
            let _ = write!(text, " {lines} series for each backend.");
        }
        text.push_str(
            "\n\n| name | type | unit | labels besides `backend` | what |\n|---|---|---|---|---|\n",
        );
        of_scope.into_iter().for_each(|spec| row(&mut text, spec));
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn row(text: &mut String, spec: &MetricSpec) {
    let labels: Vec<String> = spec
        .labels
        .iter()
        .filter_map(|label| {
            Some(match label.values {
                Values::Backends => return None,
                Values::Closed(values) => {
                    let values: Vec<_> =
                        values.iter().map(|value| if value.is_empty() { "(empty)" } else { value }).collect();
                    format!("`{}`: {}", label.name, values.join(", "))
                }
                Values::Bounded(what) => format!("`{}`: {what}", label.name),
                Values::Tools => {
                    format!("`{}`, for calls with `telemetry.tool_labels`: as the backend lists them, at most 200, and _OTHER", label.name)
                }
            })
        })
        .collect();
    let buckets: Vec<String> = spec.buckets.iter().map(f64::to_string).collect();
    let buckets = if buckets.is_empty() { String::new() } else { format!("; buckets {}", buckets.join(" ")) };
    let (name, kind, unit, help) = (spec.name, kind(spec.kind), unit(spec.unit), spec.help);
    let _ = writeln!(text, "| `{name}` | {kind} | {unit} | {} | {help}{buckets} |", labels.join("; "));
}

/// `docs/metrics.json`: a list of metrics. `values` of a label: its closed set; absent where the set is the backends' names or
/// another that is not known beforehand. `optional`: only some series have the label.
pub fn json() -> String {
    let metrics: Vec<Value> = all().map(one).collect();
    let text = serde_json::to_string_pretty(&json!({ "metrics": metrics }));
    text.unwrap_or_default() + "\n"
}

fn one(spec: &MetricSpec) -> Value {
    let labels = spec.labels.iter().map(|label| match label.values {
        Values::Closed(values) => json!({ "name": label.name, "values": values }),
        Values::Backends | Values::Bounded(_) => json!({ "name": label.name }),
        Values::Tools => json!({ "name": label.name, "optional": true }),
    });
    let scope = match spec.scope {
        Scope::Service => "service",
        Scope::Backend => "backend",
        Scope::Seen => "seen",
    };
    json!({
        "name": spec.name,
        "type": kind(spec.kind),
        "unit": unit(spec.unit),
        "scope": scope,
        "labels": labels.collect::<Vec<_>>(),
        "buckets": spec.buckets,
        "help": spec.help,
    })
}

/// As Prometheus calls it.
pub(crate) fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Seconds => "seconds",
        Unit::Timestamp => "timestamp",
        Unit::Bytes => "bytes",
        Unit::Flag => "flag",
    }
}
