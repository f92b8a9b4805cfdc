//! How long requests take, from what `/metrics` says.

use std::collections::BTreeMap;

/// The histogram of the requests of clients.
const FAMILY: &str = "mcp_server_operation_duration_seconds_bucket{";

/// Requests by backend: how many took at most so many seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Latency(BTreeMap<String, Vec<(f64, u64)>>);

impl Latency {
    /// Of a whole page.
    pub(super) fn of(metrics: &str) -> Self {
        let mut backends: BTreeMap<String, BTreeMap<u64, (f64, u64)>> = BTreeMap::new();
        for (backend, bound, count) in metrics.lines().filter_map(bucket) {
            // Bounds are positive: their bits are in their order.
            let at = backends.entry(backend.to_owned()).or_default().entry(bound.to_bits());
            at.or_insert((bound, 0)).1 += count;
        }
        Self(backends.into_iter().map(|(name, buckets)| (name, buckets.into_values().collect())).collect())
    }

    /// What has come since then.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (name, buckets) in &mut since.0 {
            for ((_, count), (_, before)) in buckets.iter_mut().zip(earlier.0.get(name).into_iter().flatten())
            {
                *count = count.saturating_sub(*before);
            }
        }
        since
    }

    /// How many there were.
    pub(super) fn requests(&self, backend: &str) -> u64 {
        self.0.get(backend).and_then(|buckets| buckets.last()).map_or(0, |(_, count)| *count)
    }

    /// The seconds within which that part of them was answered, as Prometheus reckons it. `None`: there were none.
    pub(super) fn quantile(&self, backend: &str, part: f64) -> Option<f64> {
        let buckets = self.0.get(backend)?;
        let rank = part * buckets.last().filter(|(_, count)| *count > 0)?.1 as f64;
        let (mut below, mut under) = (0.0, 0);
        for (bound, count) in buckets {
            if *count as f64 >= rank && *count > under {
                let share = (rank - under as f64) / (count - under) as f64;
                return Some(if bound.is_finite() { below + (bound - below) * share } else { below });
            }
            if bound.is_finite() {
                (below, under) = (*bound, *count);
            }
        }
        Some(below)
    }
}

/// Names of backends need no escaping.
fn bucket(line: &str) -> Option<(&str, f64, u64)> {
    let (labels, count) = line.strip_prefix(FAMILY)?.rsplit_once("} ")?;
    let label = |name: &str| {
        labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    Some((label("backend")?, label("le")?.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(counts: [u64; 3]) -> Latency {
        let [fast, slow, all] = counts;
        let line = |method: &str, le: &str, count: u64| {
            format!("{FAMILY}backend=\"a\",mcp_method_name=\"{method}\",le=\"{le}\"}} {count}\n")
        };
        let mut text = String::new();
        for (le, count) in [("0.1", fast), ("0.5", slow), ("+Inf", all)] {
            text += &line("ping", le, count);
            text += &line("tools/call", le, count);
        }
        Latency::of(&text)
    }

    #[test]
    fn the_latency_of_the_last_moments_is_seen_under_that_of_hours() {
        let (before, now) = (page([1000, 1000, 1000]), page([1000, 1010, 1010]));
        assert_eq!(now.requests("a"), 2020);
        let since = now.since(&before);
        assert_eq!(since.requests("a"), 20);
        let median = since.quantile("a", 0.5).unwrap();
        assert!((0.299..0.301).contains(&median), "the middle of 0.1 to 0.5: {median}");
        assert!(now.quantile("a", 0.5).unwrap() < 0.1);
        assert_eq!(since.quantile("b", 0.5), None);
        assert_eq!(now.since(&now).quantile("a", 0.5), None, "nothing came");
        assert_eq!(page([0, 0, 4]).quantile("a", 0.99), Some(0.5), "longer than the last bound");
    }
}
