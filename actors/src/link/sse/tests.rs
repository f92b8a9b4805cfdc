//! Streams of events in every chunking, good and bad.

use proptest::prelude::*;

use super::*;

type Seen = (Vec<Bytes>, Option<Bytes>, Option<Duration>, Option<TooLong>);

fn read<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let (mut parser, mut messages) = (Parser::new(limit), Vec::new());
    for chunk in chunks {
        parser.push(Bytes::copy_from_slice(chunk));
        loop {
            match parser.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, parser.last_id().cloned(), parser.retry(), Some(error)),
            }
        }
    }
    (messages, parser.last_id().cloned(), parser.retry(), None)
}

impl Parser {
    fn next_message(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            match self.next_event()? {
                Some(Event::Message(message)) => return Ok(Some(message)),
                Some(Event::Endpoint(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

fn messages(text: &str) -> Vec<String> {
    let (messages, ..) = read(1024, [text.as_bytes()]);
    messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
}

#[test]
fn an_answer_arrives_with_every_kind_of_line_end() {
    for end in ["\n", "\r", "\r\n"] {
        let text = ["data: {\"a\":", "data:1}", "", "data: 2", "", ""].join(end);
        assert_eq!(messages(&text), ["{\"a\":\n1}", "2"], "{end:?}");
    }
}

#[test]
fn comments_unknown_fields_and_foreign_events_are_no_messages() {
    assert_eq!(
        messages(": keep-alive\n\nfoo: x\nevent: ping\ndata: no\n\nevent: message\ndata: yes\n\n"),
        ["yes"]
    );
    assert_eq!(messages("data\n\ndata:\n\n"), [""; 0]);
    assert_eq!(messages("data:  two spaces\n\n"), [" two spaces"]);
}

#[test]
fn where_messages_go_is_no_message() {
    let mut parser = Parser::new(64);
    parser.push(Bytes::from_static(b"event: endpoint\ndata: /m?id=1\n\ndata: {}\n\n"));
    assert_eq!(parser.next_event(), Ok(Some(Event::Endpoint("/m?id=1".into()))));
    assert_eq!(parser.next_event(), Ok(Some(Event::Message("{}".into()))));
    assert_eq!(messages("event: endpoint\ndata: /m\n\ndata: {}\n\n"), ["{}"]);
}

#[test]
fn an_event_cut_short_is_not_delivered_and_its_id_is_not_resumed_from() {
    let (messages, id, ..) = read(64, [&b"id: 1\ndata: a\n\nid: 2\ndata: b\n"[..]]);
    assert_eq!((messages, id), (vec![Bytes::from("a")], Some(Bytes::from("1"))));
}

#[test]
fn a_priming_event_gives_an_id_to_resume_from() {
    let (messages, id, retry, _) = read(64, [&b"id: p\nretry: 250\ndata:\n\n"[..]]);
    assert_eq!((messages.len(), id), (0, Some(Bytes::from("p"))));
    assert_eq!(retry, Some(Duration::from_millis(250)));
}

#[test]
fn bad_retry_and_bad_id_are_ignored() {
    let (_, id, retry, _) = read(64, [&b"id: 1\nretry: 5\n\nid: a\0b\nretry: soon\n\n"[..]]);
    assert_eq!((id, retry), (Some(Bytes::from("1")), Some(Duration::from_millis(5))));
    assert_eq!(read(64, [&b"id: 1\n\nid\n\n"[..]]).1, None);
}

#[test]
fn a_byte_order_mark_does_not_hide_the_first_field() {
    assert_eq!(messages("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
}

#[test]
fn memory_stays_bounded_by_the_limit() {
    let whole = |text: &[u8]| read(8, [text]);
    assert_eq!(whole(b"data: 12345678\n\n").0, [Bytes::from("12345678")]);
    assert!(whole(b"data: 123456789\n\n").3.is_some());
    assert!(whole(b"data: 1234\ndata: 5678\n\n").3.is_some());
    assert!(whole(&[b'x'; 80]).3.is_some(), "a line that never ends");
    assert!(whole("data:\n".repeat(20).as_bytes()).3.is_some(), "empty lines add up");
}

proptest! {
    /// A message would be lost or doubled depending on how the network cut the stream.
    #[test]
    fn any_chunking_reads_the_same(
        parts in prop::collection::vec(prop::sample::select(vec![
            "data: {}", "data: 0123456789", "data", "id: 7", "id:", "retry: 10", "event: x", "event: message",
            ": c", "\u{feff}", "\r", "\n", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "é",
        ]), 0..60),
        cuts in prop::collection::vec(0usize..400, 0..12),
        limit in 4usize..40,
    ) {
        let text = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]);
        prop_assert_eq!(read(limit, chunks), read(limit, [&text[..]]));
    }
}
