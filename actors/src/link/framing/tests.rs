use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::*;

fn lines(limit: usize, chunks: &[&[u8]]) -> (Vec<Line>, bool) {
    let mut splitter = Splitter::new(limit);
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        while let Some(line) = splitter.pop() {
            let stop = matches!(line, Line::TooLong { .. });
            lines.push(line);
            if stop {
                return (lines, false);
            }
        }
    }
    (lines, splitter.is_partial())
}

fn frame(text: &'static str) -> Line {
    Line::Frame(Bytes::from_static(text.as_bytes()))
}

/// If this failed, a server that writes CRLF or blank lines would be taken for a broken one.
#[test]
fn tolerates_carriage_returns_and_blank_lines() {
    assert_eq!(lines(9, &[b"a\r\n\n\r\nb\n"]), (vec![frame("a"), frame("b")], false));
    assert_eq!(lines(9, &[b"a\r", b"\nb", b"\r", b"\n"]), (vec![frame("a"), frame("b")], false));
    assert_eq!(lines(9, &[b"a\rb\n"]), (vec![frame("a\rb")], false));
}

/// If this failed, a message of exactly the allowed size would be refused, or a larger one let through.
#[test]
fn the_cap_is_exact() {
    let too_long = || Line::TooLong { limit: 4 };
    assert_eq!(lines(4, &[b"1234\n"]).0, [frame("1234")]);
    assert_eq!(lines(4, &[b"1234\r\n"]).0, [frame("1234")]);
    assert_eq!(lines(4, &[b"12", b"34\r", b"\n"]).0, [frame("1234")]);
    assert_eq!(lines(4, &[b"12345\n"]).0, [too_long()]);
    assert_eq!(lines(4, &[b"1234", b"5\n"]).0, [too_long()]);
    assert_eq!(lines(4, &[b"ok\n123456"]).0, [frame("ok"), too_long()]);
}

/// If this failed, a server that writes without ever ending a line would fill the memory.
#[test]
fn an_endless_line_is_not_kept() {
    let mut splitter = Splitter::new(1000);
    for _ in 0..10_000 {
        splitter.push(&[b'x'; 100]);
    }
    assert_eq!(splitter.pop(), Some(Line::TooLong { limit: 1000 }));
    assert_eq!(splitter.pop(), Some(Line::TooLong { limit: 1000 }));
    assert_eq!(splitter.partial.capacity(), 0);
}

proptest! {
    /// If this failed, a message would be torn or glued depending on how the kernel cut the stream.
    #[test]
    fn any_chunking_gives_the_same_lines(
        text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..300),
        cuts in proptest::collection::vec(0_usize..300, 0..20),
        limit in 1_usize..40,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(lines(limit, &chunks), lines(limit, &[&text]));

        let expected: Vec<&[u8]> = text.split(|&byte| byte == b'\n').map(without_return).collect();
        let (whole, last) = expected.split_at(expected.len() - 1);
        if expected.iter().all(|line| line.len() <= limit) && last[0].len() < limit {
            let expected: Vec<Line> = whole
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| Line::Frame(Bytes::copy_from_slice(line)))
                .collect();
            prop_assert_eq!(lines(limit, &chunks).0, expected);
        }
    }
}

/// If this failed, messages would be lost or cut while they are read from a real pipe, large ones above all.
#[tokio::test]
async fn reads_a_pipe_to_its_end() {
    let (mut sender, receiver) = pipe::pipe().unwrap();
    let mut reader = LineReader::new(receiver, 1 << 20);
    let writer = tokio::spawn(async move {
        for size in [1, 10, 70_000, 300_000, 2, 1 << 20] {
            sender.write_all(&vec![b'x'; size]).await.unwrap();
            sender.write_all(b"\n").await.unwrap();
        }
        sender.write_all(b"half").await.unwrap();
    });
    for size in [1, 10, 70_000, 300_000, 2, 1 << 20] {
        let Line::Frame(line) = reader.next().await.unwrap() else { panic!("not a frame") };
        assert_eq!(line.len(), size);
    }
    assert_eq!(reader.next().await.unwrap(), Line::Eof { partial: true });
    assert_eq!(reader.next().await.unwrap(), Line::Eof { partial: true });
    writer.await.unwrap();
}

/// If this failed, one message in a thousand would come only with the next one: the read that empties the pipe must not
/// swallow the event of what is written meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_left_waiting() {
    let (mut there, there_end) = pipe::pipe().unwrap();
    let (mut back, back_end) = pipe::pipe().unwrap();
    tokio::spawn(async move {
        let mut reader = LineReader::new(there_end, 100);
        while let Line::Frame(line) = reader.next().await.unwrap() {
            back.write_all(&[&line[..], b"\n"].concat()).await.unwrap();
        }
    });
    let mut reader = LineReader::new(back_end, 100);
    for round in 0..2000 {
        there.write_all(format!("{round}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), reader.next()).await;
        assert_eq!(answer.unwrap().unwrap(), Line::Frame(round.to_string().into()));
    }
}

/// If this failed, a line would be lost whenever something else happened first in the task that reads.
#[tokio::test]
async fn next_can_be_cancelled() {
    let (mut sender, receiver) = pipe::pipe().unwrap();
    let mut reader = LineReader::new(receiver, 100);
    sender.write_all(b"first ha").await.unwrap();
    let timed_out = tokio::time::timeout(std::time::Duration::from_millis(30), reader.next()).await;
    assert!(timed_out.is_err());
    sender.write_all(b"lf\nsecond\n").await.unwrap();
    assert_eq!(reader.next().await.unwrap(), frame("first half"));
    assert_eq!(reader.next().await.unwrap(), frame("second"));
}
