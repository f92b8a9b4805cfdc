//! Where one request ends and the next begins: whoever can make two parties disagree about it speaks with another's voice.

use crate::wire::Then::{self, Ends, Waits};
use crate::world::{MALLORY, World};

/// What it is, two things of which it consists, and the lists of statuses that are right.
type Row<T> = (&'static str, String, T, &'static [&'static [u16]]);

/// A request that is answered if it is taken for one.
const SMUGGLED: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A POST of Mallory's session without what says how long it is.
fn post(world: &World, headers: &str, body: &str) -> Vec<u8> {
    let session = &world.mallory.session;
    format!(
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {MALLORY}\r\nMcp-Session-Id: {session}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Behind a proxy that goes by the other length, one user's request would be read as the beginning of another's.
#[tokio::test]
async fn a_request_has_one_length_or_is_the_last_of_its_connection() {
    let world = World::new("").await;
    let length = PING.len();
    let whole = chunked(PING) + SMUGGLED;
    let both = |first: &str, second: &str| format!("{first}{second}");
    let te = "Transfer-Encoding: chunked\r\n";
    let cl = |length: usize| format!("Content-Length: {length}\r\n");
    let rows: Vec<Row<String>> = vec![
        ("CL and TE, the length covers all", both(&cl(whole.len()), te), whole.clone(), &[&[200], &[400]]),
        ("TE and CL", both(te, &cl(whole.len())), whole.clone(), &[&[200], &[400]]),
        ("TE and a short CL", both(te, &cl(4)), whole.clone(), &[&[200], &[400]]),
        (
            "CL and an empty chunked body",
            both(&cl(5 + SMUGGLED.len()), te),
            format!("0\r\n\r\n{SMUGGLED}"),
            &[&[400]],
        ),
        ("TE alone and one more behind", te.into(), whole.clone(), &[&[200]]),
        ("TE twice", both(te, te), whole.clone(), &[&[200], &[400]]),
        (
            "TE of two lines, not the last chunked",
            both(te, "Transfer-Encoding: identity\r\n"),
            whole.clone(),
            &[&[400]],
        ),
        (
            "TE of two words, not the last chunked",
            "Transfer-Encoding: chunked, identity\r\n".into(),
            whole.clone(),
            &[&[400]],
        ),
        (
            "TE of another word",
            both(&cl(length), "Transfer-Encoding: xchunked\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "TE with a vertical tab",
            both(&cl(length), "Transfer-Encoding:\x0bchunked\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "TE with a space before the colon",
            both(&cl(length), "Transfer-Encoding : chunked\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "TE after a folded line",
            both(&cl(length), "X: y\r\n Transfer-Encoding: chunked\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "TE in quotes",
            both(&cl(length), "Transfer-Encoding: \"chunked\"\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "TE of a coding that is not known",
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            whole.clone(),
            &[&[200], &[400], &[501]],
        ),
        (
            "two lengths",
            both(&cl(length), &cl(length + SMUGGLED.len())),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "two lengths in a line",
            format!("Content-Length: {length}, {}\r\n", length + 1),
            PING.to_owned(),
            &[&[400]],
        ),
        ("a length of nothing", "Content-Length: \r\n".into(), PING.to_owned() + SMUGGLED, &[&[400]]),
        (
            "a length with a sign",
            format!("Content-Length: +{length}\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        ("a length below zero", "Content-Length: -1\r\n".into(), SMUGGLED.into(), &[&[400]]),
        (
            "a length in hex",
            format!("Content-Length: 0x{length:x}\r\n"),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "a length with a space in it",
            "Content-Length: 4 0\r\n".into(),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "a length with an exponent",
            "Content-Length: 4e1\r\n".into(),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "a length in other digits",
            "Content-Length: \u{664}\u{660}\r\n".into(),
            PING.to_owned() + SMUGGLED,
            &[&[400]],
        ),
        (
            "the largest length",
            "Content-Length: 18446744073709551615\r\n".into(),
            PING.to_owned(),
            &[&[400], &[413], &[431]],
        ),
        (
            "a length beyond the largest",
            "Content-Length: 18446744073709551656\r\n".into(),
            PING.to_owned(),
            &[&[400]],
        ),
        (
            "a length of many digits",
            format!("Content-Length: {}\r\n", "9".repeat(5000)),
            PING.to_owned(),
            &[&[400]],
        ),
    ];
    for (name, headers, body, accepted) in rows {
        world.sends(name, &post(&world, &headers, &body), Waits, true, accepted).await;
    }
    // What is no attack is not punished.
    let (once, twice) = (cl(length), both(&cl(length), &cl(length)));
    for (name, headers, accepted) in [
        ("one length", once, &[&[200_u16, 200][..]][..]),
        ("the same length twice", twice, &[&[200, 200], &[400]]),
    ] {
        world
            .sends(name, &post(&world, &headers, &(PING.to_owned() + SMUGGLED)), Waits, false, accepted)
            .await;
    }
    world.ends("framing, lengths").await;
}

/// A body that is cut or does not add up would be taken for a whole one, or hold a connection for ever.
#[tokio::test]
async fn chunks_add_up_or_are_refused() {
    let world = World::new("").await;
    let size = format!("{:x}", PING.len());
    let ok: &[&[u16]] = &[&[200]];
    let bad: &[&[u16]] = &[&[400]];
    let rows: Vec<Row<Then>> = vec![
        ("no chunk", "0\r\n\r\n".into(), Waits, bad),
        ("a size that is none", format!("zz\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("no size", format!("\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("a size below zero", format!("-{size}\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("a size with a sign", format!("+{size}\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("a size with 0x", format!("0x{size}\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("the largest size", format!("FFFFFFFFFFFFFFFF\r\n{PING}"), Ends, bad),
        ("a size beyond the largest", format!("FFFFFFFFFFFFFFFFF\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        (
            "a size of many zeros",
            format!("{}{size}\r\n{PING}\r\n0\r\n\r\n", "0".repeat(5000)),
            Waits,
            &[&[200], &[400]],
        ),
        ("a chunk longer than its size", format!("3\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("a chunk shorter than its size", format!("ff\r\n{PING}\r\n0\r\n\r\n"), Ends, bad),
        ("a chunk that ends in LF", format!("{size}\r\n{PING}\n0\r\n\r\n"), Waits, bad),
        ("a size that ends in LF", format!("{size}\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("a size that ends in CR", format!("{size}\r{PING}\r\n0\r\n\r\n"), Waits, bad),
        ("an extension", format!("{size};name=\"value\"\r\n{PING}\r\n0\r\n\r\n"), Waits, ok),
        ("an extension with LF in it", format!("{size};a\nb\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
        (
            "an extension of 1 MiB",
            format!("{size};{}\r\n{PING}\r\n0\r\n\r\n", "x".repeat(1 << 20)),
            Waits,
            bad,
        ),
        (
            "many extensions",
            format!("{}0\r\n\r\n", format!("1;{}\r\n \r\n", "x".repeat(100)).repeat(5000)),
            Waits,
            bad,
        ),
        (
            "chunks of a byte each",
            PING.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect::<String>()
                + "0\r\n\r\n",
            Waits,
            ok,
        ),
        ("trailers", format!("{size}\r\n{PING}\r\n0\r\nX-Trailer: y\r\n\r\n"), Waits, ok),
        (
            "trailers that are headers",
            format!(
                "{size}\r\n{PING}\r\n0\r\nHost: evil.example\r\nContent-Length: 3\r\nAuthorization: Bearer x\r\n\r\n"
            ),
            Waits,
            ok,
        ),
        (
            "trailers of 1 MiB",
            format!("{size}\r\n{PING}\r\n0\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
            Waits,
            bad,
        ),
        ("many trailers", format!("{size}\r\n{PING}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20_000)), Waits, bad),
        ("no end", format!("{size}\r\n{PING}\r\n"), Ends, bad),
        ("the end of an end", format!("{size}\r\n{PING}\r\n0\r\n"), Ends, &[&[200], &[400], &[]]),
        ("a NUL for a size", format!("\0\r\n{PING}\r\n0\r\n\r\n"), Waits, bad),
    ];
    for (name, body, then, accepted) in rows {
        let accepted = if then == Ends { &[accepted, &[&[]]].concat() } else { accepted };
        world.sends(name, &post(&world, "Transfer-Encoding: chunked\r\n", &body), then, true, accepted).await;
    }
    let cut = [
        ("a body that is cut", "Content-Length: 400\r\n"),
        ("a body that never begins", "Content-Length: 4000000\r\n"),
    ];
    for (name, headers) in cut {
        let body = if name.contains("never") { "" } else { PING };
        world.sends(name, &post(&world, headers, body), Ends, true, &[&[400], &[]]).await;
    }
    world.ends("framing, chunks").await;
}
