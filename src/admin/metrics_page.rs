//! `GET /metrics`

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Admin;
use super::process::{OwnProcess, own_process};

/// What Prometheus expects of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn page(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let mut text = admin.metrics.render();
    if let Some(process) = own_process().await {
        append(&mut text, &process);
    }
    ([(header::CONTENT_TYPE, FORMAT)], text)
}

/// The exporter's counters are whole numbers and CPU seconds are not, so this family is written here.
fn append(text: &mut String, process: &OwnProcess) {
    let mut family = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    family("process_cpu_seconds_total", "counter", "CPU time of mcpvisor itself", process.cpu_seconds);
    family(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of mcpvisor itself",
        process.resident as f64,
    );
    family(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory of mcpvisor itself",
        process.virtual_size as f64,
    );
    family(
        "process_start_time_seconds",
        "gauge",
        "When mcpvisor was started, since 1970",
        process.start_time,
    );
    family("process_threads", "gauge", "Threads of mcpvisor itself", process.threads as f64);
    family("process_open_fds", "gauge", "Open file descriptors of mcpvisor itself", process.open_fds as f64);
    if let Some(max_fds) = process.max_fds {
        family("process_max_fds", "gauge", "How many file descriptors may be open", max_fds as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn prometheus_sees_how_mcpvisor_itself_is_doing() {
        let process = own_process().await.unwrap();
        assert!(process.open_fds > 2 && process.resident > 1_000_000 && process.threads >= 1);
        assert!(process.start_time > 1.6e9);
        let mut text = String::new();
        append(&mut text, &process);
        assert!(
            text.contains("\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes "),
            "{text}"
        );
    }
}
