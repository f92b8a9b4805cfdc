use mcpvisor_config::{LoadRequest, Source};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// `warm`, and what else the section says.
fn spares(warm: usize, settings: &str) -> Spares {
    let text = format!("[backends.b]\ncommand = \"x\"\nwarm = {warm}\n{settings}");
    let file = Source::Text { name: "t.toml".into(), text };
    let loaded = mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
    Spares::new(&loaded.config.backends["b"])
}

/// Starts one; whether it is asked.
fn start(spares: &mut Spares, incarnation: u64, now: Instant) -> bool {
    assert!(spares.lacks(now), "{incarnation}: {spares:?}");
    spares.begin(now);
    assert!(spares.seated(incarnation));
    spares.opened(incarnation, now).unwrap()
}

fn start_warm(spares: &mut Spares, incarnation: u64, now: Instant) {
    start(spares, incarnation, now);
    spares.answered(incarnation, now);
}

/// All processes of the machine would start at once, before anybody needs them.
#[test]
fn they_are_started_one_after_the_other_until_there_are_enough() {
    let now = Instant::now();
    let mut spares = spares(2, "");
    for incarnation in [1, 2] {
        start(&mut spares, incarnation, now);
        assert!(spares.is_starting() && !spares.lacks(now), "one at a time");
        spares.answered(incarnation, now);
    }
    assert!(!spares.lacks(now));
    assert_eq!(spares.count(), (0, 2));
}

#[test]
fn an_upstream_has_no_process_to_keep() {
    let text = "[backends.b]\nurl = \"http://x\"\nwarm = 2\n".to_owned();
    let file = Source::Text { name: "t.toml".into(), text };
    let loaded = mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
    assert!(!Spares::new(&loaded.config.backends["b"]).are_wanted());
}

#[test]
fn the_oldest_warm_one_is_given_and_another_is_started() {
    let now = Instant::now();
    let mut spares = spares(2, "");
    assert_eq!(spares.take(), None);
    start_warm(&mut spares, 3, now);
    start_warm(&mut spares, 4, now);
    assert_eq!(spares.take(), Some(3));
    start(&mut spares, 5, now);
    assert_eq!(spares.take(), Some(4));
    assert_eq!(spares.take(), None, "the third is not warm yet");
    assert_eq!(spares.count(), (1, 0));
}

/// A session would be given a server that is no nearer to its answer than one that it starts itself.
#[test]
fn one_that_does_not_answer_is_warm_when_it_is_older_than_most_launches_took() {
    let now = Instant::now();
    let mut spares = spares(1, "timeouts.launch = \"8s\"");
    start(&mut spares, 1, now);
    assert_eq!(spares.next(now), Some(now + 2 * SECOND), "a quarter of what a launch may take");
    for took in [1, 30, 5] {
        spares.launched(took * SECOND);
    }
    assert_eq!(spares.next(now), Some(now + 5 * SECOND), "the median");
    spares.look(now + 4 * SECOND);
    assert_eq!(spares.take(), None);
    spares.look(now + 5 * SECOND);
    assert_eq!(spares.take(), Some(1));
    (0..LAUNCHES).for_each(|_| spares.launched(SECOND));
    start(&mut spares, 2, now);
    assert_eq!(spares.next(now), Some(now + SECOND), "old launches are forgotten");
}

/// A session that comes while an old one is being replaced would wait for nothing.
#[test]
fn one_that_is_too_old_is_of_use_until_another_has_its_place() {
    let start_of_all = Instant::now();
    let mut spares = spares(2, "warm_max_age = \"60s\"");
    start_warm(&mut spares, 1, start_of_all);
    start_warm(&mut spares, 2, start_of_all);
    assert_eq!(spares.next(start_of_all), Some(start_of_all + 60 * SECOND));
    let now = start_of_all + 60 * SECOND;
    start(&mut spares, 3, now);
    assert!(spares.superfluous(now).is_empty());
    spares.answered(3, now);
    assert_eq!(spares.superfluous(now), [1]);
    start_warm(&mut spares, 4, now);
    assert_eq!(spares.superfluous(now), [2]);
    assert_eq!(spares.count(), (0, 2));
    let now = now + 60 * SECOND;
    assert_eq!(spares.take(), Some(3), "too old, and better than none");
    assert!(spares.lacks(now));
}

