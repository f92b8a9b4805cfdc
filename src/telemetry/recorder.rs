//! Where metrics are kept until somebody scrapes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use mcpvisor_actors::metrics::{Gauges, MetricKind};
use mcpvisor_config::Config;
use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::catalogue::{self, BUILD_INFO, CONNECTIONS_LIMIT, ERRORS_LIMIT};
use super::reloads;
use crate::VERSION;
use crate::app::Failure;
use crate::front::unified;

/// The recorder of this process, for `/metrics`.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Whose series are shown. The exporter cannot delete any, so those of a backend that was removed are left out.
    backends: Arc<ArcSwap<BTreeSet<Arc<str>>>>,
    /// The same for several backends as one: these have sessions and streams, and no processes.
    sets: Arc<ArcSwap<BTreeSet<Arc<str>>>>,
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
    for spec in catalogue::all().filter(|spec| spec.kind == MetricKind::Histogram) {
        let matcher = Matcher::Full(spec.name.to_owned());
        builder = builder.set_buckets_for_metric(matcher, spec.buckets).context("metric buckets")?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| anyhow!("cannot install the metrics: {error}"))?;
    for spec in catalogue::all() {
        match spec.kind {
            MetricKind::Counter => metrics::describe_counter!(spec.name, spec.help),
            MetricKind::Gauge => metrics::describe_gauge!(spec.name, spec.help),
            MetricKind::Histogram => metrics::describe_histogram!(spec.name, Unit::Seconds, spec.help),
        }
    }
    metrics::gauge!(BUILD_INFO.name, "version" => VERSION).set(1.0);
    reloads::start();
    Ok(Metrics { handle, backends: Arc::default(), sets: Arc::default() })
}

impl Metrics {
    /// Sets what only the configuration knows. The series of the backends that it serves are shown from now on, those of
    /// others no longer; a backend that comes back goes on where it was.
    pub fn configured(&self, config: &Config) {
        Gauges::new(&CONNECTIONS_LIMIT, None).set(&[], config.limits.max_connections as f64);
        let served = config.backends.values().filter(|backend| !backend.disabled);
        let served = served.map(|backend| {
            let name: Arc<str> = backend.name.as_str().into();
            Gauges::new(&ERRORS_LIMIT, Some(&name)).set(&[], f64::from(backend.pool.max_error_count));
            name
        });
        self.backends.store(Arc::new(served.collect()));
        let groups = config.groups.keys().map(|name| unified::group(name));
        let all = config.gateway.unified.then(|| unified::ALL.to_owned());
        self.sets.store(Arc::new(groups.chain(all).map(Arc::from).collect()));
    }

    /// The same, of several backends as one.
    pub(super) fn sets(&self) -> Arc<BTreeSet<Arc<str>>> {
        self.sets.load_full()
    }

    /// Whose series are shown.
    pub(super) fn backends(&self) -> Arc<BTreeSet<Arc<str>>> {
        self.backends.load_full()
    }

    /// What the recorder holds, in the Prometheus text format, of all backends there ever were.
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves what histograms gathered into their buckets; without it they grow until the next scrape.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

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
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{Counts, Metrics};

    fn config(backends: &[&str]) -> mcpvisor_config::Config {
        let section = |name: &&str| format!("[backends.{name}]\ncommand = \"x\"\n");
        let text = backends.iter().map(section).collect();
        let file = mcpvisor_config::Source::Text { name: "t.toml".into(), text };
        let request = mcpvisor_config::LoadRequest { files: vec![file], ..Default::default() };
        mcpvisor_config::load(request).unwrap().config
    }

    /// A backend that was removed would be shown, and alerted on, for ever; one that comes back would not be.
    #[test]
    fn the_backends_of_the_configuration_are_shown_until_they_are_removed() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (backends, sets) = Default::default();
        let metrics = Metrics { handle: recorder.handle(), backends, sets };
        let shown = || metrics.backends().iter().map(|name| name.to_string()).collect::<Vec<_>>();
        metrics::with_local_recorder(&recorder, || {
            metrics.configured(&config(&["a", "b"]));
            assert_eq!(shown(), ["a", "b"]);
            metrics.configured(&config(&["a", "c"]));
            assert_eq!(shown(), ["a", "c"]);
        });
        assert!(metrics.render().contains("mcpvisor_errors_limit{backend=\"c\"} 10"));
    }

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
