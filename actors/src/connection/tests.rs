//! Orders that meet an end which is still being made out.

use std::sync::Arc;

use mcpvisor_config::{LoadRequest, Source as File};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Connection, ConnectionArgs, ConnectionMsg, Source};
use crate::actor::{Actor, ActorRef};
use crate::ear::ear;
use crate::fault::{Fault, FaultReason};
use crate::key::ConnectionKey;
use crate::link::LinkEvent;
use crate::message::Envelope;
use crate::metrics::BackendMetrics;
use crate::probe::Spoken;
use crate::process::{ExitStatus, Sweeper};
use crate::registry::{Eras, RegistryAddress, RegistryMsg};
use crate::root::{RootMsg, Seat};
use crate::route::Route;
use crate::supervisor::SupervisorMsg;

struct World {
    connection: ActorRef<ConnectionMsg>,
    ended: JoinHandle<()>,
    told: mpsc::UnboundedReceiver<SupervisorMsg>,
    gone: mpsc::UnboundedReceiver<RootMsg>,
    registry: mpsc::UnboundedReceiver<RegistryMsg>,
}

/// A connection to a process that does nothing, once it is open.
async fn world() -> World {
    let text = "[backends.b]\ncommand = \"sleep\"\nargs = [\"60\"]\n".to_owned();
    let file = File::Text { name: "t.toml".into(), text };
    let loaded = mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
    let backend = Arc::new(loaded.config.backends["b"].clone());
    let settings = crate::live::settings(loaded.config.backends["b"].clone());
    let (root, gone) = ear::<RootMsg>().await;
    let (supervisor, mut told) = ear::<SupervisorMsg>().await;
    let (registry, asked) = ear::<RegistryMsg>().await;
    let args = ConnectionArgs {
        route: Route::own(ConnectionKey::new("b", "s"), RegistryAddress::default(), settings),
        supervisor,
        registry,
        eras: Eras::default(),
        tokens: Default::default(),
        instance: crate::random_instance(), // a sweep of one test must not end what belongs to another
        sweeper: Sweeper::new(),
        metrics: BackendMetrics::new(&"b".into()),
        events: crate::event::EventSender::default(),
        expose_stderr: false,
        source: Source::Launch(Seat::new(1, root)),
        backend,
    };
    let (connection, ended) = Connection::spawn(None, Connection, args).await.unwrap();
    assert!(matches!(told.recv().await, Some(SupervisorMsg::Opened { .. })));
    World { connection, ended, told, gone, registry: asked }
}

/// A session that is deleted in the milliseconds in which its dead child is being buried would never be
/// gone, and a drain would last to its deadline.
#[tokio::test]
async fn a_connection_given_up_while_it_dies_still_concludes() {
    let World { connection, ended, mut told, mut gone, .. } = world().await;
    let exited = ConnectionMsg::Link(LinkEvent::Exited(ExitStatus::Code(1)));
    for message in [exited, ConnectionMsg::Gone, ConnectionMsg::Kill] {
        assert!(connection.send_message(message).is_ok());
    }
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.expect("it ends").unwrap();
    assert!(matches!(told.recv().await, Some(SupervisorMsg::Concluded { incarnation: 1 })));
    assert!(matches!(gone.recv().await, Some(RootMsg::Gone { incarnation: 1 })));
}

/// On a busy machine nobody would learn that the kernel had killed a server for its memory: the pipes of a large process are
/// closed long before its end is seen.
#[tokio::test]
async fn a_process_that_takes_its_time_to_die_is_told_by_its_signal() {
    let World { connection, mut told, .. } = world().await;
    let broken = |reason| ConnectionMsg::Link(LinkEvent::Broken(Fault::new(reason, "the end")));
    assert!(connection.send_message(broken(FaultReason::Eof)).is_ok());
    // Not waited for: this is how long it takes to die.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let exited = ConnectionMsg::Link(LinkEvent::Exited(ExitStatus::Signal(9)));
    assert!(connection.send_message(exited).is_ok());
    let Some(SupervisorMsg::Fault { fault, .. }) = told.recv().await else { panic!("a fault") };
    assert_eq!((fault.reason, fault.signal), (FaultReason::Signal, Some(9)));
}

/// A server of 2026-07-28 that refuses `initialize` and leaves could not be used by a legacy client whenever its end was seen
/// before its words.
#[tokio::test]
async fn a_server_that_refuses_hands_and_has_gone_is_still_asked_what_it_speaks() {
    let legacy = (Spoken::Legacy, [0, 1]);
    for (spoken, order) in
        [legacy, (Spoken::Modern, [0, 1]), (Spoken::Modern, [1, 0]), (Spoken::Modern, [0, 2])]
    {
        let World { connection, mut told, mut registry, .. } = world().await;
        let refusal = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no"}}"#;
        for which in order {
            if which == 2 {
                // All that it started is gone too, and its words are still in the pipe.
                assert!(connection.send_message(ConnectionMsg::Gone).is_ok());
            }
            let event = if which == 0 {
                LinkEvent::Exited(ExitStatus::Code(64))
            } else {
                let message = Envelope::parse(refusal.into()).unwrap();
                LinkEvent::Message { message, via: None, permit: None }
            };
            assert!(connection.send_message(ConnectionMsg::Link(event)).is_ok());
        }
        let Some(RegistryMsg::Era { reply, .. }) = registry.recv().await else { panic!("it is asked") };
        reply.send(spoken).unwrap();
        match told.recv().await {
            Some(SupervisorMsg::Stranger { incarnation: 1 }) => assert_eq!(spoken, Spoken::Modern),
            Some(SupervisorMsg::Fault { incarnation: 1, .. }) => assert_eq!(spoken, Spoken::Legacy),
            _ => panic!("neither another launch nor a fault"),
        }
    }
}
