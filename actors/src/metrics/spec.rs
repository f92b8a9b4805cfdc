//! What a metric is: one entry of the table.

/// What kind of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Seconds, in buckets.
    Histogram,
}

/// What is counted or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: requests, connections, events.
    Count,
    /// Seconds.
    Seconds,
    /// Seconds since 1970; 0 = never, or none.
    Timestamp,
    /// Bytes.
    Bytes,
    /// 1 = yes, 0 = no.
    Flag,
}

/// Which series there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every combination of label values, from the start of the service.
    Service,
    /// Every combination of label values for each configured backend, from the moment it is configured until it is
    /// removed.
    Backend,
    /// One for each combination of label values that has been seen.
    Seen,
}

/// One label and where its values come from: never from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// Where the values of a label come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// The names of the configured backends.
    Backends,
    /// These.
    Closed(&'static [&'static str]),
    /// A set that is bounded, but not by us; says how.
    Bounded(&'static str),
    /// The names of the backend's own tools, as it lists them, at most 200, and `_OTHER`. The label is there only with
    /// `telemetry.tool_labels`, and only for calls of tools.
    Tools,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricSpec {
    /// The complete name, with its unit and `_total`.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// Of its values.
    pub unit: Unit,
    /// In the order in which they are shown.
    pub labels: &'static [Label],
    /// Which series there are.
    pub scope: Scope,
    /// The upper bounds of a histogram's buckets, in seconds; empty for the others.
    pub buckets: &'static [f64],
    /// For people: one sentence without a full stop.
    pub help: &'static str,
}

/// The label of everything that belongs to one backend.
pub const BACKEND: Label = Label { name: "backend", values: Values::Backends };

impl Label {
    /// One whose values are these.
    pub const fn of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Values::Closed(values) }
    }

    /// How many values of it one backend, or the service, can have.
    fn count(&self) -> usize {
        match self.values {
            Values::Closed(values) => values.len(),
            Values::Backends | Values::Bounded(_) | Values::Tools => 1,
        }
    }
}

impl MetricSpec {
    /// A counter of the whole service, without labels.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        let (kind, unit, scope) = (MetricKind::Counter, Unit::Count, Scope::Service);
        Self { name, kind, unit, labels: &[], scope, buckets: &[], help }
    }

    /// A gauge of the whole service, without labels.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { kind: MetricKind::Gauge, ..Self::counter(name, help) }
    }

    /// A histogram of seconds of the whole service, without labels.
    pub const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Self {
        Self { kind: MetricKind::Histogram, unit: Unit::Seconds, buckets, ..Self::counter(name, help) }
    }

    /// The same in another unit.
    pub const fn in_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The same for each backend, besides by these.
    pub const fn per_backend(self, labels: &'static [Label]) -> Self {
        Self { labels, scope: Scope::Backend, ..self }
    }

    /// The same by these.
    pub const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    /// The same, with series only for what has been seen.
    pub const fn as_seen(self) -> Self {
        Self { scope: Scope::Seen, ..self }
    }

    /// How many lines of `/metrics` one backend takes, or the service; for what is counted as seen, one combination of label
    /// values.
    pub fn series(&self) -> usize {
        let lines = match self.kind {
            // Each bucket, the one without a bound, the sum and the count.
            MetricKind::Histogram => self.buckets.len() + 3,
            MetricKind::Counter | MetricKind::Gauge => 1,
        };
        match self.scope {
            Scope::Seen => lines,
            Scope::Service | Scope::Backend => {
                lines * self.labels.iter().map(Label::count).product::<usize>()
            }
        }
    }

    /// Every combination of the values of its closed labels, in their order.
    pub fn combinations(&self) -> Vec<Vec<(&'static str, &'static str)>> {
        let mut all = vec![Vec::new()];
        for label in self.labels {
            let Values::Closed(values) = label.values else { continue };
            let with = |chosen: &Vec<_>| {
                let chosen = chosen.clone();
                values.iter().map(move |value| [&chosen[..], &[(label.name, *value)]].concat())
            };
            all = all.iter().flat_map(with).collect();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: MetricSpec = MetricSpec::counter("x_total", "x").per_backend(&[
        BACKEND,
        Label::of("a", &["1", "2"]),
        Label::of("b", &["3"]),
    ]);

    #[test]
    fn every_combination_is_known_beforehand() {
        assert_eq!(TWO.combinations(), [[("a", "1"), ("b", "3")], [("a", "2"), ("b", "3")]]);
        assert_eq!(TWO.series(), 2);
        assert_eq!(MetricSpec::gauge("x", "x").combinations(), [[]]);
    }

    #[test]
    fn a_histogram_takes_a_line_for_each_bucket_and_three() {
        assert_eq!(MetricSpec::histogram("x_seconds", &[1.0, 2.0], "x").series(), 5);
    }
}
