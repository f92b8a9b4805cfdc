use std::future::poll_fn;

use hyper::rt::ReadBuf;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(20),
    idle: Duration::from_secs(100),
    rest: Duration::from_secs(200),
};

fn connection(buffer: usize) -> (DuplexStream, Patient<TokioIo<DuplexStream>>, Arc<Stage>) {
    let (client, ours) = duplex(buffer);
    let stage = Arc::<Stage>::default();
    (client, Patient::new(TokioIo::new(ours), stage.clone(), PATIENCE), stage)
}

/// How many bytes one read gives.
async fn read(io: &mut Patient<TokioIo<DuplexStream>>) -> io::Result<usize> {
    let mut bytes = [0; 64];
    poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut *io).poll_read(cx, buf.unfilled());
        read.map_ok(|()| buf.filled().len())
    })
    .await
}

/// Whoever opens connections and sends nothing, or a byte now and then, would have them all.
#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte_and_silence_another() {
    let (mut client, mut io, _) = connection(64);
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(90)).await;
    client.write_all(b"G").await.unwrap();
    assert_eq!(read(&mut io).await.unwrap(), 1);
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            client.write_all(b"x").await.unwrap();
        }
    };
    let reading = async {
        loop {
            if let Err(error) = read(&mut io).await {
                return error;
            }
        }
    };
    let error = tokio::select! { error = reading => error, () = trickle => unreachable!() };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(110), "20 s after the first byte");
    let mut told = [0; 12];
    client.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 408");

    let (client, mut io, _) = connection(64);
    let start = Instant::now();
    assert_eq!(read(&mut io).await.unwrap(), 0, "the end, and no error: it had asked nothing");
    assert_eq!(start.elapsed(), Duration::from_secs(100));
    drop(client);
}

/// A slow tool, or a stream, would be cut off.
#[tokio::test(start_paused = true)]
async fn no_time_runs_while_a_request_is_answered_and_it_begins_anew_afterwards() {
    let (mut client, mut io, stage) = connection(64);
    for _ in 0..3 {
        client.write_all(b"GET").await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), 3);
        stage.set(About::Request);
        assert!(timeout(Duration::from_secs(3600), read(&mut io)).await.is_err(), "an hour, and still open");
        stage.set(About::Idle);
        assert!(timeout(Duration::from_secs(99), read(&mut io)).await.is_err());
    }
    // Without anything to wait for in between, the same.
    for _ in 0..3 {
        client.write_all(b"GET").await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), 3);
        stage.set(About::Request);
        stage.set(About::Idle);
        assert!(timeout(Duration::from_secs(99), read(&mut io)).await.is_err());
    }
}

/// An answer would be cut short by the answer to something else.
#[tokio::test(start_paused = true)]
async fn nobody_is_cut_off_who_still_reads() {
    let (mut client, mut io, _) = connection(4);
    let write = async |io: &mut Patient<TokioIo<DuplexStream>>| {
        poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, b"answer")).await.unwrap()
    };
    client.write_all(b"G").await.unwrap();
    assert_eq!(read(&mut io).await.unwrap(), 1);
    assert_eq!(write(&mut io).await, 4);
    assert!(timeout(Duration::from_secs(1), write(&mut io)).await.is_err(), "nobody reads");
    assert!(timeout(Duration::from_secs(3600), read(&mut io)).await.is_err());
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(write(&mut io).await, 4);
    assert_eq!(read(&mut io).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// A connection taken apart in the middle of a request, or put together without what was read ahead, would lose it.
#[tokio::test(start_paused = true)]
async fn it_rests_when_it_asks_for_nothing_and_goes_on_where_it_was() {
    let (mut client, io, stage) = connection(64);
    let mut io = Patient { patience: Patience { rest: Duration::from_secs(1), ..PATIENCE }, ..io };
    client.write_all(b"GET").await.unwrap();
    assert_eq!(read(&mut io).await.unwrap(), 3);
    for busy in [About::Head, About::Request] {
        stage.set(busy);
        assert!(timeout(Duration::from_secs(5), read(&mut io)).await.is_err());
        assert_eq!(stage.about(), busy);
    }
    stage.set(About::Idle);
    assert!(timeout(Duration::from_millis(900), read(&mut io)).await.is_err());
    assert_eq!(stage.about(), About::Idle);
    assert!(timeout(Duration::from_millis(200), read(&mut io)).await.is_err());
    assert_eq!(stage.about(), About::Rest);
    let since = io.at_rest().1.unwrap();
    assert_eq!(since.elapsed(), Duration::from_millis(1100), "since when it is idle");
    io.resume(Bytes::from_static(b"ahead"));
    client.write_all(b"!").await.unwrap();
    assert_eq!(read(&mut io).await.unwrap(), 5);
    assert_eq!(stage.about(), About::Head);
    assert_eq!(read(&mut io).await.unwrap(), 1);
}

/// Each connection would keep its buffers: hyper does not read again after a response whose last read was in vain.
#[tokio::test(start_paused = true)]
async fn it_rests_also_if_nobody_tries_to_read() {
    let (mut client, io, stage) = connection(64);
    let mut io = Patient { patience: Patience { rest: Duration::from_secs(1), ..PATIENCE }, ..io };
    client.write_all(b"GET").await.unwrap();
    assert_eq!(read(&mut io).await.unwrap(), 3);
    stage.set(About::Request);
    stage.set(About::Idle);
    let rests = poll_fn(|cx| {
        let _ = Pin::new(&mut io).poll_flush(cx);
        if stage.about() == About::Rest { Poll::Ready(()) } else { Poll::Pending }
    });
    assert!(timeout(Duration::from_secs(2), rests).await.is_ok());
}
