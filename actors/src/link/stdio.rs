//! A child process that speaks MCP on its standard input and output.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_config::{Backend, Container, Timeouts, Transport};
use tokio::net::unix::pipe;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::framing::{Line, LineReader};
use super::stderr::{self, StderrTail};
use super::writer::Writer;
use super::{Events, INBOUND_AHEAD, Inbound, Link, LinkEvent, Sent, classify};
use crate::confine::Confinement;
use crate::fault::{Fault, FaultReason};
use crate::process::container::{self, Named, Run};
use crate::process::{self, Order, SpawnError, Spec, Sweeper};
use crate::root::Seat;

/// What a child needs to be started.
pub(crate) struct Launch {
    /// The session as people see it.
    pub(crate) session: String,
    pub(crate) backend: Arc<Backend>,
    pub(crate) instance: Arc<str>,
    pub(crate) sweeper: Sweeper,
}

struct StdioLink {
    /// `None` once closed.
    writer: Option<Writer>,
    orders: mpsc::UnboundedSender<Order>,
    reader: AbortHandle,
    stderr: StderrTail,
    ladder: Order,
}

/// Starts the child off the runtime; one task then owns it until it and all it started are gone.
pub(crate) fn open(launch: Launch, events: Events, seat: Seat) {
    tokio::spawn(async move {
        let spec = spec(&launch, &seat);
        let runtime = tokio::runtime::Handle::current();
        let spawned = tokio::task::spawn_blocking(move || {
            // The pipes register with the reactor of this runtime.
            let _guard = runtime.enter();
            process::spawn(&spec)
        });
        let spawned = match spawned.await {
            Ok(Ok(spawned)) => spawned,
            Ok(Err(error)) => return events.report(LinkEvent::OpenFailed(spawn_fault(&error))),
            Err(error) => {
                let fault = Fault::new(FaultReason::Spawn, format!("the launch was cut short: {error}"));
                return events.report(LinkEvent::OpenFailed(fault));
            }
        };
        let (orders, ordered) = mpsc::unbounded_channel();
        let limits = &launch.backend.limits;
        let timeouts = &launch.backend.timeouts;
        let pid = spawned.pid;
        let name = launch.backend.name.clone();
        let link = StdioLink {
            writer: Some(Writer::new(
                spawned.stdin,
                events.clone(),
                limits.max_message_bytes,
                timeouts.write,
            )),
            orders,
            reader: tokio::spawn(read(spawned.stdout, limits.max_message_bytes, events.clone()))
                .abort_handle(),
            stderr: stderr::spawn(spawned.stderr, name.clone(), launch.session, pid),
            ladder: ladder(timeouts),
        };
        // Not delivered: the link is dropped, its orders close, and the child is killed below.
        events.report(LinkEvent::Open { link: Box::new(link), pid: Some(pid) });
        let incarnation = seat.incarnation();
        let children = launch.sweeper.children().clone();
        children.born(incarnation, &name, pid);
        let exits = events.clone();
        let gone = spawned
            .process
            .watch(ordered, launch.sweeper, move |status| exits.report(LinkEvent::Exited(status)))
            .await;
        tracing::debug!(backend = %name, pid, status = %gone.status, swept = gone.swept, "process gone");
        children.gone(incarnation, gone.cpu_seconds);
        seat.leave(gone.swept);
    });
}

fn ladder(timeouts: &Timeouts) -> Order {
    Order::Ladder { stdin_grace: timeouts.stdin_grace, term_grace: timeouts.term_grace }
}

fn spec(launch: &Launch, seat: &Seat) -> Spec {
    let marker = process::marker(&launch.instance, seat.incarnation());
    let backend = &launch.backend;
    match &backend.transport {
        Transport::Stdio { command, args, env, cwd, env_pass } => {
            let spec = Spec {
                command: command.clone(),
                args: args.clone(),
                env: env.clone(),
                env_pass: env_pass.clone(),
                cwd: cwd.clone(),
                confinement: Confinement::of(backend, launch.sweeper.confiner()),
                container: None,
                marker,
            };
            match &backend.container {
                Some(container) => contained(spec, container, launch, seat),
                None => spec,
            }
        }
        // The caller opens a stdio link for stdio backends only; an empty command is refused at spawn.
        Transport::Http { .. } => Spec {
            command: String::new(),
            args: Vec::new(),
            env: Default::default(),
            env_pass: Vec::new(),
            cwd: None,
            confinement: None,
            container: None,
            marker,
        },
    }
}

