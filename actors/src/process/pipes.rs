//! Reading a child's pipes without a buffer per child, and making them wider when they carry much.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;

use rustix::io::{read, retry_on_intr};
use tokio::net::unix::pipe::Receiver;

/// As much as an ordinary pipe holds, so that one read empties it.
const SCRATCH_BYTES: usize = 64 * 1024;

/// As wide as a pipe is made: a message of 64 KiB and its line end, with room to spare.
const WIDE_BYTES: usize = 256 * 1024;

thread_local! {
    // One per worker and not one per pipe: an idle child costs no buffer. Never borrowed across an await.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<R> {
    /// Some bytes.
    Data {
        /// What was made of them.
        value: R,
        /// There were as many as fit, so likely more.
        filled: bool,
    },
    /// Nothing at the moment.
    Empty,
    /// Every writer has gone.
    End,
}

/// Reads what is there, once, if the runtime believes that something is; never waits.
///
/// # Errors
/// What the system says of the read, except that it would block.
pub fn read_ready<R>(pipe: &Receiver, take: impl FnOnce(&[u8]) -> R) -> io::Result<Chunk<R>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut length = None;
        let result = pipe.try_io(|| {
            let got = retry_on_intr(|| read(pipe, &mut scratch[..]))?;
            length = Some(got);
            // A short read has emptied the pipe, and a later write raises a new event. To say so now saves the read
            // that would find nothing.
            if 0 < got && got < SCRATCH_BYTES { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (length, result) {
            (Some(length), _) => Ok(chunk(scratch, length, take)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            (None, _) => Ok(Chunk::Empty),
        }
    })
}

/// Like [`read_ready`], but asks the system and not the runtime, which may not have heard yet of the last words of a
/// process that has just ended.
///
/// # Errors
/// What the system says of the read, except that it would block.
pub fn read_now<R>(pipe: &Receiver, take: impl FnOnce(&[u8]) -> R) -> io::Result<Chunk<R>> {
    SCRATCH.with_borrow_mut(|scratch| match retry_on_intr(|| read(pipe, &mut scratch[..])) {
        Ok(length) => Ok(chunk(scratch, length, take)),
        Err(rustix::io::Errno::AGAIN) => Ok(Chunk::Empty),
        Err(errno) => Err(errno.into()),
    })
}

/// Makes a pipe hold 256 KiB: fewer turns for large messages. To be called when one has been full, not for every child:
/// the kernel gives each user 64 MiB of pipes in all and makes new ones tiny beyond that. It may refuse; nothing is lost.
pub fn widen(pipe: impl AsFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, WIDE_BYTES);
}

fn chunk<R>(scratch: &[u8], length: usize, take: impl FnOnce(&[u8]) -> R) -> Chunk<R> {
    if length == 0 {
        return Chunk::End;
    }
    Chunk::Data { value: take(&scratch[..length]), filled: length == SCRATCH_BYTES }
}
