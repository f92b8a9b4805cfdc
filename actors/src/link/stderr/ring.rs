//! The last 64 KiB of a stream.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Written;

/// What is kept of a child's stderr, in bytes.
const RING_BYTES: usize = 64 * 1024;

/// Grows with what is written, up to 64 KiB: most servers write little or nothing.
#[derive(Debug, Default)]
pub(super) struct StderrRing {
    bytes: VecDeque<u8>,
    /// Something was dropped at the front, so that the first line may lack its beginning.
    cut: bool,
    /// Bytes that were written in all.
    end: u64,
}

impl StderrRing {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let newest = &chunk[chunk.len().saturating_sub(RING_BYTES)..];
        let excess = (self.bytes.len() + newest.len()).saturating_sub(RING_BYTES);
        self.cut |= excess > 0 || newest.len() < chunk.len();
        self.bytes.drain(..excess);
        self.bytes.extend(newest);
        self.end += chunk.len() as u64;
    }

    /// Bytes that were written in all.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// What was written from this offset on. Where some of that has been forgotten, it begins with a whole line.
    pub(super) fn since(&mut self, from: u64) -> Written {
        let end = self.end;
        let kept = end - self.bytes.len() as u64;
        let bytes = self.bytes.make_contiguous();
        let text = match from.checked_sub(kept) {
            Some(skipped) => Bytes::copy_from_slice(&bytes[(skipped as usize).min(bytes.len())..]),
            None => last_lines(bytes, usize::MAX, true),
        };
        Written { start: end - text.len() as u64, end, text }
    }

    /// The last whole lines, at most `max` bytes.
    pub(super) fn tail(&mut self, max: usize) -> Bytes {
        last_lines(self.bytes.make_contiguous(), max, self.cut)
    }
}

/// The last lines of `text`, at most `max` bytes. A first line that lacks its beginning is left out (`cut` says that the
/// one of `text` does), unless it is all there is.
pub(super) fn last_lines(text: &[u8], max: usize, cut: bool) -> Bytes {
    let start = text.len().saturating_sub(max);
    let tail = &text[start..];
    let whole = if start == 0 { !cut } else { text[start - 1] == b'\n' };
    if whole {
        return Bytes::copy_from_slice(tail);
    }
    let second = memchr::memchr(b'\n', tail).map_or(0, |end| end + 1);
    let second = if second == tail.len() { 0 } else { second };
    Bytes::copy_from_slice(&tail[second..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this failed, a traceback in an error report would begin in the middle of a line, or lack its end.
    #[test]
    fn keeps_the_last_whole_lines() {
        let mut ring = StderrRing::default();
        for line in 0..100_000 {
            ring.push(format!("line {line}\n").as_bytes());
        }
        let tail = ring.tail(usize::MAX);
        assert!(tail.len() > RING_BYTES - 100 && tail.len() <= RING_BYTES);
        assert!(tail.starts_with(b"line ") && tail.ends_with(b"line 99999\n"));
        assert_eq!(ring.tail(24), "line 99998\nline 99999\n");
        assert_eq!(ring.tail(22), "line 99998\nline 99999\n");
        assert_eq!(ring.tail(21), "line 99999\n");
        assert!(ring.bytes.capacity() <= 2 * RING_BYTES);
    }

    /// If this failed, short words or one endless line would be reported as nothing.
    #[test]
    fn keeps_what_there_is() {
        let mut ring = StderrRing::default();
        assert_eq!(ring.tail(100), "");
        ring.push(b"panic");
        assert_eq!(ring.tail(100), "panic");
        assert_eq!(ring.tail(3), "nic");
        ring.push(&vec![b'x'; 1 << 20]);
        assert_eq!(ring.tail(usize::MAX).len(), RING_BYTES);
    }

    /// Whoever follows would see lines twice, or not know that some are missing.
    #[test]
    fn goes_on_where_somebody_stopped_reading() {
        let mut ring = StderrRing::default();
        ring.push(b"one\ntwo\n");
        let first = ring.since(0);
        assert_eq!((&*first.text, first.start, first.end), (&b"one\ntwo\n"[..], 0, 8));
        assert_eq!(ring.since(8).text, "");
        ring.push(b"three\n");
        assert_eq!(ring.since(first.end).text, "three\n");
        ring.push(&b"0123456789abcd\n".repeat(5000));
        let next = ring.since(14);
        assert!(next.start > 14 && next.text.starts_with(b"0123"), "it begins with a whole line");
        assert_eq!(next.start + next.text.len() as u64, next.end);
    }

    /// If this failed, servers that write nothing would cost 64 KiB each.
    #[test]
    fn costs_nothing_unused() {
        assert_eq!(StderrRing::default().bytes.capacity(), 0);
    }
}
