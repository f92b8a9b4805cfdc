//! How the end of a process is seen and brought about, and that nothing of it is left.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::*;

/// If this failed, the error of a crash would not say how the server ended.
#[tokio::test]
async fn tells_exit_code_and_signal() {
    let mut child = Child::start("exit 3").await;
    assert_eq!(child.exited().await, ExitStatus::Code(3));
    assert_eq!(child.gone().await.status, ExitStatus::Code(3));
    let mut child = Child::start("kill -SEGV $$").await;
    assert_eq!(child.exited().await, ExitStatus::Signal(11));
    assert_eq!(child.gone().await.status, ExitStatus::Signal(11));
}

/// If this failed, a wrapper (`npx`) that dies would go unnoticed while its server keeps the pipe open.
#[tokio::test]
async fn a_grandchild_that_holds_stdout_does_not_hide_the_exit() {
    let mut child = Child::start("sleep 1000 & echo $!; exit 7").await;
    let grandchild = child.pid_line().await;
    assert_eq!(child.exited().await, ExitStatus::Code(7));
    child.gone().await;
    assert_dead(grandchild).await;
}

/// If this failed, the servers behind wrappers would pile up, one for each session.
#[tokio::test]
async fn the_whole_group_is_killed() {
    let mut child = Child::start("sleep 1000 & echo $!; sh -c 'sleep 1000 & echo $!; wait' & wait").await;
    let pids = [child.pid_line().await, child.pid_line().await, child.pid];
    child.orders.send(Order::Kill).unwrap();
    assert_eq!(child.gone().await.status, ExitStatus::Signal(9));
    for pid in pids {
        assert_dead(pid).await;
    }
}

/// If this failed, a browser that a server started in its own session would outlive it, or one of another session would
/// be killed with it.
#[tokio::test]
async fn a_setsid_escapee_is_swept_and_others_are_not() {
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";
    let (marker, other_marker) = (fresh_marker(), fresh_marker());
    let mut child = Child::start_marked(script, &marker).await;
    let mut other = Child::start_marked(script, &other_marker).await;
    let (escapee, bystander) = (child.pid_line().await, other.pid_line().await);
    child.orders.send(Order::Kill).unwrap();
    assert!(child.gone().await.swept >= 1);
    assert_dead(escapee).await;
    assert!(is_alive(bystander) && is_alive(other.pid));
    other.orders.send(Order::Kill).unwrap();
    other.gone().await;
    assert_dead(bystander).await;
}

/// If this failed, well-behaved servers would be killed before they have saved their state.
#[tokio::test]
async fn closing_stdin_is_enough_for_a_server_that_behaves() {
    let mut child = Child::start("read line; echo saved; exit 0").await;
    child.stdin = None;
    let ladder =
        Order::Ladder { stdin_grace: Duration::from_secs(3600), term_grace: Duration::from_secs(3600) };
    child.orders.send(ladder).unwrap();
    assert_eq!(child.line().await, "saved");
    assert_eq!(child.gone().await.status, ExitStatus::Code(0));
}

/// If this failed, a server that needs SIGTERM would not get it, or get it twice, which many take for "at once".
#[tokio::test]
async fn sigterm_comes_once() {
    let script = "trap 'echo term' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = Child::start(script).await;
    assert_eq!(child.line().await, "ready");
    let ladder = Order::Ladder { stdin_grace: Duration::ZERO, term_grace: Duration::from_millis(500) };
    child.orders.send(ladder).unwrap();
    let mut rest = String::new();
    timeout(SOON, child.stdout.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "term\n");
    assert_eq!(child.gone().await.status, ExitStatus::Signal(9));
}

