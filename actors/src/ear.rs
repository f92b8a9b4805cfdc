//! An actor for tests, to which others report.

use ractor::{ActorProcessingErr, SupervisionEvent};
use tokio::sync::mpsc;

use crate::actor::{Actor, ActorKind, ActorRef};

/// Passes on what it is told.
struct Ear<M>(mpsc::UnboundedSender<M>);

impl<M: Send + 'static> Actor for Ear<M> {
    const KIND: ActorKind = ActorKind::Root;
    type Msg = M;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<M>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<M>, message: M, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let _ = self.0.send(message);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<M>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// An actor and what it is told.
pub(crate) async fn ear<M: Send + 'static>() -> (ActorRef<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (actor, _) = Actor::spawn(None, Ear(sender), ()).await.unwrap();
    (actor, receiver)
}
