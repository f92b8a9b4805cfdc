//! The tree as a whole, against scripted children and in virtual time: thousands of storms, each of which can be repeated.
//!
//! ```text
//! storm       the driver: clients, operators, reloads, bugs; one operation after the other, as the dice say
//!  ├─ session       a client: its route, its requests
//!  └─ Launcher      the real Root, Registry, Supervisors and Connections
//!       └─ child    the link of a scripted child (`life`, `talk`, `script`)
//! ledger      what all of them see, and what of it is wrong
//!  └─ reckoning     what the error count of a key has to be
//! ```
//! All runs on one thread with a paused clock. `MCPVISOR_SEED=7` runs one storm, `MCPVISOR_SEEDS=10000` so many,
//! `MCPVISOR_TRACE=1` prints what happened in one that went wrong.

mod child;
mod dice;
mod ledger;
mod life;
mod reckoning;
mod recorder;
mod script;
mod session;
mod storm;
mod talk;
mod world;

pub(crate) use child::{SCRIPTED, open};
pub(crate) use recorder::Counts;
use storm::{Report, Sky, storm};

/// Storms for each test, unless `MCPVISOR_SEEDS` says how many.
const SEEDS: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Every storm must end with nothing wrong.
fn storms(sky: Sky) {
    let seeds = match number("MCPVISOR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MCPVISOR_SEEDS").unwrap_or(SEEDS),
    };
    println!("seeds {seeds:?}");
    let (mut requests, mut children, mut compared, mut believed) = (0, 0, 0, 0);
    for seed in seeds {
        let report = storm(seed, sky);
        if !report.wrongs.is_empty() {
            fail(seed, &report);
        }
        requests += report.requests;
        children += report.children;
        compared += report.compared;
        believed += report.believed;
    }
    println!("{requests} requests, {children} children, {compared} counts compared, {believed} believed");
}

fn fail(seed: u64, report: &Report) -> ! {
    for line in &report.lines {
        println!("{line}");
    }
    panic!("MCPVISOR_SEED={seed}: {:#?}", report.wrongs);
}

/// Clients would wait for ever, pay twice, or share a server with somebody they do not know.
#[test]
fn children_that_fail_in_every_way() {
    storms(Sky::default());
}

/// The same, while operators restart, stop and end what they please, and sessions come and go.
#[test]
fn orders_at_any_time() {
    storms(Sky { orders: true, errors: true, ..Sky::default() });
}

/// A bug of ours would cost more than the one that meets it.
#[test]
fn panics_of_connections_and_supervisors() {
    storms(Sky { orders: true, panics: true, ..Sky::default() });
}

/// A bug in the one place that knows all keys would cost somebody an answer, or leave a server behind.
#[test]
fn panics_of_the_registry() {
    storms(Sky { errors: true, panics: true, registry_panics: true, ..Sky::default() });
}

/// An open transport would be lost, or live beside the server that it replaces.
#[test]
fn transports_of_others() {
    storms(Sky { orders: true, errors: true, transports: true, ..Sky::default() });
}

/// Another configuration would lose an answer, leave a server of before behind, or start one that is gone.
#[test]
fn reloads_at_any_time() {
    storms(Sky { orders: true, reloads: true, ..Sky::default() });
}

/// A configuration would be forgotten with the Registry that was told of it.
#[test]
fn reloads_while_the_registry_fails() {
    storms(Sky { reloads: true, panics: true, registry_panics: true, ..Sky::default() });
}

/// Nobody could look at a storm that went wrong a second time.
#[test]
fn a_seed_repeats_its_storm() {
    let sky = Sky { orders: true, errors: true, panics: true, ..Sky::default() };
    for seed in 0..number("MCPVISOR_SEEDS").unwrap_or(30) {
        assert_eq!(storm(seed, sky), storm(seed, sky), "seed {seed}");
    }
}
