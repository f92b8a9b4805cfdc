//! Actors as this project has them: ractor's, with mailboxes that are counted and measured.
//!
//! ractor tells nothing of a mailbox, so what is sent travels in a [`Mail`] whose drop says that it has left: handled, or
//! gone with its actor. That costs two atomic additions a message; times are taken of one in [`SAMPLE`] where there are
//! many.

mod tally;

use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use ractor::{ActorCell, ActorProcessingErr, MessagingErr, SpawnErr, SupervisionEvent};
use tokio::task::JoinHandle;

pub use tally::ActorKind;
pub(crate) use tally::show;
use tally::{Alive, Ticket};

/// As ractor's trait of that name, which it stands for.
pub trait Actor: Sized + Send + Sync + 'static {
    /// Under which name it is counted.
    const KIND: ActorKind;
    /// What it is told.
    type Msg: Send + 'static;
    /// What it owns.
    type State: Send + 'static;
    /// What it starts with.
    type Arguments: Send + 'static;

    /// Builds the state. A failure gives no supervision event, so keep it trivial.
    fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        args: Self::Arguments,
    ) -> impl Future<Output = Result<Self::State, ActorProcessingErr>> + Send;

    /// Runs before the first message.
    fn post_start(
        &self,
        _: ActorRef<Self::Msg>,
        _: &mut Self::State,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        async { Ok(()) }
    }

    /// Handles one message. Never awaits I/O.
    fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send;

    /// A child started, ended or failed. By default that is nothing to the parent (ractor's own default stops it).
    fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        _: SupervisionEvent,
        _: &mut Self::State,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        async { Ok(()) }
    }

    /// Starts one that nobody supervises.
    fn spawn(
        name: Option<String>,
        actor: Self,
        args: Self::Arguments,
    ) -> impl Future<Output = Spawned<Self::Msg>> + Send {
        async {
            let spawned = <Measured<Self> as ractor::Actor>::spawn(name, Measured(actor), args);
            Ok(wrapped::<Self>(Box::pin(spawned).await?))
        }
    }

    /// Starts one as a child of `parent`.
    fn spawn_linked(
        name: Option<String>,
        actor: Self,
        args: Self::Arguments,
        parent: ActorCell,
    ) -> impl Future<Output = Spawned<Self::Msg>> + Send {
        async move {
            let spawned =
                <Measured<Self> as ractor::Actor>::spawn_linked(name, Measured(actor), args, parent);
            // Apart: whoever starts others would else have the room for it in his own future, for as long as he lives.
            Ok(wrapped::<Self>(Box::pin(spawned).await?))
        }
    }
}

/// An actor and the task that ends with it.
pub type Spawned<M> = Result<(ActorRef<M>, JoinHandle<()>), SpawnErr>;

/// An address. Cheap to clone.
pub struct ActorRef<M: Send + 'static> {
    inner: ractor::ActorRef<Mail<M>>,
    kind: ActorKind,
}

/// A message on its way.
struct Mail<M> {
    message: M,
    ticket: Ticket,
}

/// The actor as ractor sees it.
struct Measured<A>(A);

impl<M: Send + 'static> ActorRef<M> {
    /// Puts a message into the mailbox.
    ///
    /// # Errors
    /// `SendErr` gives it back: it was never delivered.
    pub fn send_message(&self, message: M) -> Result<(), MessagingErr<M>> {
        let mail = Mail { message, ticket: Ticket::new(self.kind) };
        self.inner.send_message(mail).map_err(|error| match error {
            MessagingErr::SendErr(mail) => MessagingErr::SendErr(mail.message),
            MessagingErr::ChannelClosed => MessagingErr::ChannelClosed,
            MessagingErr::InvalidActorType => MessagingErr::InvalidActorType,
        })
    }

    /// The same after so long, whatever becomes of whoever asked for it.
    pub fn send_after(&self, after: Duration, message: M) {
        let actor = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // An actor that is gone needs no reminder.
            let _ = actor.send_message(message);
        });
    }

    /// Without the type of its messages.
    pub fn get_cell(&self) -> ActorCell {
        self.inner.get_cell()
    }
}

impl<M: Send + 'static> Clone for ActorRef<M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), kind: self.kind }
    }
}

impl<M: Send + 'static> Deref for ActorRef<M> {
    type Target = ActorCell;

    fn deref(&self) -> &ActorCell {
        &self.inner
    }
}

impl<M: Send + 'static> std::fmt::Debug for ActorRef<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.kind.as_str(), self.inner.get_id())
    }
}

impl<A: Actor> Measured<A> {
    fn address(inner: ractor::ActorRef<Mail<A::Msg>>) -> ActorRef<A::Msg> {
        ActorRef { inner, kind: A::KIND }
    }
}

impl<A: Actor> ractor::Actor for Measured<A> {
    type Msg = Mail<A::Msg>;
    type State = (A::State, Alive);
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        myself: ractor::ActorRef<Self::Msg>,
        args: A::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let alive = Alive::new(A::KIND);
        Ok((self.0.pre_start(Self::address(myself), args).await?, alive))
    }

    async fn post_start(
        &self,
        myself: ractor::ActorRef<Self::Msg>,
        (state, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.0.post_start(Self::address(myself), state).await
    }

    async fn handle(
        &self,
        myself: ractor::ActorRef<Self::Msg>,
        Mail { message, mut ticket }: Self::Msg,
        (state, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        ticket.opened();
        self.0.handle(Self::address(myself), message, state).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ractor::ActorRef<Self::Msg>,
        event: SupervisionEvent,
        (state, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.0.handle_supervisor_evt(Self::address(myself), event, state).await
    }
}

fn wrapped<A: Actor>(
    (inner, task): (ractor::ActorRef<Mail<A::Msg>>, JoinHandle<()>),
) -> (ActorRef<A::Msg>, JoinHandle<()>) {
    (Measured::<A>::address(inner), task)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Of a kind that no other test of this crate has.
    struct Echo(mpsc::UnboundedSender<u8>);

    impl Actor for Echo {
        const KIND: ActorKind = ActorKind::Session;
        type Msg = u8;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<u8>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(&self, _: ActorRef<u8>, message: u8, (): &mut ()) -> Result<(), ActorProcessingErr> {
            assert_ne!(message, 13, "injected");
            let _ = self.0.send(message);
            Ok(())
        }
    }

    /// A mailbox that seems to fill for ever would be taken for a hang.
    #[tokio::test]
    async fn what_is_handled_or_dropped_with_its_actor_has_left_the_mailbox() {
        let (sender, mut told) = mpsc::unbounded_channel();
        let (actor, ended) = Actor::spawn(None, Echo(sender), ()).await.unwrap();
        for message in [1, 2, 13, 3, 4] {
            assert!(actor.send_message(message).is_ok());
        }
        assert_eq!(tally::of(Echo::KIND), (1, 5), "nothing has been handled yet");
        ended.await.unwrap();
        assert_eq!((told.recv().await, told.recv().await, told.recv().await), (Some(1), Some(2), None));
        assert!(matches!(actor.send_message(9), Err(MessagingErr::SendErr(9))), "it comes back");
        assert_eq!(tally::of(Echo::KIND), (0, 0));
    }
}
