//! Reading the body of a request: bounded in bytes, and in how long it may stand still.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

/// A client that sends nothing for this long in the middle of a body has gone, or means no good.
const STALL: Duration = Duration::from_secs(30);
/// How much of a body that is too long is read and thrown away: many clients read no answer before
/// they have sent everything, and would only see a broken connection.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Why there is no body to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Longer than the limit.
    TooLong,
    /// It ended before its length, or came in no shape that HTTP allows.
    Cut,
    /// It stood still, or took too long.
    TooSlow,
}

/// Whether the body announces itself as longer than `limit`.
pub(crate) fn announces_more_than(headers: &HeaderMap, limit: usize) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64)
}

/// The whole body, if it has no more than `limit` bytes and is there `within` this time.
pub(crate) async fn read<B>(mut body: B, limit: usize, within: Duration) -> Result<Bytes, Unreadable>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = BytesMut::new();
    let Some(first) = next(&mut body, within.min(STALL)).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(Unreadable::TooLong);
    }
    if body.is_end_stream() {
        return Ok(first); // the usual case: the body came in one piece, and is not copied
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(limit);
    whole.reserve(first.len().saturating_add(expected));
    whole.extend_from_slice(&first);
    let deadline = Instant::now() + within;
    while let Some(piece) =
        timeout_at(deadline, next(&mut body, STALL)).await.map_err(|_| Unreadable::TooSlow)??
    {
        if whole.len() + piece.len() > limit {
            Box::pin(discard(body)).await;
            return Err(Unreadable::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Reads on without keeping anything, so that the client gets to read our answer.
pub(crate) async fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = DISCARD_BYTES;
    let reading = async {
        while let Ok(Some(piece)) = next(&mut body, STALL).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // Out of time: the connection is closed under the client, which is all that is left to do.
    let _ = timeout(DISCARD_TIME, reading).await;
}

/// The next piece with data in it, which may take so long.
async fn next<B>(body: &mut B, patience: Duration) -> Result<Option<Bytes>, Unreadable>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = match timeout(patience, body.frame()).await {
            Err(_) => return Err(Unreadable::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Unreadable::Cut),
            Ok(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            _ => {} // trailers
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;
    use http_body_util::Full;

    use super::*;

    struct Pieces(VecDeque<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    #[tokio::test]
    async fn a_body_is_read_whole_up_to_its_limit_and_not_a_byte_further() {
        let pieces = |list: &[&'static [u8]]| Pieces(list.iter().copied().collect());
        let within = Duration::from_secs(1);
        assert_eq!(read(pieces(&[b"ab", b"", b"cd"]), 4, within).await.as_deref(), Ok(&b"abcd"[..]));
        assert_eq!(read(pieces(&[b"ab", b"cde"]), 4, within).await, Err(Unreadable::TooLong));
        assert_eq!(read(pieces(&[]), 4, within).await.as_deref(), Ok(&b""[..]));
        assert_eq!(
            read(Full::new(Bytes::from_static(b"abcd")), 4, within).await.as_deref(),
            Ok(&b"abcd"[..])
        );
        assert_eq!(read(Full::new(Bytes::from_static(b"abcde")), 4, within).await, Err(Unreadable::TooLong));
    }

    /// Comes now and then, and never stands still for long.
    struct Trickle(tokio::time::Interval);

    impl Body for Trickle {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// Who sends one byte now and then would hold a connection, and what was read of it, for ever.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let (start, trickle) = (Instant::now(), Trickle(tokio::time::interval(STALL / 3)));
        let within = STALL * 4;
        assert_eq!(read(trickle, 1 << 20, within).await, Err(Unreadable::TooSlow));
        assert_eq!(start.elapsed(), within);
    }

    #[test]
    fn a_length_over_the_limit_is_seen_before_anything_is_read() {
        let announces = |value: &str| {
            let headers = [(header::CONTENT_LENGTH, value.parse().unwrap())].into_iter().collect();
            announces_more_than(&headers, 10)
        };
        assert!(announces("11"));
        assert!(!announces("10"));
        assert!(!announces_more_than(&HeaderMap::new(), 10));
    }
}
