//! Counts what the tree reports, in this thread and for one storm.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// By name and labels, as `name{key="value"}`.
#[derive(Default)]
pub(crate) struct Counts {
    counters: RefCell<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: RefCell<BTreeMap<String, Arc<AtomicU64>>>,
}

impl Counts {
    /// The sum of a counter over all label values for which this holds.
    pub(crate) fn sum(&self, name: &str, of: impl Fn(&str) -> bool) -> u64 {
        let counters = self.counters.borrow();
        let chosen = counters.iter().filter(|(key, _)| key.split('{').next() == Some(name) && of(key));
        chosen.map(|(_, value)| value.load(Relaxed)).sum()
    }

    pub(crate) fn gauge(&self, name: &str, of: impl Fn(&str) -> bool) -> f64 {
        let gauges = self.gauges.borrow();
        let chosen = gauges.iter().filter(|(key, _)| key.split('{').next() == Some(name) && of(key));
        chosen.map(|(_, value)| f64::from_bits(value.load(Relaxed))).sum()
    }
}

fn one(of: &RefCell<BTreeMap<String, Arc<AtomicU64>>>, key: &Key) -> Arc<AtomicU64> {
    let labels: Vec<_> = key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
    of.borrow_mut().entry(format!("{}{{{}}}", key.name(), labels.join(","))).or_default().clone()
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(one(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(one(&self.gauges, key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
