//! Calls that wait for their client's answers, each until it is taken or its time is over (`session.parked_ttl`).
//!
//! One task owns them; it is told by messages and asked by messages. A call that is dropped here is taken back at its
//! backend.

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Inner;

/// A handle to the task, which ends with the last of them.
#[derive(Clone)]
pub(crate) struct Parking {
    messages: mpsc::UnboundedSender<Message>,
}

enum Message {
    Park { id: String, call: Box<Inner>, until: Instant },
    Take { id: String, reply: oneshot::Sender<Option<(Instant, Box<Inner>)>> },
}

impl Parking {
    /// Starts the task.
    pub(crate) fn start() -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        tokio::spawn(keep(received));
        Self { messages }
    }

    /// Keeps a call under this name, which nobody can guess, as long as that.
    pub(super) fn park(&self, id: String, call: Box<Inner>, until: Instant) {
        let _ = self.messages.send(Message::Park { id, call, until });
    }

    /// Gives it out, once, with the end of its time; `None`: it was taken, or its time is over.
    pub(super) async fn take(&self, id: String) -> Option<(Instant, Box<Inner>)> {
        let (reply, call) = oneshot::channel();
        self.messages.send(Message::Take { id, reply }).ok()?;
        call.await.ok()?
    }
}

async fn keep(mut messages: mpsc::UnboundedReceiver<Message>) {
    let mut parked: HashMap<String, (Instant, Box<Inner>)> = HashMap::new();
    loop {
        let next = parked.values().map(|(until, _)| *until).min();
        let expiry = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = messages.recv() => match message {
                Some(Message::Park { id, call, until }) => drop(parked.insert(id, (until, call))),
                Some(Message::Take { id, reply }) => {
                    // Whoever asked is gone: it may come back.
                    if let Err(Some(kept)) = reply.send(parked.remove(&id)) {
                        parked.insert(id, kept);
                    }
                }
                None => return,
            },
            () = expiry => {
                let now = Instant::now();
                parked.retain(|_, (until, _)| *until > now);
            }
        }
    }
}
