//! `mcpvisor events`

use serde_json::Value;

use super::paint::{Paint, Tone, harmless};
use super::service::Service;
use super::sse::Events;
use super::{ServiceArguments, say};
use crate::admin::views::EventView;
use crate::app::Outcome;

/// `mcpvisor events`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last so many of what has happened [default: all that are kept, 1000]
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub tail: Option<usize>,
    /// Of this backend only
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<String>,
    /// Print each as JSON, in one line
    #[arg(long)]
    pub json: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub service: ServiceArguments,
}

/// Prints what has happened, and what happens.
///
/// # Errors
/// There is no such backend, or no service; or it ended otherwise than in order.
pub async fn run(wanted: Arguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    let mut path = format!("/api/v1/events?follow={}", wanted.follow);
    if let Some(count) = wanted.tail {
        path += &format!("&history={count}");
    }
    if let Some(backend) = &wanted.backend {
        path += &format!("&backend={}", escaped(backend));
    }
    let paint = Paint::of_stdout();
    let mut events = Events::of(service.stream(&path).await?);
    while let Some(event) = events.next().await.map_err(|_| service.broken())? {
        let line = if wanted.json { format!("{event}\n") } else { line(&event, paint) };
        if !say(line.as_bytes()) {
            break;
        }
    }
    Ok(())
}

/// As a value in the query of a URL.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn line(event: &Value, paint: Paint) -> String {
    let Ok(view) = serde_json::from_value::<EventView>(event.clone()) else { return format!("{event}\n") };
    let of = match (&view.backend, &view.session) {
        (Some(backend), Some(session)) => format!("{backend}/{session}"),
        (Some(backend), None) => backend.clone(),
        (None, _) => "-".to_owned(),
    };
    let name = paint.paint(Tone::of_event(&view.event), &format!("{:<23}", view.event));
    let mut out = format!("{}  {name}  {of}  {}", paint.paint(Tone::Faint, &view.at), what(&view));
    out.truncate(out.trim_end().len());
    for words in view.stderr_tail.iter().flat_map(|tail| tail.lines()) {
        out += &paint.paint(Tone::Faint, &format!("\n    | {}", harmless(words)));
    }
    out + "\n"
}

/// The cause in words, then what else is known.
fn what(view: &EventView) -> String {
    let detail = harmless(view.detail.as_deref().unwrap_or_default());
    let said = match view.reason.as_deref() {
        Some(reason) if detail.is_empty() => reason.to_owned(),
        Some(reason) => format!("{reason}: {detail}"),
        None => detail,
    };
    let mut known = Vec::new();
    known.extend(view.pid.map(|pid| format!("pid {pid}")));
    known.extend(view.incarnation.map(|incarnation| format!("incarnation {incarnation}")));
    known.extend(view.backoff_ms.filter(|ms| *ms > 0).map(|ms| format!("in {:.1} s", ms as f64 / 1000.0)));
    if let (Some(errors), Some(limit)) = (view.error_count, view.max_error_count) {
        known.push(format!("errors {errors}/{limit}"));
    }
    if known.is_empty() { said } else { format!("{said} ({})", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_and_the_last_words_beneath_it() {
        let lost = json!({ "at": "2026-01-02T03:04:05.678Z", "event": "connection.lost", "backend": "a",
            "session": "0123456789ab", "pid": 7, "incarnation": 2, "reason": "exit", "detail": "exit code 3",
            "error_count": 1, "max_error_count": 10, "stderr_tail": "Traceback\n\u{1b}[31mboom" });
        let shown = line(&lost, Paint::of_stdout());
        assert_eq!(
            shown,
            "2026-01-02T03:04:05.678Z  connection.lost          a/0123456789ab  exit: exit code 3 \
             (pid 7, incarnation 2, errors 1/10)\n    | Traceback\n    | \u{fffd}[31mboom\n"
        );
        assert_eq!(escaped("a b&c"), "a%20b%26c");
    }
}
