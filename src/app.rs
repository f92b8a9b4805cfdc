//! `mcpvisor serve`: wires the service together, runs it, drains it.

mod drain;
mod failure;
mod hang_up;
mod listeners;
mod notify;
pub mod reload;
mod runtime;
pub mod settings;
pub mod state_dir;
mod stop;
mod welcome;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mcpvisor_actors::{EventSender, Launcher, LauncherOptions};
use mcpvisor_config::Config;
use tokio_util::sync::CancellationToken;

pub use failure::{Failure, Outcome};

use crate::admin::{Admin, EventLog};
use crate::cli::{self, ServeArguments};
use crate::front::Front;
use crate::telemetry;
use crate::telemetry::log::{DroppedLines, LogLevel};
use crate::telemetry::recorder::Metrics;
use crate::telemetry::traces;
use crate::tls::Tls;
use drain::Ended;
use hang_up::{HangUp, HangUps};
use listeners::Listeners;
use notify::Notify;
use reload::{Reloading, Reloads};
use settings::Settings;
use state_dir::StateDir;
use stop::Stops;

/// How long dropped tasks may take at the very end. Dropping them is what kills children still alive.
const LAST_TASKS: Duration = Duration::from_millis(500);

/// What the service tells of itself.
struct Told {
    metrics: Metrics,
    level: LogLevel,
    dropped: DroppedLines,
}

/// Runs the service until it is told to end.
///
/// # Errors
/// Everything that ends it in another way than a drain; see [`Failure`].
pub fn serve(wanted: &ServeArguments) -> Outcome {
    let settings =
        settings::load_or_demo(&wanted.config, wanted.listen.clone(), wanted.admin_listen.clone())?;
    let metrics = telemetry::recorder::install()?;
    let telemetry::log::Log { level, dropped, writer } = telemetry::log::install(&settings.config.telemetry)?;
    mcpvisor_actors::prepare_process();
    install_crypto();
    let runtime = runtime::build(settings.config.gateway.workers)?;
    let outcome = runtime.block_on(run(settings, Told { metrics, level, dropped }));
    runtime.shutdown_timeout(LAST_TASKS);
    // What still waits to be written is written now.
    drop(writer);
    outcome
}

/// Runs a short command on a small runtime.
///
/// # Errors
/// The command's own.
pub fn block_on<E: Into<Failure>>(command: impl Future<Output = Result<(), E>>) -> Outcome {
    telemetry::log::install_if_asked();
    install_crypto();
    let runtime = runtime::small()?;
    let outcome = runtime.block_on(command);
    // Reading standard input cannot be interrupted; waiting for it would keep an ended demo server alive.
    runtime.shutdown_background();
    outcome.map_err(Into::into)
}

async fn run(mut settings: Settings, told: Told) -> Outcome {
    let [main_tls, admin_tls] = std::mem::take(&mut settings.tls).map(Tls::new);
    let config = settings.config.clone();
    let notify = Notify::from_environment();
    let mut stops = Stops::listen().context("cannot listen for signals")?;
    let mut hang_ups = HangUps::listen().context("cannot listen for signals")?;
    let listeners = Listeners::bind(&config.gateway, state_dir::running()).await?;
    let state_dir = StateDir::take(&settings)?;

    let closing = CancellationToken::new();
    let instance = mcpvisor_actors::random_instance();
    if let Some(state_dir) = &state_dir {
        state_dir.begin(&instance, &config).await;
    }
    let events = EventSender::default();
    let event_log = EventLog::start(events.subscribe(), &instance);
    traces::install(&config.telemetry.otlp_endpoint, &instance, events.subscribe())
        .context("telemetry.otlp_endpoint cannot be used")?;
    let folder = state_dir.as_ref().map(|state_dir| state_dir.folder().to_owned());
    let launcher = launch(&config, instance, folder, events).await?;
    if let Some(state_dir) = &state_dir {
        state_dir.announce(&listeners.addresses, launcher.instance());
    }
    let front = Front::new(launcher.clone(), &config, closing.clone());
    let (reloads, reloads_ordered) = Reloads::new();
    let (stop_front, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let Told { metrics, level, dropped } = told;
    let admin = Admin::new(
        launcher.clone(),
        metrics.clone(),
        reloads.clone(),
        event_log,
        level.clone(),
        stop_admin.clone(),
    );
    let access = admin.access();
    tokio::spawn(dropped.tell_always());

    let front_task = tokio::spawn(front.clone().serve(listeners.main, main_tls.clone(), stop_front.clone()));
    let admin_task = tokio::spawn(admin.serve(listeners.admin, admin_tls.clone()));
    let (listen, admin_listen) = (listeners.addresses.main, listeners.addresses.admin);
    tracing::info!(event = "service.started", version = crate::VERSION, %listen, %admin_listen, "started");
    welcome::print(&settings, &listeners.addresses);
    notify.ready(&welcome::status(&settings, &listeners.addresses)).await;
    notify.watch(launcher.clone());
    let (reloading_launcher, reloading_front) = (launcher.clone(), front.clone());
    Reloading {
        settings,
        launcher: reloading_launcher,
        front: reloading_front,
        access,
        tls: [main_tls, admin_tls],
        metrics,
        log_level: level,
        notify: notify.clone(),
    }
    .start(reloads_ordered, &reloads);

    let end = loop {
        tokio::select! {
            signal = stops.next() => break Ended::Signal(signal),
            hang_up = hang_ups.next() => match hang_up {
                HangUp::Reload => reloads.order_soon("SIGHUP"),
                HangUp::TerminalClosed => break Ended::Signal("SIGHUP"),
            },
            () = closing.cancelled() => break Ended::Closed,
            () = launcher.escalated() => break Ended::GaveUp,
        }
    };
    let service = drain::Service { notify, launcher, front, front_task, stop_front, admin_task, stop_admin };
    let outcome = service.end(end, &mut stops).await;
    traces::flush().await;
    if let (Some(state_dir), Ok(())) = (&state_dir, &outcome) {
        state_dir.finish();
    }
    drop(state_dir);
    outcome
}

/// The tree is told to drain by [`drain`], never by its token: that would skip the requests in flight.
async fn launch(
    config: &Arc<Config>,
    instance: Arc<str>,
    folder: Option<PathBuf>,
    events: EventSender,
) -> Result<Launcher, Failure> {
    let guard = Some(vec![cli::GUARD.into()]);
    let confine = Some(vec![cli::CONFINE.into()]);
    let options = LauncherOptions { guard, confine, folder, instance: Some(instance), events: Some(events) };
    let launcher = Launcher::with_options(config.clone(), CancellationToken::new(), options).await;
    launcher.context("cannot start the supervision tree").map_err(Failure::Runtime)
}

/// Upstreams over TLS need a provider; a second call finds the first and changes nothing.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
