//! `GET /api/v1/connections/{backend}/{session}/stderr`: what a server says, and what the one before it said.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use mcpvisor_actors::{StderrHistory, StderrRecord};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{Admin, connections, error};

/// What may stand behind the question mark.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The incarnation before.
    #[serde(default)]
    previous: bool,
    /// Only so many lines of what there is.
    tail: Option<usize>,
    /// Whether to go on with what comes.
    #[serde(default)]
    follow: bool,
}

/// Reads on, from one incarnation to the next.
struct Follower {
    history: watch::Receiver<StderrHistory>,
    record: StderrRecord,
    from: u64,
    /// Lines to begin with; later everything.
    tail: Option<usize>,
    /// What was sent last does not end a line.
    open_line: bool,
    stop: CancellationToken,
}

pub(super) async fn read(
    State(admin): State<Arc<Admin>>,
    Path((backend, session)): Path<(String, String)>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, wrong.body_text()),
    };
    if wanted.previous && wanted.follow {
        let text = "previous is over and cannot be followed; ask for one of previous and follow";
        return error(StatusCode::BAD_REQUEST, text);
    }
    let Some(connection) = connections::find(&admin, &backend, &session).await else {
        return connections::missing(&admin, &backend, &session);
    };
    let history = connection.connection.stderr();
    let (current, previous) = {
        let history = history.borrow();
        (history.current.clone(), history.previous.clone())
    };
    let Some(record) = (if wanted.previous { previous } else { current }) else {
        return error(StatusCode::NOT_FOUND, nothing(&admin, &backend, wanted.previous));
    };
    let body = if wanted.follow {
        let stop = admin.stop.clone();
        follow(Follower { history, record, from: 0, tail: wanted.tail, open_line: false, stop })
    } else {
        Body::from(last_lines(record.since(0).await.text, wanted.tail))
    };
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    // It is what a server wrote, and no page of ours.
    ([kind, (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}

fn nothing(admin: &Admin, backend: &str, previous: bool) -> String {
    let upstream = |backend: &mcpvisor_config::Backend| {
        matches!(backend.transport, mcpvisor_config::Transport::Http { .. })
    };
    match previous {
        true => "there was no incarnation before this one".to_owned(),
        false if admin.launcher.config().backends.get(backend).is_some_and(upstream) => {
            format!("backend '{backend}' is an upstream, which has no standard error here")
        }
        false => "no process of it has been started yet".to_owned(),
    }
}

fn follow(follower: Follower) -> Body {
    Body::from_stream(stream::unfold(follower, async |mut follower| {
        let text = follower.next().await?;
        Some((Ok::<_, Infallible>(text), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let written = self.record.since(self.from).await;
            let skipped = written.start.saturating_sub(self.from);
            let begins = self.from == 0;
            self.from = written.end;
            if !written.text.is_empty() {
                let text = last_lines(written.text, self.tail.take());
                let gap =
                    (skipped > 0 && !begins).then(|| self.heading(&format!("{skipped} bytes were lost")));
                self.open_line = !text.ends_with(b"\n");
                return Some(gap.map_or(text.clone(), |gap| [gap.as_bytes(), &text].concat().into()));
            }
            self.tail = None;
            let more = tokio::select! {
                more = self.record.more_than(self.from) => more,
                () = self.stop.cancelled() => return None,
            };
            if !more {
                return self.next_incarnation().await;
            }
        }
    }

    /// `None`: nobody will start another.
    async fn next_incarnation(&mut self) -> Option<Bytes> {
        let over = self.record.incarnation;
        let next = async {
            let is_next = |record: &&StderrRecord| record.incarnation != over;
            let began =
                |history: &StderrHistory| history.over || history.current.as_ref().filter(is_next).is_some();
            let history = self.history.wait_for(began).await.ok()?;
            history.current.as_ref().filter(is_next).cloned()
        };
        self.record = tokio::select! {
            record = next => record?,
            () = self.stop.cancelled() => return None,
        };
        self.from = 0;
        let pid = self.record.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let heading = self.heading(&format!("incarnation {}{pid}", self.record.incarnation));
        self.open_line = false;
        Some(heading.into())
    }

    /// A line of ours among those of the server.
    fn heading(&self, text: &str) -> String {
        format!("{}==> mcpvisor: {text} <==\n", if self.open_line { "\n" } else { "" })
    }
}

/// The last so many lines.
fn last_lines(text: Bytes, count: Option<usize>) -> Bytes {
    let Some(count) = count else { return text };
    let end = text.len().saturating_sub(usize::from(text.ends_with(b"\n")));
    let starts = memchr::memrchr_iter(b'\n', &text[..end]).map(|end| end + 1);
    match count {
        0 => Bytes::new(),
        count => text.slice(starts.into_iter().nth(count - 1).unwrap_or(0)..),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_and_as_many_as_wanted() {
        let last = |text: &'static str, count| last_lines(Bytes::from_static(text.as_bytes()), count);
        assert_eq!(last("a\nb\nc\n", Some(2)), "b\nc\n");
        assert_eq!(last("a\nb\nc", Some(2)), "b\nc");
        assert_eq!(last("a\nb\n", Some(5)), "a\nb\n");
        assert_eq!(last("a\nb\n", Some(0)), "");
        assert_eq!(last("a\nb\n", None), "a\nb\n");
    }
}