/// If this failed, a server that ignores everything would keep mcpvisor from shutting down.
#[tokio::test]
async fn the_ladder_ends_with_sigkill_in_time() {
    let mut child = Child::start("trap '' TERM; echo ready; while :; do sleep 1000; done").await;
    child.line().await;
    let start = Instant::now();
    let grace = Duration::from_millis(200);
    child.orders.send(Order::Ladder { stdin_grace: grace, term_grace: grace }).unwrap();
    let gone = child.gone().await;
    assert_eq!(gone.status, ExitStatus::Signal(9));
    assert!(start.elapsed() >= grace * 2);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// If this failed, a second Ctrl-C would not be heard.
#[tokio::test]
async fn a_kill_cuts_the_ladder_short() {
    let child = Child::start("trap '' TERM; sleep 1000").await;
    let grace = Duration::from_secs(3600);
    child.orders.send(Order::Ladder { stdin_grace: grace, term_grace: grace }).unwrap();
    child.orders.send(Order::Kill).unwrap();
    assert_eq!(child.gone().await.status, ExitStatus::Signal(9));
}

/// If this failed, a panic in mcpvisor would leave a server running: the owner's orders end with it.
#[tokio::test]
async fn a_vanished_owner_kills() {
    let Child { pid, orders, watch, .. } = Child::start("sleep 1000").await;
    drop(orders);
    assert_eq!(timeout(SOON, watch).await.unwrap().unwrap().status, ExitStatus::Signal(9));
    assert_eq!(state(pid), None);
}

/// If this failed, a task that is aborted would leave its server, a browser that got away, or a zombie.
#[tokio::test]
async fn dropping_kills_sweeps_and_reaps() {
    let script = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait";
    let mut child = Child::start(script).await;
    let (grandchild, escapee) = (child.pid_line().await, child.pid_line().await);
    child.watch.abort();
    assert_dead(grandchild).await;
    assert_dead(escapee).await;
    let reaped = async {
        while state(child.pid).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, reaped).await.expect("a zombie is left");
}

/// If this failed, a launch that is cancelled before it is watched would leave its server.
#[tokio::test]
async fn dropping_what_was_never_watched_kills() {
    let spawned = spawn(shell("sleep 1000", &fresh_marker())).await;
    let pid = spawned.pid;
    drop(spawned);
    assert_dead(pid).await;
}

/// If this failed, a shutdown that does not wait for its tasks would leave every server running.
#[test]
fn a_runtime_that_shuts_down_kills_synchronously() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (pid, grandchild) = runtime.block_on(async {
        let mut child = Child::start("trap '' TERM HUP; sleep 1000 & echo $!; wait").await;
        let grandchild = child.pid_line().await;
        let pid = child.pid;
        // Not dropped here: only the end of the runtime ends it.
        std::mem::forget(child);
        (pid, grandchild)
    });
    drop(runtime);
    let deadline = Instant::now() + SOON;
    for pid in [pid, grandchild] {
        while is_alive(pid) {
            assert!(Instant::now() < deadline, "process {pid} is still alive");
            std::thread::yield_now();
        }
    }
}

/// If this failed, the process table would fill with zombies.
#[tokio::test]
async fn no_zombie_is_left() {
    for script in ["exit 0", "kill -9 $$", "sleep 1000"] {
        let child = Child::start(script).await;
        let pid = child.pid;
        if script.starts_with("sleep") {
            child.orders.send(Order::Kill).unwrap();
        }
        child.gone().await;
        assert_eq!(state(pid), None, "{script}");
    }
}

/// If this failed, `status` would show no processor time, or one that is not this server's.
#[tokio::test]
async fn processor_time_is_counted() {
    let child = Child::start("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").await;
    let seconds = child.gone().await.cpu_seconds;
    assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
}

/// If this failed, the answer that a server writes just before it exits could be cut off by the kill of its group.
#[tokio::test]
async fn last_words_can_still_be_read() {
    let mut child = Child::start("printf '%65000s\\n' x; exit 1").await;
    child.exited().await;
    assert_eq!(child.line().await, "x");
}

/// If this failed, many sessions that die at once would be cleaned up one after the other, too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_deaths_at_once_share_their_sweeps() {
    let sweeper = Sweeper::new();
    let start = Instant::now();
    let sweeps: Vec<_> = (0..500)
        .map(|_| {
            let (sweeper, marker) = (sweeper.clone(), fresh_marker());
            tokio::spawn(async move { sweeper.sweep(&marker).await })
        })
        .collect();
    for sweep in sweeps {
        assert_eq!(timeout(SOON, sweep).await.unwrap().unwrap(), 0);
    }
    println!("500 sweeps: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
