//! Real processes. This file holds what the tests share.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::watch::Gone;
use crate::process::{self, ExitStatus, Order, Spawned, Spec, Sweeper};

mod ends;
mod starts;

/// Generous: these tests share the machine with others.
pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) fn shell(script: &str, marker: &str) -> Spec {
    Spec {
        command: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::new(),
        env_pass: vec!["PATH".into()],
        cwd: None,
        confinement: None,
        container: None,
        marker: marker.into(),
    }
}

/// A marker that no other run of any test uses.
pub(super) fn fresh_marker() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    process::marker(&format!("test-{}", std::process::id()), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) async fn spawn(spec: Spec) -> Spawned {
    tokio::task::spawn_blocking(move || process::spawn(&spec)).await.unwrap().unwrap()
}

/// A watched child, its pipes, and the first lines of its stdout.
pub(super) struct Child {
    pub(super) pid: u32,
    pub(super) stdin: Option<pipe::Sender>,
    pub(super) stdout: BufReader<pipe::Receiver>,
    _stderr: pipe::Receiver,
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) exited: Option<oneshot::Receiver<ExitStatus>>,
    pub(super) watch: JoinHandle<Gone>,
}

impl Child {
    pub(super) async fn start(script: &str) -> Self {
        Self::start_marked(script, &fresh_marker()).await
    }

    pub(super) async fn start_marked(script: &str, marker: &str) -> Self {
        let Spawned { pid, stdin, stdout, stderr, process } = spawn(shell(script, marker)).await;
        let (orders, ordered) = mpsc::unbounded_channel();
        let (tell, exited) = oneshot::channel();
        let watch = tokio::spawn(process.watch(ordered, Sweeper::new(), move |status| {
            let _ = tell.send(status);
        }));
        let stdout = BufReader::new(stdout);
        Self { pid, stdin: Some(stdin), stdout, _stderr: stderr, orders, exited: Some(exited), watch }
    }

    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(SOON, self.stdout.read_line(&mut line)).await.unwrap().unwrap();
        line.trim().to_owned()
    }

    pub(super) async fn pid_line(&mut self) -> u32 {
        self.line().await.parse().unwrap()
    }

    pub(super) async fn exited(&mut self) -> ExitStatus {
        timeout(SOON, self.exited.take().unwrap()).await.unwrap().unwrap()
    }

    pub(super) async fn gone(self) -> Gone {
        timeout(SOON, self.watch).await.unwrap().unwrap()
    }
}

/// The state letter in `/proc`, or `None` if there is no such process.
pub(super) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

pub(super) fn is_alive(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Waits for its end; a zombie that belongs to init may remain.
pub(super) async fn assert_dead(pid: u32) {
    let dead = async {
        while is_alive(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, dead).await.unwrap_or_else(|_| panic!("process {pid} is still alive"));
}
