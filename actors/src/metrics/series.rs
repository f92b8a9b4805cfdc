//! Handles of a metric's series, made from the table: a label value that is not in it has no series.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Label, SharedString, counter, gauge, histogram};

use super::spec::MetricSpec;

/// The counters of one metric (of one backend), by the values of its closed labels. All of them are there from zero: a
/// counter that is born at one never shows an increase.
pub struct Counters(Vec<(Box<[&'static str]>, Counter)>);

/// The gauges of one metric (of one backend), by the values of its closed labels.
pub struct Gauges(Vec<(Box<[&'static str]>, Gauge)>);

impl Counters {
    /// Registers them all.
    pub fn new(spec: &MetricSpec, backend: Option<&Arc<str>>) -> Self {
        let counter = |labels| {
            let counter = counter!(spec.name, labels);
            counter.increment(0);
            counter
        };
        Self(every(spec, backend, counter))
    }

    /// Counts; `values`: those of the closed labels, in their order.
    pub fn add(&self, values: &[&str], by: u64) {
        match find(&self.0, values) {
            Some(counter) => counter.increment(by),
            None => debug_assert!(false, "{values:?} is not in the table"),
        }
    }

    /// The only one, or that with these values.
    pub fn get(&self, values: &[&str]) -> Counter {
        find(&self.0, values).cloned().unwrap_or_else(Counter::noop)
    }
}

impl Gauges {
    /// Registers them all; what has a value keeps it.
    pub fn new(spec: &MetricSpec, backend: Option<&Arc<str>>) -> Self {
        let gauge = |labels| {
            let gauge = gauge!(spec.name, labels);
            gauge.increment(0.0);
            gauge
        };
        Self(every(spec, backend, gauge))
    }

    /// Sets one; `values`: those of the closed labels, in their order.
    pub fn set(&self, values: &[&str], to: f64) {
        match find(&self.0, values) {
            Some(gauge) => gauge.set(to),
            None => debug_assert!(false, "{values:?} is not in the table"),
        }
    }

    /// The only one, or that with these values.
    pub fn get(&self, values: &[&str]) -> Gauge {
        find(&self.0, values).cloned().unwrap_or_else(Gauge::noop)
    }
}

/// The histogram of one metric (of one backend) that has no other labels.
pub fn histogram_of(spec: &MetricSpec, backend: Option<&Arc<str>>) -> Histogram {
    histogram!(spec.name, labels(backend, &[]))
}

fn every<H>(
    spec: &MetricSpec,
    backend: Option<&Arc<str>>,
    handle: impl Fn(Vec<Label>) -> H,
) -> Vec<(Box<[&'static str]>, H)> {
    let one = |closed: Vec<(&'static str, &'static str)>| {
        let values = closed.iter().map(|(_, value)| *value).collect();
        (values, handle(labels(backend, &closed)))
    };
    spec.combinations().into_iter().map(one).collect()
}

fn labels(backend: Option<&Arc<str>>, closed: &[(&'static str, &'static str)]) -> Vec<Label> {
    let backend = backend.map(|name| Label::new("backend", SharedString::from(name.clone())));
    let closed = closed.iter().map(|(name, value)| Label::from_static_parts(name, value));
    backend.into_iter().chain(closed).collect()
}

fn find<'a, H>(series: &'a [(Box<[&'static str]>, H)], values: &[&str]) -> Option<&'a H> {
    series.iter().find(|(known, _)| **known == *values).map(|(_, handle)| handle)
}
