//! A channel that is bounded in messages and in bytes: what a reader who does not read can cost.
//!
//! It never waits: what does not fit is refused. A message that is larger than all that may wait fits when nothing else does,
//! so that size alone refuses nothing.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What may wait.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// Bytes of all of them together.
    pub bytes: u32,
}

/// The sending side.
#[derive(Debug)]
pub struct Sender<T> {
    messages: mpsc::Sender<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    bytes: u32,
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver<T>(mpsc::Receiver<(T, OwnedSemaphorePermit)>);

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// Too much waits.
    Full,
    /// The receiver is gone.
    Closed,
}

/// A channel that holds that much.
pub fn channel<T>(bounds: Bounds) -> (Sender<T>, Receiver<T>) {
    let (messages, receiver) = mpsc::channel(bounds.messages);
    let room = Arc::new(Semaphore::new(bounds.bytes as usize));
    (Sender { messages, room, bytes: bounds.bytes }, Receiver(receiver))
}

impl<T> Sender<T> {
    /// Hands over a message of that many bytes.
    ///
    /// # Errors
    /// It does not fit, or nobody will receive it.
    pub fn try_send(&self, message: T, bytes: usize) -> Result<(), NotSent> {
        if self.messages.is_closed() {
            return Err(NotSent::Closed);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        let permit = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| NotSent::Full)?;
        self.messages.try_send((message, permit)).map_err(|error| match error {
            TrySendError::Full(_) => NotSent::Full,
            TrySendError::Closed(_) => NotSent::Closed,
        })
    }
}

impl<T> Sender<T> {
    /// Hands over a message of that many bytes, once there is room for it. Not cancel-safe: a message may be lost.
    ///
    /// # Errors
    /// Nobody will receive it.
    pub async fn send(&self, message: T, bytes: usize) -> Result<(), NotSent> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        let room = self.room.clone().acquire_many_owned(bytes);
        let permit = tokio::select! {
            permit = room => permit.map_err(|_| NotSent::Closed)?,
            () = self.messages.closed() => return Err(NotSent::Closed),
        };
        self.messages.send((message, permit)).await.map_err(|_| NotSent::Closed)
    }
}

impl Sender<Bytes> {
    /// Hands over a message that is its bytes.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    pub fn try_send_bytes(&self, message: Bytes) -> Result<(), NotSent> {
        let length = message.len();
        self.try_send(message, length)
    }
}

impl<T> Receiver<T> {
    /// The next message; `None` once the sender is gone and nothing waits. Cancel-safe.
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.map(|(message, _)| message)
    }

    /// The same, polled.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx).map(|received| received.map(|(message, _)| message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { messages: 4, bytes: 100 };

    fn bytes(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[tokio::test]
    async fn few_large_messages_are_as_much_as_many_small_ones() {
        let (sender, mut receiver) = channel(BOUNDS);
        let taken = |length| (0..10).filter(|_| sender.try_send_bytes(bytes(length)).is_ok()).count();
        assert_eq!(taken(1), 4);
        for _ in 0..4 {
            receiver.recv().await.unwrap();
        }
        assert_eq!(taken(40), 2);
        receiver.recv().await.unwrap();
        assert_eq!(sender.try_send_bytes(bytes(60)), Ok(()), "there is room for what was taken");
    }

    #[tokio::test]
    async fn a_message_larger_than_the_channel_fits_when_it_is_alone() {
        let (sender, mut receiver) = channel(BOUNDS);
        assert_eq!(sender.try_send_bytes(bytes(1000)), Ok(()));
        assert_eq!(sender.try_send_bytes(bytes(1)), Err(NotSent::Full));
        assert_eq!(receiver.recv().await.unwrap().len(), 1000);
        assert_eq!(sender.try_send_bytes(bytes(1)), Ok(()));
        drop(receiver);
        assert_eq!(sender.try_send_bytes(bytes(1)), Err(NotSent::Closed));
    }
}
