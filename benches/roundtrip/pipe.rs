//! The same load without HTTP: the backend's own standard input and output. Blocking threads, no runtime.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use crate::common::message;
use crate::common::server::Server;
use crate::common::tool::{Era, Tool};
use crate::figures::Figures;
use crate::options::Options;
use crate::scenario::RoundTrip;

/// A backend after its handshake.
struct Pipe {
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
    before: Vec<u8>,
    call: String,
    // Dropped after its input: that alone ends it.
    server: Server,
}

/// One child and one thread per session, each with as many calls in flight as the scenario has callers.
pub(crate) fn measure(fixture: &Path, scenario: &RoundTrip, options: &Options) -> anyhow::Result<Figures> {
    let pipes: Vec<Pipe> =
        (0..scenario.sessions).map(|_| Pipe::open(fixture)).collect::<anyhow::Result<_>>()?;
    let from = Instant::now() + options.warm_up();
    let until = from + options.measured();
    let (window, tool) = (scenario.callers, scenario.tool);
    let running: Vec<_> = pipes
        .into_iter()
        .map(|mut pipe| thread::spawn(move || pipe.run(tool, window, from, until)))
        .collect();
    let mut latencies = Vec::new();
    for thread in running {
        latencies.append(&mut thread.join().map_err(|_| anyhow!("a thread panicked"))??);
    }
    Ok(Figures::of(latencies, options.measured(), None, None))
}

/// From the start of a backend to its first result; then it is ended.
pub(crate) fn first_result(fixture: &Path) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let mut pipe = Pipe::open(fixture)?;
    pipe.send_call(Tool::Echo, &mut 0, &mut [begin])?;
    pipe.receive()?;
    let took = begin.elapsed();
    Tool::Echo.check(&pipe.line, 0)?;
    Ok(took)
}

impl Pipe {
    fn open(fixture: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(fixture);
        let mut server = Server::start(command.arg("echo").stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let input = server.child().stdin.take();
        let output = BufReader::new(server.child().stdout.take().context("no standard output")?);
        let (line, before, call) = Default::default();
        let mut pipe = Self { input, output, line, before, call, server };
        pipe.send(&message::initialize())?;
        pipe.receive()?;
        pipe.send(message::INITIALIZED)?;
        Ok(pipe)
    }

    fn run(
        &mut self,
        tool: Tool,
        window: usize,
        from: Instant,
        until: Instant,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(1 << 15);
        let mut sent = vec![Instant::now(); window];
        let mut next = 0;
        for _ in 0..window {
            self.send_call(tool, &mut next, &mut sent)?;
        }
        // The backend has one thread: it answers in order.
        for id in 0.. {
            self.before.clear();
            for _ in 0..tool.messages_before() {
                self.receive()?;
                self.before.extend_from_slice(&self.line);
            }
            self.receive()?;
            let now = Instant::now();
            tool.check(&self.line, id)?;
            tool.check_before(&self.before, id)?;
            if now >= until {
                break;
            }
            if now >= from {
                latencies.push(now - sent[id as usize % window]);
            }
            self.send_call(tool, &mut next, &mut sent)?;
        }
        Ok(latencies)
    }

    fn send_call(&mut self, tool: Tool, next: &mut u64, sent: &mut [Instant]) -> anyhow::Result<()> {
        let mut call = std::mem::take(&mut self.call);
        tool.write_call(Era::Legacy, &mut call, *next);
        let slot = *next as usize % sent.len();
        sent[slot] = Instant::now();
        *next += 1;
        self.send(&call)?;
        self.call = call;
        Ok(())
    }

    fn send(&mut self, message: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("no standard input")?;
        self.line.clear();
        self.line.extend_from_slice(message.as_bytes());
        self.line.push(b'\n');
        Ok(input.write_all(&self.line)?)
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        self.line.clear();
        let read = self.output.read_until(b'\n', &mut self.line)?;
        ensure!(read > 0, "the backend {} ended", self.server.pid());
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.input = None;
    }
}
