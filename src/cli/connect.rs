//! `mcpvisor connect BACKEND`: a running service for clients that only launch commands.
//!
//! ```text
//! stdin  (a thread) ─┐                ┌─ session    one HTTP link, replaced when it is lost
//!                    ├─ loop ─ Bridge ┤
//! stdout (a thread) ─┘                └─ stateless  one HTTP link for clients of 2026-07-28
//! ```
//! Standard output carries messages and nothing else; a message keeps every byte but its id, and the client gets its own back.

mod asked;
mod bridge;
mod place;
mod requests;
mod session;
mod stateless;
mod stdio;
mod wording;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use mcpvisor_actors::Line;
use mcpvisor_actors::message::{Envelope, Kind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use self::bridge::Bridge;
use self::place::Place;
use self::stdio::{Input, Output};
use crate::app::{Failure, Outcome};

/// The longest message, in bytes; the service has limits of its own.
const MAX_MESSAGE: usize = 64 << 20;
/// How long outstanding answers are waited for once the client has said its last word.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// How long the end of the session may take.
const CLOSE: Duration = Duration::from_secs(5);
/// The same for a client that kills what does not end soon: the SDKs wait two seconds.
const HASTY_CLOSE: Duration = Duration::from_millis(1500);
/// How long a client has to ask something, to be told that there is no service.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// `mcpvisor connect`
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "A key for the service, if it has auth.keys, is taken from MCPVISOR_KEY.")]
pub struct Arguments {
    /// A backend, by its name; or a path such as /mcp
    #[arg(value_name = "BACKEND", required_unless_present = "url")]
    pub backend: Option<String>,
    /// An endpoint anywhere, such as http://127.0.0.1:8080/mcp/demo
    #[arg(long, value_name = "URL", conflicts_with_all = ["backend", "admin", "state_dir"])]
    pub url: Option<String>,
    /// Which running service, by its admin address
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    pub admin: Option<String>,
    /// Which running service, by its state folder
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// What makes it end from outside.
struct Stops([Signal; 3]);

/// Bridges until the client has nothing more to say.
///
/// # Errors
/// The service does not run or was never reached; a line is longer than any message.
pub async fn run(wanted: Arguments) -> Outcome {
    let mut stops = Stops::listen().context("cannot listen for signals")?;
    let (mut input, out) = (Input::start(MAX_MESSAGE), Output::start());
    let place = match Place::find(&wanted) {
        Ok(place) => place,
        Err(failure) => {
            let name = wanted.backend.or(wanted.url).unwrap_or_default();
            refuse(&mut input, &out, &name, &failure).await;
            out.finish().await;
            return Err(failure);
        }
    };
    let key = std::env::var("MCPVISOR_KEY").ok().filter(|key| !key.is_empty());
    let (reports, mut reported) = mpsc::unbounded_channel();
    let mut bridge = Bridge::new(place, key, out, reports);
    let mut last_answers: Option<Instant> = None;
    let (outcome, within) = loop {
        if let Some(failure) = bridge.failure.take() {
            break (Err(failure), HASTY_CLOSE);
        }
        if last_answers.is_some() && bridge.is_idle() {
            break (Ok(()), CLOSE);
        }
        let (wake, end) = (bridge.next_wake(), last_answers);
        tokio::select! {
            line = input.next(), if last_answers.is_none() => match line {
                Line::Frame(line) => bridge.line(line),
                Line::Eof { .. } => {
                    bridge.client_is_done();
                    last_answers = Some(Instant::now() + LAST_ANSWERS);
                }
                Line::TooLong { limit } => {
                    let failure = Failure::Runtime(anyhow::anyhow!("a line of more than {limit} bytes"));
                    break (Err(failure), CLOSE);
                }
            },
            Some(report) = reported.recv() => bridge.report(report),
            () = until(wake) => bridge.wake(),
            () = until(end) => break (Ok(()), CLOSE),
            () = stops.next() => break (Ok(()), HASTY_CLOSE),
            () = bridge.out.closed() => break (Ok(()), CLOSE),
        }
    };
    bridge.close(within).await;
    outcome
}

/// Answers what the client asks first, so that it need not guess why its server has gone.
async fn refuse(input: &mut Input, out: &Output, name: &str, failure: &Failure) {
    while let Ok(Line::Frame(line)) = timeout(FIRST_WORD, input.next()).await {
        let request = Envelope::parse(line).ok().filter(|message| message.kind() == Kind::Request);
        if let Some(request) = request {
            let id = request.id().unwrap_or(b"null");
            return out.say(wording::unreachable(id, name, &failure.to_string()), None);
        }
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

impl Stops {
    fn listen() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt, hang_up] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
