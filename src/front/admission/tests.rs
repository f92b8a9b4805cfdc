use mcpvisor_config::{LoadRequest, Source};

use super::*;
use crate::front::face::Faces;

fn config(settings: &str) -> Config {
    let text = format!("{settings}\n[backends.b]\ncommand = \"x\"\n");
    let file = Source::Text { name: "t.toml".into(), text };
    mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap().config
}

fn admission(settings: &str) -> Admission {
    Admission::new(&config(settings))
}

#[test]
fn one_at_its_bound_leaves_the_others_theirs() {
    let admission = admission("[principal_limits]\nmax_requests = 2\nmax_streams = 1\nmax_sessions = 1");
    let (alice, bob) = ("alice", "bob");
    let held = [(); 2].map(|()| admission.request(alice).unwrap());
    let full = admission.request(alice).unwrap_err();
    assert_eq!((full.what, full.most), (Overload::PrincipalRequests, 2));
    assert!(admission.request(bob).is_ok());
    drop(held);
    assert!(admission.request(alice).is_ok(), "it has room again");
    let stream = admission.stream(alice).unwrap();
    assert_eq!(admission.stream(alice).err().unwrap().what, Overload::PrincipalStreams);
    assert!(admission.stream(bob).is_ok());
    drop(stream);
    let config = config("");
    let face = Faces::new(&config).get("b").unwrap().clone();
    let session = admission.session(alice, &face).unwrap();
    assert_eq!(admission.session(alice, &face).err().unwrap().what, Overload::PrincipalSessions);
    assert!(admission.session(bob, &face).is_ok());
    drop(session);
    assert!(admission.session(alice, &face).is_ok());
}

#[test]
fn what_all_have_together_is_bounded_too() {
    let admission = admission("[http]\nmax_requests = 1\nmax_streams = 2");
    let (alice, bob) = ("alice", "bob");
    let request = admission.request(alice).unwrap();
    assert_eq!(admission.request(bob).err().unwrap().what, Overload::Requests);
    let streams = [admission.stream(alice).unwrap(), admission.stream(bob).unwrap()];
    assert_eq!(admission.stream(alice).err().unwrap().what, Overload::Streams);
    drop((request, streams));
    assert!(admission.request(bob).is_ok() && admission.stream(alice).is_ok());
}

/// A bound would hold only after a restart, or count below nothing what began before it.
#[test]
fn a_reload_bounds_what_begins_from_then_on() {
    let (admission, alice) = (admission(""), "alice");
    let before = admission.request(alice).unwrap();
    assert!(before.is_none(), "nothing is counted where nothing is bounded");
    admission.configure(&config("[principal_limits]\nmax_requests = 1"));
    let one = admission.request(alice).unwrap();
    drop(before);
    assert!(admission.request(alice).is_err());
    admission.configure(&config(""));
    drop(one);
    assert!(admission.request(alice).unwrap().is_none());
}

/// Who is refused for what is going on would, besides, have to wait for his rate.
#[tokio::test(start_paused = true)]
async fn a_rate_is_used_up_by_what_is_let_in() {
    let settings = "[principal_limits]\nmax_requests = 1\nrequests_per_second = 1\nburst = 2";
    let (admission, alice) = (admission(settings), "alice");
    let held = admission.request(alice).unwrap();
    for _ in 0..5 {
        assert_eq!(admission.request(alice).err().unwrap().what, Overload::PrincipalRequests);
    }
    drop(held);
    drop(admission.request(alice).unwrap());
    let full = admission.request(alice).err().unwrap();
    assert_eq!((full.what, full.most), (Overload::PrincipalRate, 1));
    assert!(full.retry_after > Duration::ZERO && full.retry_after <= Duration::from_secs(1), "{full:?}");
    tokio::time::advance(full.retry_after).await;
    assert!(admission.request(alice).is_ok(), "it may come when it was told to");
}
