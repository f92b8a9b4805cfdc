//! Spares that change hands while they die.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::actor::Actor;
use crate::ear::ear;
use crate::process::Sweeper;
use crate::registry::{Hosts, Stopped};

async fn root() -> ActorRef<RootMsg> {
    let config = mcpvisor_config::load(mcpvisor_config::LoadRequest::default()).unwrap().config;
    let address = RegistryAddress::default();
    let registry = RegistryArgs {
        live: Arc::new(crate::live::Live::new(config.into())),
        address: address.clone(),
        root: None,
        instance: "test".into(),
        events: crate::event::EventSender::default(),
        sweeper: Sweeper::new(),
        stopped: Stopped::default(),
        hosts: Hosts::default(),
        eras: Default::default(),
        tokens: Default::default(),
    };
    let (escalated, _) = watch::channel(false);
    Root::spawn(None, Root, RootArgs { registry, address, escalated }).await.unwrap().0
}

fn send(root: &ActorRef<RootMsg>, message: RootMsg) {
    assert!(root.send_message(message).is_ok());
}

async fn seat_of_spare(
    root: &ActorRef<RootMsg>,
    registry: (&ActorRef<RegistryMsg>, &mut UnboundedReceiver<RegistryMsg>),
) -> Seat {
    send(root, RootMsg::SeatSpare { backend: "b".into(), registry: registry.0.clone() });
    match registry.1.recv().await {
        Some(RegistryMsg::Spare(SpareMsg::Seated { seat, .. })) => seat,
        _ => panic!("a seat"),
    }
}

/// The next seat, whatever else is told before.
async fn seated(supervisor: &mut UnboundedReceiver<SupervisorMsg>) -> Seat {
    loop {
        if let SupervisorMsg::Seated(seat) = supervisor.recv().await.unwrap() {
            return seat;
        }
    }
}

/// A session whose spare died on the way to it would wait for the end of that for ever, and never be launched.
#[tokio::test]
async fn who_takes_over_a_spare_that_is_gone_is_told_and_keeps_nothing() {
    let root = root().await;
    let (registry, mut to_registry) = ear::<RegistryMsg>().await;
    let (supervisor, mut to_supervisor) = ear::<SupervisorMsg>().await;
    let key = ConnectionKey::new("b", "s");
    let spare = seat_of_spare(&root, (&registry, &mut to_registry)).await;
    send(&root, RootMsg::Claim { key: key.clone(), supervisor: supervisor.clone() });
    let seat = seated(&mut to_supervisor).await;
    let number = spare.incarnation();
    drop(spare);
    let told = to_registry.recv().await;
    assert!(
        matches!(told, Some(RegistryMsg::Spare(SpareMsg::Gone { incarnation })) if incarnation == number)
    );
    send(&root, RootMsg::TakeOver { spare: number, seat, supervisor: supervisor.clone() });
    let told = to_supervisor.recv().await;
    assert!(matches!(told, Some(SupervisorMsg::Gone { incarnation }) if incarnation == number));
    send(&root, RootMsg::Claim { key, supervisor });
    assert!(seated(&mut to_supervisor).await.incarnation() > number, "its seat was given back");
}

/// Two servers of one session would live at once.
#[tokio::test]
async fn who_took_over_a_spare_is_told_of_its_end_and_the_next_waits_for_that() {
    let root = root().await;
    let (registry, mut to_registry) = ear::<RegistryMsg>().await;
    let (supervisor, mut to_supervisor) = ear::<SupervisorMsg>().await;
    let key = ConnectionKey::new("b", "s");
    let spare = seat_of_spare(&root, (&registry, &mut to_registry)).await;
    send(&root, RootMsg::Claim { key: key.clone(), supervisor: supervisor.clone() });
    let seat = seated(&mut to_supervisor).await;
    let number = spare.incarnation();
    send(&root, RootMsg::TakeOver { spare: number, seat, supervisor: supervisor.clone() });
    send(&root, RootMsg::Claim { key, supervisor });
    drop(spare);
    let told = to_supervisor.recv().await;
    assert!(
        matches!(told, Some(SupervisorMsg::Gone { incarnation }) if incarnation == number),
        "before any seat"
    );
    seated(&mut to_supervisor).await;
    assert!(to_registry.try_recv().is_err(), "it is nothing to the Registry");
}
