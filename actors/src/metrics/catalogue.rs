//! Every metric of the tree: the one place where names, labels, buckets and help stand.

pub(crate) mod requests;
pub(crate) mod supervision;
pub(crate) mod whole;

use super::spec::MetricSpec;

/// The tables of the tree: supervision, requests, and what belongs to no backend.
pub const CATALOGUE: &[&[&MetricSpec]] = &[supervision::ALL, requests::ALL, whole::ALL];

/// The metric of that name, if it is one of the tree.
pub fn spec(name: &str) -> Option<&'static MetricSpec> {
    CATALOGUE.iter().flat_map(|table| table.iter()).find(|spec| spec.name == name).copied()
}
