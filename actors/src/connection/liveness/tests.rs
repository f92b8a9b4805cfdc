//! Silence at made-up times: a heartbeat of 10 s, three pings.

use mcpvisor_config::{LoadRequest, Source};

use super::*;

const BEAT: Duration = Duration::from_secs(10);

struct World {
    start: Instant,
    liveness: Liveness,
    last_ping: u64,
}

impl World {
    /// Asked for something at 0 s.
    fn new(settings: &str) -> Self {
        let text = format!("[backends.b]\ncommand = \"sleep\"\n{settings}\n");
        let file = Source::Text { name: "t.toml".into(), text };
        let loaded =
            mcpvisor_config::load(LoadRequest { files: vec![file], ..LoadRequest::default() }).unwrap();
        let start = Instant::now();
        let mut liveness = Liveness::new(&loaded.config.backends["b"], start);
        liveness.wanted(start);
        Self { start, liveness, last_ping: 1000 }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn time_out(&mut self, seconds: u64) {
        let now = self.at(seconds);
        self.liveness.timed_out(now);
    }

    /// Looks, with a request in flight, and says what came of it. A ping is sent.
    fn look(&mut self, seconds: u64) -> Beat {
        let now = self.at(seconds);
        let beat = self.liveness.beat(now, true);
        if let Beat::Ping(next) = beat {
            assert_eq!(next, now + BEAT);
            self.last_ping += 1;
            self.liveness.pinged(self.last_ping);
        }
        beat
    }

    fn pings(&mut self, seconds: impl IntoIterator<Item = u64>) {
        for second in seconds {
            assert!(matches!(self.look(second), Beat::Ping(_)), "at {second} s");
        }
    }
}

/// A server that works for an hour without a word would be killed in the middle of its work.
#[test]
fn silence_alone_is_never_a_fault() {
    let mut world = World::new("");
    world.pings([10, 20, 30]);
    for second in (40..3600).step_by(10) {
        assert!(matches!(world.look(second), Beat::Wait(_)), "at {second} s");
    }
    assert_eq!(world.last_ping, 1003, "what it has not answered lies before it: no more is sent");
}

/// A server that hangs would keep its session for ever.
#[test]
fn a_timeout_after_three_pings_that_brought_nothing_is_the_end() {
    let mut world = World::new("");
    world.pings([10, 20, 30]);
    assert!(matches!(world.look(40), Beat::Wait(_)));
    world.time_out(43);
    assert_eq!(world.look(43), Beat::Unresponsive);
}

/// A server that is only a little too slow would be killed before it has had the chance to say a word.
#[test]
fn after_a_timeout_the_pings_go_on_until_three_have_had_their_time() {
    let mut world = World::new("");
    world.pings([10]);
    world.time_out(15);
    assert_eq!(world.look(15), Beat::Wait(world.at(20)));
    // Nothing is in flight any more; a request that comes now changes nothing.
    for second in [20, 30] {
        world.liveness.wanted(world.at(second - 5));
        let beat = world.liveness.beat(world.at(second), false);
        assert!(matches!(beat, Beat::Ping(_)), "{beat:?}");
        world.liveness.pinged(second);
    }
    assert_eq!(world.liveness.beat(world.at(39), false), Beat::Wait(world.at(40)));
    assert_eq!(world.liveness.beat(world.at(40), false), Beat::Unresponsive);
}

/// A server that has only forgotten a request would be killed if it is then kept busy for a while.
#[test]
fn a_timeout_is_followed_at_once_by_a_ping_if_none_is_out() {
    let mut world = World::new("");
    world.pings([10]);
    world.liveness.heard(world.at(11));
    world.time_out(15);
    world.pings([15]);
    assert!(matches!(world.look(25), Beat::Ping(_)), "one is missed by now");
    assert!(matches!(world.look(35), Beat::Wait(_)), "and two");
    assert_eq!(world.look(45), Beat::Unresponsive);
}

/// A server that has proved that it lives would be killed for what it once did not answer.
#[test]
fn a_word_of_the_backend_ends_the_count_and_clears_the_timeout() {
    let mut world = World::new("");
    world.pings([10, 20]);
    world.time_out(25);
    world.pings([30]);
    world.liveness.heard(world.at(39));
    assert!(world.liveness.settle(1001), "what it said was the answer to the first");
    assert_eq!(world.liveness.beat(world.at(40), false), Beat::Rest, "nobody wants anything of it");
    world.liveness.wanted(world.at(50));
    world.pings([60]);
    for second in [70, 80, 90, 100] {
        assert!(matches!(world.look(second), Beat::Ping(_) | Beat::Wait(_)), "at {second} s");
    }
}

/// A busy server would be pinged for nothing, and an idle one woken every ten seconds.
#[test]
fn who_speaks_or_owes_nothing_is_not_pinged() {
    let mut world = World::new("");
    for second in (5..100).step_by(5) {
        world.liveness.heard(world.at(second));
        assert_eq!(world.look(second + 4), Beat::Wait(world.at(second + 10)));
    }
    assert_eq!(world.liveness.beat(world.at(200), false), Beat::Rest);
}

/// A server whose user thinks an answer over would be killed for waiting.
#[test]
fn the_time_in_which_it_waits_for_its_client_is_not_counted() {
    let mut world = World::new("");
    world.pings([10, 20]);
    world.time_out(25);
    for second in (30..600).step_by(10) {
        world.liveness.excuse(world.at(second));
        assert!(matches!(world.look(second), Beat::Wait(_)), "at {second} s");
    }
    world.pings([600]);
    assert!(matches!(world.look(610), Beat::Wait(_)), "two lie there from before, and one more");
    assert!(matches!(world.look(620), Beat::Wait(_)));
    assert_eq!(world.look(630), Beat::Unresponsive, "it stays silent all the same");
}

/// A laptop that was closed for an hour would find all its servers killed.
#[test]
fn a_standstill_of_our_own_is_not_held_against_it() {
    let mut world = World::new("");
    world.pings([10, 20, 30]);
    assert!(matches!(world.look(40), Beat::Wait(_)));
    world.time_out(3600);
    assert!(matches!(world.look(3600), Beat::Wait(_)));
    world.liveness.heard(world.at(3601));
    assert_eq!(world.liveness.beat(world.at(3610), false), Beat::Rest);
}

/// An upstream that was down for a minute would be taken for one that hangs now.
#[test]
fn a_ping_that_failed_is_missed_and_followed_by_another() {
    let mut world = World::new("");
    world.pings([10]);
    assert!(world.liveness.is_ping(1001) && world.liveness.settle(1001) && !world.liveness.settle(1001));
    world.pings([20, 30]);
    assert!(world.liveness.settle(1002) && world.liveness.settle(1003));
    world.pings([40, 50]);
    world.time_out(51);
    assert_eq!(world.look(51), Beat::Unresponsive);
}

/// A server whose pipe was full for a moment would be given up for pings that it never got.
#[test]
fn a_ping_that_the_link_did_not_take_is_not_missed() {
    let mut world = World::new("");
    world.time_out(5);
    for second in (10..100).step_by(10) {
        let beat = world.liveness.beat(world.at(second), true);
        assert!(matches!(beat, Beat::Ping(_)), "at {second} s: {beat:?}");
    }
}

/// Of a server that must be left alone mcpvisor would want something all the same.
#[test]
fn turned_off_it_neither_pings_nor_gives_up() {
    let mut world = World::new("liveness = \"off\"");
    world.time_out(5);
    assert_eq!(world.liveness.due(), None);
    for second in (10..600).step_by(10) {
        assert_eq!(world.look(second), Beat::Rest);
    }
}
