use super::*;

#[test]
fn failures_are_followed_by_longer_and_longer_pauses_and_success_by_the_usual_one() {
    let (seconds, usual) = (Duration::from_secs, Duration::from_secs(600));
    for (failures, expected) in [(0, 600), (1, 5), (2, 10), (3, 20), (8, 600), (4000, 600)] {
        assert_eq!(pause(failures, usual), seconds(expected), "{failures}");
    }
}

/// Whoever makes up names of keys could have the issuer asked as often as he likes.
#[tokio::test(start_paused = true)]
async fn one_look_is_ordered_in_a_while() {
    let shared = Shared {
        known: ArcSwap::default(),
        looks: watch::Sender::default(),
        wanted: Notify::new(),
        start: Instant::now(),
        ordered: AtomicU64::new(0),
    };
    assert!(shared.may_look() && !shared.may_look());
    tokio::time::advance(PACE - Duration::from_secs(1)).await;
    assert!(!shared.may_look());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(shared.may_look() && !shared.may_look());
}