/// The same, by an engine that runs a container.
fn contained(spec: Spec, container: &Container, launch: &Launch, seat: &Seat) -> Spec {
    let named = Named::of(&launch.instance, seat.incarnation(), launch.sweeper.confiner().folder());
    let run = Run {
        backend: &launch.backend.name,
        container,
        sandbox: &launch.backend.sandbox,
        named: &named,
        instance: &launch.instance,
        args: &spec.args,
        env: &spec.env,
    };
    let (args, env, env_pass) = (run.arguments(), run.env(), container::env_pass(&spec.env_pass));
    Spec { args, env, env_pass, container: Some(named), ..spec }
}

fn spawn_fault(error: &SpawnError) -> Fault {
    let fault = Fault::new(FaultReason::Spawn, error.to_string());
    if error.is_fatal() { fault.fatal() } else { fault }
}

/// Reads lines until the end, pausing while the Connection is behind.
async fn read(stdout: pipe::Receiver, max_message_bytes: usize, events: Events) {
    let mut lines = LineReader::new(stdout, max_message_bytes);
    let ahead = Arc::new(Semaphore::new(INBOUND_AHEAD));
    let fault = loop {
        let line = match next_line(&mut lines).await {
            Ok(line) => line,
            Err(fault) => break fault,
        };
        // The semaphore is never closed; were it, there would be nobody to read for.
        let Ok(permit) = ahead.clone().acquire_owned().await else { return };
        match classify(line) {
            Inbound::One(message) => {
                events.report(LinkEvent::Message { message, via: None, permit: Some(permit) });
            }
            Inbound::Many(messages) => {
                let mut permit = Some(permit);
                for message in messages {
                    events.report(LinkEvent::Message { message, via: None, permit: permit.take() });
                }
            }
            Inbound::Noise => events.report(LinkEvent::Noise),
            Inbound::Broken(error) => {
                break Fault::new(
                    FaultReason::Protocol,
                    format!("a line that is not valid JSON-RPC: {error}"),
                );
            }
        }
    };
    events.report(LinkEvent::Broken(fault));
}

async fn next_line(lines: &mut LineReader) -> Result<Bytes, Fault> {
    match lines.next().await {
        Ok(Line::Frame(line)) => Ok(line),
        Ok(Line::TooLong { limit }) => {
            let text = format!("a message longer than {limit} bytes (limits.max_message_bytes)");
            Err(Fault::new(FaultReason::Oversize, text))
        }
        Ok(Line::Eof { partial: true }) => {
            Err(Fault::new(FaultReason::Eof, "standard output ended in the middle of a line"))
        }
        Ok(Line::Eof { partial: false }) => Err(Fault::new(FaultReason::Eof, "standard output ended")),
        Err(error) => Err(Fault::new(FaultReason::Eof, format!("standard output cannot be read: {error}"))),
    }
}

impl Link for StdioLink {
    fn send(&mut self, message: Bytes, request: Option<u64>) -> Sent {
        match &mut self.writer {
            Some(writer) => writer.send(&message, request),
            // Closed: whoever sends now is told by the end of the link.
            None => Sent::Queued,
        }
    }

    fn resume(&mut self) -> Result<Vec<u64>, Fault> {
        self.writer.as_mut().map_or(Ok(Vec::new()), Writer::resume)
    }

    fn configure(&mut self, timeouts: &Timeouts) {
        self.ladder = ladder(timeouts);
        if let Some(writer) = &mut self.writer {
            writer.configure(timeouts.write);
        }
    }

    fn close(&mut self) {
        self.writer = None;
        let _ = self.orders.send(self.ladder);
    }

    fn kill(&mut self) {
        let _ = self.orders.send(Order::Kill);
        self.writer = None;
    }

    fn stderr(&self) -> Option<StderrTail> {
        Some(self.stderr.clone())
    }

    fn transport(&self) -> &'static str {
        "pipe"
    }
}

impl Drop for StdioLink {
    fn drop(&mut self) {
        // The orders close with this, which kills the group; the reader would only read its last words.
        self.reader.abort();
    }
}
