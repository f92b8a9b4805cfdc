//! A backend whose launches fail, and one that is well again.

use super::*;

const COOLDOWN: Duration = Duration::from_secs(30);

fn key(session: usize) -> ConnectionKey {
    ConnectionKey::new("b", session.to_string())
}

fn fail(breaker: &mut Breaker, session: usize, now: Instant) -> Option<Instant> {
    breaker.launch_failed(&key(session), now, "exit code 1".into())
}

fn open(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(3, COOLDOWN);
    assert_eq!((0..3).filter_map(|session| fail(&mut breaker, session, now)).count(), 1);
    breaker
}

/// A backend that cannot start would be started over and over, for every session anew.
#[tokio::test(start_paused = true)]
async fn failures_in_a_row_over_three_keys_open_it() {
    let now = Instant::now();
    let mut breaker = open(now);
    assert!(breaker.is_open());
    assert_eq!(breaker.admits(&key(9), now), Err(now + COOLDOWN));
    assert_eq!(breaker.cause(), Some("exit code 1"));
}

/// One session with bad luck would keep all others from their backend.
#[tokio::test(start_paused = true)]
async fn one_key_alone_never_opens_it() {
    let now = Instant::now();
    let mut breaker = Breaker::new(3, COOLDOWN);
    assert!((0..50).all(|_| fail(&mut breaker, 1, now).is_none()));
    assert!((0..50).all(|_| fail(&mut breaker, 2, now).is_none()));
    assert!(fail(&mut breaker, 3, now).is_some(), "the third key");
}

#[tokio::test(start_paused = true)]
async fn an_incarnation_that_was_steady_ends_the_row() {
    let now = Instant::now();
    let mut breaker = Breaker::new(3, COOLDOWN);
    breaker.ready(&key(7), now);
    fail(&mut breaker, 1, now);
    fail(&mut breaker, 2, now);
    assert_eq!(fail(&mut breaker, 3, now + STEADY), None, "the seventh has been steady since");
    assert_eq!(breaker.died(&key(7), now + STEADY, "exit".into()), None, "its death is no failure");
    fail(&mut breaker, 1, now + STEADY);
    fail(&mut breaker, 2, now + STEADY);
    assert!(fail(&mut breaker, 3, now + STEADY).is_some());
}

/// Short sessions that work would not count against crashes of others.
#[tokio::test(start_paused = true)]
async fn one_that_ended_in_order_ends_the_row() {
    let now = Instant::now();
    let mut breaker = Breaker::new(3, COOLDOWN);
    for session in 0..9 {
        assert_eq!(fail(&mut breaker, session, now), None);
        breaker.ready(&key(session), now);
        breaker.left(&key(session), now);
    }
}

/// A backend whose servers work for long, and are killed now and then, would be taken for one that does not work.
#[tokio::test(start_paused = true)]
async fn the_death_of_a_steady_one_ends_the_row() {
    let start = Instant::now();
    let mut breaker = Breaker::new(3, COOLDOWN);
    for session in 0..9 {
        breaker.ready(&key(session), start);
    }
    let now = start + STEADY;
    for session in 0..9 {
        assert_eq!(fail(&mut breaker, 20 + session, now), None, "{session}");
        assert_eq!(breaker.died(&key(session), now, "exit".into()), None);
    }
    assert!((0..3).any(|session| fail(&mut breaker, session, now).is_some()), "without any it opens");
}

/// A backend that fails for weeks without three in a row would take more and more memory.
#[tokio::test(start_paused = true)]
async fn no_more_keys_are_remembered_than_matter() {
    let now = Instant::now();
    let mut breaker = Breaker::new(u32::MAX, COOLDOWN);
    for session in 0..1000 {
        fail(&mut breaker, session, now);
    }
    assert_eq!(breaker.keys.len(), KEYS);
}

#[tokio::test(start_paused = true)]
async fn deaths_soon_after_ready_count() {
    let now = Instant::now();
    let mut breaker = Breaker::new(3, COOLDOWN);
    for session in 0..3 {
        breaker.ready(&key(session), now);
    }
    let died: Vec<_> = (0..3).map(|session| breaker.died(&key(session), now, "exit".into())).collect();
    assert_eq!(died, [None, None, Some(now + COOLDOWN)]);
}

#[tokio::test(start_paused = true)]
async fn after_the_cooldown_one_launch_tries_for_all() {
    let start = Instant::now();
    let mut breaker = open(start);
    let now = start + COOLDOWN;
    assert_eq!(breaker.holds(now), None);
    assert_eq!(breaker.admits(&key(5), now), Ok(()));
    assert!(breaker.admits(&key(6), now).is_err(), "one at a time");
    assert!(breaker.admits(&key(5), now).is_ok());
    assert_eq!(fail(&mut breaker, 5, now), Some(now + COOLDOWN), "open again");
    let now = now + COOLDOWN;
    assert_eq!(breaker.admits(&key(6), now), Ok(()));
    breaker.ready(&key(6), now);
    assert!(!breaker.is_open());
    assert!(breaker.died(&key(6), now, "exit".into()).is_some(), "too soon: open again");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_trying_leaves_it_to_the_next() {
    let start = Instant::now();
    let mut breaker = open(start);
    let now = start + COOLDOWN;
    assert!(breaker.admits(&key(5), now).is_ok());
    breaker.left(&key(5), now);
    assert!(breaker.is_open());
    assert!(breaker.admits(&key(6), now).is_ok());
    breaker.reset();
    assert!(!breaker.is_open() && breaker.admits(&key(7), now).is_ok());
}