#[test]
fn no_age_is_too_old_if_none_is_set() {
    let now = Instant::now();
    let mut spares = spares(1, "warm_max_age = \"0s\"");
    start_warm(&mut spares, 1, now);
    assert_eq!(spares.next(now), None);
    assert!(!spares.lacks(now + 1_000_000 * SECOND));
}

/// A server that cannot start would be started in a loop, though nobody asked for it.
#[test]
fn while_they_die_one_after_the_other_the_next_one_waits() {
    let mut now = Instant::now();
    let mut spares = spares(1, "backoff = { min = \"1s\", max = \"4s\" }");
    for (incarnation, wait) in [(1, 0), (2, 1), (3, 2), (4, 4), (5, 4)] {
        start_warm(&mut spares, incarnation, now);
        assert!(spares.died(incarnation, now, false), "it counts against the backend");
        if wait > 0 {
            assert!(!spares.lacks(now));
            assert_eq!(spares.next(now), Some(now + wait * SECOND));
        }
        now += wait * SECOND;
    }
    start_warm(&mut spares, 6, now);
    assert!(!spares.died(6, now + STEADY, false), "that one was a good one");
    start_warm(&mut spares, 7, now + STEADY);
    assert_eq!(spares.take(), Some(7));
    spares.failed(now);
    spares.served();
    assert!(spares.lacks(now));
}

#[test]
fn one_that_cannot_be_started_at_all_is_tried_again_after_a_launch_that_went_well() {
    let now = Instant::now();
    let mut spares = spares(1, "");
    spares.begin(now);
    assert!(spares.seated(1));
    assert!(spares.died(1, now, true));
    assert!(!spares.lacks(now + 1000 * SECOND));
    assert_eq!(spares.next(now), None);
    spares.launched(SECOND);
    assert!(spares.lacks(now + 1000 * SECOND));
}

/// A server that takes a ping before its handshake for a crime would die of each.
#[test]
fn after_one_that_died_of_being_asked_the_next_is_not() {
    let now = Instant::now();
    let mut spares = spares(1, "backoff.max = \"1s\"");
    assert!(start(&mut spares, 1, now));
    spares.died(1, now, false);
    assert!(!start(&mut spares, 2, now));
    spares.look(now + 10 * SECOND);
    assert_eq!(spares.take(), Some(2), "warm by its age");
    assert!(!start(&mut spares, 3, now + 10 * SECOND));
    spares.died(3, now + 10 * SECOND, false);
    assert!(start(&mut spares, 4, now + 20 * SECOND), "it was not that");
}

/// A process whose start hangs in the kernel would hold a launch ticket for ever.
#[test]
fn one_that_gets_no_process_in_time_is_given_up() {
    let now = Instant::now();
    let mut spares = spares(1, "timeouts.launch = \"8s\"");
    spares.begin(now);
    assert!(spares.seated(1));
    assert_eq!(spares.next(now), Some(now + 8 * SECOND));
    spares.look(now + 8 * SECOND);
    assert!(!spares.is_starting());
    assert_eq!(spares.opened(1, now + 9 * SECOND), None, "too late");
    assert!(spares.lacks(now + 9 * SECOND));
}

/// An operator who restarts a backend would be served by processes of before.
#[test]
fn a_clearance_takes_all_of_them_and_those_on_their_way() {
    let now = Instant::now();
    let mut spares = spares(2, "");
    start_warm(&mut spares, 1, now);
    spares.begin(now);
    assert!(spares.seated(2));
    spares.clear();
    assert_eq!(spares.take(), None);
    assert_eq!(spares.opened(2, now), None);
    spares.begin(now);
    spares.clear();
    assert!(!spares.seated(3));
    assert!(spares.lacks(now));
}
