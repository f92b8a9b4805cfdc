//! Sessions come and go for as long as one likes, and what serves them is at the end what it was at the start.
//!
//! `./tests/run --soak MINUTES` (`MCPVISOR_SOAK_MINUTES`); without it a few seconds. `MCPVISOR_SOAK_SEED` repeats
//! the choices of an earlier run, if not their timing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/all.rs"]
mod common;

#[path = "soak/curve.rs"]
mod curve;
#[path = "soak/tally.rs"]
mod tally;
#[path = "soak/upstream.rs"]
mod upstream;
#[path = "soak/visit.rs"]
mod visit;
#[path = "soak/world.rs"]
mod world;

use std::time::{Duration, Instant};

use common::{Dice, Footprint, Service};
use curve::{Curve, Sample};
use rustix::process::Signal;
use tally::Tally;
use upstream::Upstream;
use visit::Visitor;

/// Without `MCPVISOR_SOAK_MINUTES`.
const MINI: Duration = Duration::from_secs(6);
/// Visitors at the same time.
const VISITORS: u64 = 16;
/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);
const MINI_EVERY: Duration = Duration::from_millis(500);

/// Whoever runs it for weeks would see it grow, and one day stop.
#[tokio::test]
async fn it_is_at_the_end_what_it_was_at_the_start() {
    let minutes: Option<f64> = variable("MCPVISOR_SOAK_MINUTES");
    let (length, every) =
        minutes.map_or((MINI, MINI_EVERY), |minutes| (Duration::from_secs_f64(minutes * 60.0), EVERY));
    let seed = variable("MCPVISOR_SOAK_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("MCPVISOR_SOAK_SEED={seed}, {length:?}");

    let upstream = Upstream::start();
    let mut service = Service::start(&world::config(&upstream.url)).await;
    let tally = Tally::default();
    // What is there once is there for good: the first sessions show it.
    for backend in world::BACKENDS {
        Visitor::new(&service, &tally, seed).look_in(backend.name).await;
    }
    world::settled(&service).await;
    let start = Footprint::of(service.pid()).unwrap();
    let until = Instant::now() + length;
    let mut curve = Curve::begin(minutes.is_some());
    let visitors = (0..VISITORS).map(|number| {
        let mut visitor = Visitor::new(&service, &tally, seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f));
        async move {
            while Instant::now() < until {
                visitor.visit(until).await;
            }
        }
    });
    tokio::join!(common::all(visitors), upstream.come_and_go(Dice::new(!seed), until), async {
        while Instant::now() < until {
            curve.add(Sample::take(&service).await);
            tokio::time::sleep(every).await;
        }
    });
    println!("{tally}");
    world::settled(&service).await;
    let end = world::back_at(&service, start).await;
    println!("at the start {start:?}\nat the end   {end:?}\n{curve}");
    if length >= curve::WARM {
        curve.must_be_flat();
        tally.must_be_of_everything();
    }
    world::no_bug_of_ours(&service).await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(0));
    service.nothing_is_left().await;
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
