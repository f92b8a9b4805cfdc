//! Where metrics are kept until somebody scrapes them.

use anyhow::{Context, anyhow};
use mcpvisor_actors::metrics::MetricKind;
use mcpvisor_config::Config;
use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::catalogue;
use crate::VERSION;
use crate::app::Failure;

/// The recorder of this process, for `/metrics`.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// The counters at one moment, by backend.
pub struct Counts {
    text: String,
}

/// Installs the recorder, with help and buckets of every metric. Before anything counts: handles are kept.
///
/// # Errors
/// Another recorder is installed already.
pub fn install() -> Result<Metrics, Failure> {
    let mut builder = PrometheusBuilder::new();
    for (name, kind, _) in catalogue::all() {
        if *kind == MetricKind::Histogram {
            let matcher = Matcher::Full((*name).to_owned());
            builder = builder
                .set_buckets_for_metric(matcher, catalogue::buckets(name))
                .context("metric buckets")?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| anyhow!("cannot install the metrics: {error}"))?;
    for (name, kind, help) in catalogue::all() {
        match kind {
            MetricKind::Counter => metrics::describe_counter!(*name, *help),
            MetricKind::Gauge => metrics::describe_gauge!(*name, *help),
            MetricKind::Histogram => metrics::describe_histogram!(*name, Unit::Seconds, *help),
        }
    }
    Ok(Metrics { handle })
}

impl Metrics {
    /// Sets what only the configuration knows.
    pub fn configured(&self, config: &Config) {
        metrics::gauge!("mcpvisor_build_info", "version" => VERSION).set(1.0);
        metrics::gauge!("mcpvisor_connections_limit").set(config.limits.max_connections as f64);
        for backend in config.backends.values().filter(|backend| !backend.disabled) {
            let limit = f64::from(backend.pool.max_error_count);
            metrics::gauge!("mcpvisor_errors_limit", "backend" => backend.name.clone()).set(limit);
        }
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves what histograms gathered into their buckets; without it they grow until the next scrape.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Metrics {
    /// The counters as they are now. Whoever shows them shows what `/metrics` does.
    pub fn counts(&self) -> Counts {
        Counts { text: self.handle.render() }
    }
}

impl Counts {
    /// The sum of a counter's series of `backend`, of those only that carry `label` (`name="value"`) if given.
    pub fn total(&self, name: &str, backend: &str, label: Option<&str>) -> u64 {
        let backend = format!("backend=\"{backend}\"");
        let series = self.text.lines().filter_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
            let has = |wanted: &str| labels.split(',').any(|label| label == wanted);
            (has(&backend) && label.is_none_or(has)).then(|| value.parse::<u64>().ok())?
        });
        series.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn status_adds_up_what_metrics_says_of_one_backend() {
        let text = "# TYPE r_total counter\n\
                    r_total{backend=\"a\",reason=\"exit\"} 2\nr_total{backend=\"a\",reason=\"eof\"} 3\n\
                    r_total{backend=\"ab\",reason=\"exit\"} 40\nr_total_more{backend=\"a\"} 50\n";
        let counts = Counts { text: text.to_owned() };
        assert_eq!(counts.total("r_total", "a", None), 5);
        assert_eq!(counts.total("r_total", "a", Some("reason=\"exit\"")), 2);
        assert_eq!(counts.total("r_total", "b", None), 0);
    }
}
