//! A process under measurement: started, asked for its processor time, ended whatever happens.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// How long an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends its process when it is dropped.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = Path::new(command.get_program()).display().to_string();
        Ok(Self(command.spawn().with_context(|| format!("cannot start {name}"))?))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end; after some time it is made to.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
        let asked = Instant::now();
        if let (Ok(None), Some(pid)) = (self.0.try_wait(), as_pid(self.0.id())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(5));
        }
        self.0.kill()?;
        self.0.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Processor time of a process so far, user and system, without its children.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; the numbers begin after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let spent = ticks()? + ticks()?;
    Some(Duration::from_secs_f64(spent as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// For the calls of the system.
pub(crate) fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
