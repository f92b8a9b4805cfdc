//! Orders that meet an end which is still being made out.

use std::sync::Arc;

use mcpvisor_config::{LoadRequest, Source as File};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;

use super::{Connection, ConnectionArgs, ConnectionMsg, Source};
use crate::key::ConnectionKey;
use crate::link::LinkEvent;
use crate::metrics::BackendMetrics;
use crate::process::{ExitStatus, Sweeper};
use crate::registry::RegistryAddress;
use crate::root::{RootMsg, Seat};
use crate::route::Route;
use crate::supervisor::SupervisorMsg;

/// Passes on what it is told.
struct Ear<M>(mpsc::UnboundedSender<M>);

impl<M: ractor::Message> Actor for Ear<M> {
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

async fn ear<M: ractor::Message>() -> (ActorRef<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (actor, _) = Actor::spawn(None, Ear(sender), ()).await.unwrap();
    (actor, receiver)
}

/// A session that is deleted in the milliseconds in which its dead child is being buried would never be
/// gone, and a drain would last to its deadline.
#[tokio::test]
async fn a_connection_given_up_while_it_dies_still_concludes() {
    let text = "[backends.b]\ncommand = \"sleep\"\nargs = [\"60\"]\n".to_owned();
    let file = File::Text { name: "t.toml".into(), text };
    let loaded = mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
    let backend = Arc::new(loaded.config.backends["b"].clone());
    let (root, mut gone) = ear::<RootMsg>().await;
    let (supervisor, mut told) = ear::<SupervisorMsg>().await;
    let args = ConnectionArgs {
        route: Route::own(ConnectionKey::new("b", "s"), RegistryAddress::default(), &backend),
        supervisor,
        instance: "test".into(),
        sweeper: Sweeper::new(),
        metrics: BackendMetrics::new(&"b".into()),
        expose_stderr: false,
        seat: Seat::new(1, root),
        source: Source::Launch,
        backend,
    };
    let (connection, ended) = Connection::spawn(None, Connection, args).await.unwrap();
    assert!(matches!(told.recv().await, Some(SupervisorMsg::Opened { .. })));
    let exited = ConnectionMsg::Link(LinkEvent::Exited(ExitStatus::Code(1)));
    for message in [exited, ConnectionMsg::Gone, ConnectionMsg::Kill] {
        assert!(connection.send_message(message).is_ok());
    }
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.expect("it ends").unwrap();
    assert!(matches!(told.recv().await, Some(SupervisorMsg::Concluded { incarnation: 1 })));
    assert!(matches!(gone.recv().await, Some(RootMsg::Gone { incarnation: 1 })));
}
