//! `mcpvisor top`: what runs, live.

mod screen;
mod state;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::ServiceArguments;
use super::latency::Latency;
use super::service::Service;
use crate::admin::views::{BackendsView, ConnectionsView};
use crate::app::{Failure, Outcome};
use state::{Sample, Top};

/// How often the service is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often somebody looks whether keys are still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// `mcpvisor top`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to ask.
    #[command(flatten)]
    pub service: ServiceArguments,
}

/// Ends the reading of keys when dropped.
struct Keys {
    events: mpsc::Receiver<Event>,
    over: Arc<AtomicBool>,
}

/// Shows it until `q` is pressed. The terminal is as before afterwards, also after a bug.
///
/// # Errors
/// There is no terminal, or no service.
pub async fn run(wanted: Arguments) -> Outcome {
    let service = Service::of(&wanted.service)?;
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "top needs a terminal\n    `mcpvisor status --watch` prints the same for a pipe or a file"
                .to_owned(),
        ));
    }
    // Before the screen is taken: what is wrong is then said on the one that stays.
    let mut top = Top::new(service.admin.clone(), sample(&service).await?);
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let outcome = show(&service, &mut top, &mut terminal).await;
    ratatui::restore();
    outcome
}

async fn show(service: &Service, top: &mut Top, terminal: &mut DefaultTerminal) -> Outcome {
    let mut keys = Keys::read();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    let (sender, mut samples) = mpsc::channel(1);
    tokio::spawn(ask(service.clone(), sender));
    loop {
        terminal.draw(|frame| screen::draw(top, frame)).context("cannot draw")?;
        tokio::select! {
            Some(sample) = samples.recv() => match sample {
                Ok(sample) => top.take(sample),
                Err(failure) => top.fail(&failure),
            },
            event = keys.events.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    if !top.key(key) {
                        return Ok(());
                    }
                }
                // The window has another size: drawn anew.
                Some(_) => {}
                None => return Ok(()),
            },
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        }
    }
}

/// A service that is slow to answer does not make the keys slow.
async fn ask(service: Service, samples: mpsc::Sender<Result<Sample, Failure>>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if samples.send(sample(&service).await).await.is_err() {
            return;
        }
    }
}

async fn sample(service: &Service) -> Result<Sample, Failure> {
    let BackendsView { backends } = service.get("/api/v1/backends").await?;
    let ConnectionsView { connections } = service.get("/api/v1/connections").await?;
    let latency = Latency::of(&service.text("/metrics").await?);
    Ok(Sample { at: tokio::time::Instant::now(), backends, connections, latency })
}

impl Keys {
    /// By a thread of its own: reading them cannot be waited for.
    fn read() -> Self {
        let (sender, events) = mpsc::channel(16);
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        std::thread::spawn(move || {
            while !ended.load(Relaxed) {
                let pressed =
                    event::poll(LOOK).and_then(|any| if any { event::read().map(Some) } else { Ok(None) });
                match pressed {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        if sender.blocking_send(event).is_err() {
                            return;
                        }
                    }
                    Err(_) => return,
                }
            }
        });
        Self { events, over }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
    }
}
