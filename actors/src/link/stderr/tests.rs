use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::*;

fn start() -> (pipe::Sender, StderrTail) {
    let (sender, receiver) = pipe::pipe().unwrap();
    (sender, spawn(receiver, "memory".into(), "1a2b3c".into(), 77))
}

/// If this failed, the error of a crash would lack the traceback that the server wrote just before.
#[tokio::test]
async fn the_tail_holds_what_was_just_written() {
    let (mut sender, tail) = start();
    sender.write_all(b"one\ntwo\nthree\n").await.unwrap();
    assert_eq!(tail.tail(1000).await, "one\ntwo\nthree\n");
    assert_eq!(tail.tail(10).await, "two\nthree\n");

    sender.write_all(b"last words").await.unwrap();
    drop(sender);
    timeout(Duration::from_secs(10), tail.requests.closed()).await.unwrap();
    assert_eq!(tail.tail(10).await, "last words");
    assert_eq!(tail.clone().tail(1000).await, "one\ntwo\nthree\nlast words");
}

/// Nobody could read why a server died, nor follow what one says; or to look would keep a pipe open for ever.
#[tokio::test]
async fn a_record_is_followed_to_the_end_and_read_afterwards() {
    let (mut sender, tail) = start();
    let mut record = tail.record(7, Some(77));
    sender.write_all(b"one\n").await.unwrap();
    assert!(timeout(Duration::from_secs(10), record.more_than(0)).await.unwrap());
    let first = record.since(0).await;
    assert_eq!((&*first.text, first.end), (&b"one\n"[..], 4));
    sender.write_all(b"two\n").await.unwrap();
    assert!(record.more_than(first.end).await);
    assert_eq!(record.since(first.end).await.text, "two\n");

    sender.write_all(b"last words\n").await.unwrap();
    drop((sender, tail));
    let mut end = 8;
    while timeout(Duration::from_secs(10), record.more_than(end)).await.unwrap() {
        end = record.since(end).await.end;
    }
    assert_eq!(end, 19);
    assert_eq!(record.since(0).await.text, "one\ntwo\nlast words\n");
    assert_eq!(record.since(8).await.text, "last words\n");
}

/// If this failed, every server whose descendant holds stderr would cost a task and a descriptor for ever.
#[tokio::test(start_paused = true)]
async fn nobody_drains_a_forgotten_pipe_for_ever() {
    let (mut sender, tail) = start();
    sender.write_all(b"x").await.unwrap();
    drop(tail);
    sender.write_all(b"still drained\n").await.unwrap();
    tokio::time::sleep(LINGER * 2).await;
    assert!(sender.write_all(b"x").await.is_err());
}

/// If this failed, a server that logs much would stand still on a full pipe, or fill the memory.
#[tokio::test]
async fn a_flood_is_drained() {
    let (mut sender, tail) = start();
    let flood = async {
        for _ in 0..1000 {
            sender.write_all(&b"0123456789abcde\n".repeat(1024)).await.unwrap();
        }
        sender.write_all(b"end\n").await.unwrap();
    };
    timeout(Duration::from_secs(30), flood).await.unwrap();
    let end = tail.tail(1 << 20).await;
    assert!(end.ends_with(b"abcde\nend\n"));
    assert!(end.len() <= 64 * 1024);
}

/// If this failed, nobody could read in the log what a server complained of, or the log would drown in it.
#[test]
fn lines_are_logged_with_their_origin_and_counted_when_too_many() {
    let (logged, log) = mpsc::channel();
    let writer = move || Lines(logged.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let now = Instant::now();
        let origin = Origin { backend: "memory".into(), session: "1a2b3c".into(), pid: 77 };
        let mut line_log = LineLog::new(origin, now);
        line_log.push(b"Trace", now);
        line_log.push(b"back\r\n\nsecond\n", now);
        line_log.push(&b"again\n".repeat(1000), now);
        line_log.rename("4d5e6f".into());
        line_log.push(b"end", now);
        line_log.finish(now + Duration::from_secs(10));
    });
    let text: String = log.try_iter().collect();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("mcpvisor::backend: Traceback backend=memory session=1a2b3c pid=77"),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains("second"));
    let told = lines.iter().filter(|line| line.contains("again")).count();
    assert!((40..=50).contains(&told), "{told}");
    let suppressed = format!("{} lines suppressed", 1000 - told);
    assert!(lines[lines.len() - 2].contains(&suppressed), "{lines:?}");
    let last = lines[lines.len() - 1];
    assert!(last.contains("end") && last.contains("session=4d5e6f"), "whose it is by then: {last}");
}

struct Lines(mpsc::Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
