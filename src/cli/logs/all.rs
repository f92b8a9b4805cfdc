//! `mcpvisor logs BACKEND -f`: all its connections at once, those that come later too.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::paint::{Paint, Tone};
use super::super::say;
use super::super::service::Service;
use super::Arguments;
use crate::app::{Failure, Outcome};

/// How often somebody looks for connections that are new.
const LOOK: Duration = Duration::from_millis(500);
/// So many lines may wait to be printed.
const AHEAD: usize = 64;

/// A line of the server of a session; `None`: there are no more.
type Line = (String, Option<String>);

pub(super) async fn follow(service: &Service, wanted: &Arguments) -> Outcome {
    let paint = Paint::of_stdout();
    let (sender, mut lines) = mpsc::channel::<Line>(AHEAD);
    let (mut followed, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut look = tokio::time::interval(LOOK);
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            Some((session, line)) = lines.recv() => match line {
                Some(line) => {
                    if !say_line(paint, &session, &line, seen.len()) {
                        return Ok(());
                    }
                }
                None => drop(followed.remove(&session)),
            },
            _ = look.tick() => {
                let connections = match wanted.target.connections(service).await {
                    Ok(connections) => connections,
                    // It was there a moment ago: it has ended, and the streams with it.
                    Err(Failure::Runtime(_)) if told => return ended(&mut lines, paint, seen.len()).await,
                    Err(failure) => return Err(failure),
                };
                if connections.is_empty() && !told {
                    eprintln!("mcpvisor: waiting for a connection of backend '{}'", wanted.target.backend);
                }
                told = true;
                for connection in connections {
                    if followed.insert(connection.session.clone()) {
                        seen.insert(connection.session.clone());
                        let path = wanted.path(&connection);
                        tokio::spawn(read(service.clone(), path, connection.session, sender.clone()));
                    }
                }
            }
        }
    }
}

/// What was on its way is still printed.
async fn ended(lines: &mut mpsc::Receiver<Line>, paint: Paint, sessions: usize) -> Outcome {
    while let Ok((session, line)) = lines.try_recv() {
        if line.is_some_and(|line| !say_line(paint, &session, &line, sessions)) {
            return Ok(());
        }
    }
    eprintln!("mcpvisor: the service has ended");
    Ok(())
}

/// With its session, where there are several; false: nobody reads it any more.
fn say_line(paint: Paint, session: &str, line: &str, sessions: usize) -> bool {
    let line = if sessions > 1 { prefixed(paint, session, line) } else { format!("{line}\n") };
    say(line.as_bytes())
}

/// A line and whose it is.
pub(super) fn prefixed(paint: Paint, session: &str, line: &str) -> String {
    format!("{} {line}\n", paint.paint(Tone::Faint, &format!("{session} |")))
}

/// Reads to the end of the stream. What cannot be read now may be the next time somebody looks.
async fn read(service: Service, path: String, session: String, lines: mpsc::Sender<Line>) {
    let mut rest = Vec::new();
    if let Ok(mut response) = service.stream(&path).await {
        while let Ok(Some(chunk)) = response.chunk().await {
            rest.extend_from_slice(&chunk);
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                rest.drain(..=end);
                if lines.send((session.clone(), Some(line))).await.is_err() {
                    return;
                }
            }
        }
    }
    if !rest.is_empty() {
        let _ = lines.send((session.clone(), Some(String::from_utf8_lossy(&rest).into_owned()))).await;
    }
    let _ = lines.send((session, None)).await;
}
