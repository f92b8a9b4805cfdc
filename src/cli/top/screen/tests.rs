use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;
use tokio::time::Instant;

use super::super::super::latency::Latency;
use super::super::state::Sample;
use super::*;

fn sample(at: Instant, requests: u64, memory: [u64; 2]) -> Sample {
    let phases = json!({ "launching": 0, "ready": 2, "backing_off": 0, "draining": 0, "stopped": 0 });
    let backend = json!({ "name": "files", "status": "running", "breaker_open": false,
        "stopped_by_operator": false, "transport": "stdio", "path": "/mcp/files", "connections": phases,
        "spares": {}, "launches": 2, "restarts": 1, "faults": 1, "stops": 0, "max_error_count": 10 });
    let connection = |session: &str, memory: u64| {
        json!({ "key": format!("files/{session}"), "backend": "files", "session": session, "phase": "ready",
            "state": "active", "pid": 77, "incarnation": 1, "created_at": "", "last_used_at": "",
            "idle_seconds": 3.0, "request_count": 9, "error_count": 0, "max_error_count": 10,
            "total_errors": 0, "restarts": 0, "last_error": "exit: exit code 3\nmore", "in_flight": 1,
            "queued": 2, "rss": memory })
    };
    let connections = json!([connection("aaaa", memory[0]), connection("bbbb", memory[1])]);
    let bucket = |le: &str| {
        format!("mcp_server_operation_duration_seconds_bucket{{backend=\"files\",le=\"{le}\"}} {requests}\n")
    };
    Sample {
        at,
        backends: serde_json::from_value(json!([backend])).unwrap(),
        connections: serde_json::from_value(connections).unwrap(),
        latency: Latency::of(&(bucket("0.01") + &bucket("+Inf"))),
    }
}

fn shown(top: &Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(top, frame)).unwrap();
    terminal.backend().to_string()
}

fn press(top: &mut Top, code: KeyCode) -> bool {
    top.key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// An operator would look at something else than what runs.
#[test]
fn it_shows_backends_connections_and_what_they_do() {
    let start = Instant::now();
    let mut top = Top::new("http://h:1".into(), sample(start, 100, [1 << 20, 2 << 20]));
    top.take(sample(start + Duration::from_secs(2), 150, [1 << 20, 2 << 20]));
    let screen = shown(&top, 120, 20);
    for part in [
        "1 backend, 2 connections (2 ready), 25.0 requests/s, 3.0 MiB",
        "files",
        "2 ready",
        "25.0",
        "5.0 ms",
        "files/aaaa",
        "files/bbbb",
        "1+2",
        "0/10",
        "3s ago",
        "q quit",
        "sort (by name)",
    ] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
}

/// The row one looks at would be another after the next second.
#[test]
fn the_marked_row_stays_marked_wherever_it_goes() {
    let start = Instant::now();
    let mut top = Top::new("http://h:1".into(), sample(start, 1, [1 << 20, 2 << 20]));
    assert!(press(&mut top, KeyCode::Down) && press(&mut top, KeyCode::Up));
    assert_eq!(top.selected_row(), Some(0));
    assert!(shown(&top, 120, 20).contains("files/aaaa: exit: exit code 3"));
    assert!(press(&mut top, KeyCode::Char('s')), "by memory: the other one is larger");
    assert_eq!(top.selected_row(), Some(1));
    top.take(sample(start, 1, [3 << 20, 2 << 20]));
    assert_eq!(top.selected_row(), Some(0));
    assert!(!press(&mut top, KeyCode::Char('q')));
    assert!(!top.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

/// A small window would end it with a panic.
#[test]
fn it_fits_any_window() {
    let top = Top::new("http://h:1".into(), sample(Instant::now(), 1, [1, 1]));
    for (width, height) in [(1, 1), (10, 3), (40, 6), (300, 100)] {
        shown(&top, width, height);
    }
}
