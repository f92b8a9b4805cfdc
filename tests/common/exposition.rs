//! A page of metrics, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

/// One page of `/metrics`.
#[derive(Debug, Default)]
pub struct Page {
    pub families: BTreeMap<String, Family>,
}

/// All series of one metric.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    /// Names with `_bucket`, `_sum` and `_count`, where there are such.
    pub series: Vec<(String, Labels, f64)>,
}

impl Page {
    /// What does not follow the format fails the test.
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                let family = page.families.entry(name.to_owned()).or_default();
                assert!(family.help.is_empty(), "{name} is explained twice");
                help.clone_into(&mut family.help);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                let family = page.families.entry(name.to_owned()).or_default();
                assert!(family.kind.is_empty(), "{name} has two types");
                kind.clone_into(&mut family.kind);
            } else {
                let (name, labels, value) = series(line);
                let family = page.family_of(&name);
                let family =
                    page.families.get_mut(&family).unwrap_or_else(|| panic!("no type before {line}"));
                family.series.push((name, labels, value));
            }
        }
        page
    }

    /// The value of one series; `labels`: some that only this series has. Panics if there is none, or more than one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.find(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0]
    }

    /// The sum of all series with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).iter().sum()
    }

    /// Names and labels, without values.
    pub fn names(&self) -> BTreeSet<String> {
        let all = self.families.values().flat_map(|family| &family.series);
        all.map(|(name, labels, _)| format!("{name}{labels:?}")).collect()
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let Some(family) = self.families.get(&self.family_of(name)) else { return Vec::new() };
        let has =
            |has: &Labels| labels.iter().all(|(name, value)| has.get(*name).is_some_and(|v| v == value));
        let found = family.series.iter().filter(|(known, has_labels, _)| known == name && has(has_labels));
        found.map(|(_, _, value)| *value).collect()
    }

    fn family_of(&self, name: &str) -> String {
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| name.strip_suffix(part));
        let histogram = parts
            .into_iter()
            .find(|family| self.families.get(*family).is_some_and(|family| family.kind == "histogram"));
        histogram.unwrap_or(name).to_owned()
    }
}

fn series(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, labels)) = series.split_once('{') else {
        return (series.to_owned(), Labels::new(), value);
    };
    let labels = labels.strip_suffix("\"}").unwrap_or_else(|| panic!("labels without an end: {line}"));
    let labels = labels.split("\",").map(|label| {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        (name.to_owned(), value.to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}
