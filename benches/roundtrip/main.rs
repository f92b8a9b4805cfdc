//! What calls through mcpvisor cost, beside their floors, measured in one run.
//!
//! ```text
//! pipe       the backend, spoken to directly over its standard input and output: the limit
//! bare       a hyper handler that answers itself: the least that HTTP costs
//! floor      rmcp's own Streamable HTTP server with the same tools in process: F, the unit of the ratios
//! mcpvisor   the release binary with its defaults, the same backend behind it as a child process
//! workers-2  the same with two worker threads
//! ```
//! Everything runs on loopback, with one client that is the same for all HTTP servers. The contestants take
//! turns within each round, so that a noisy machine is noisy for all of them. `docs/performance.md` has results.

mod backends;
mod calls;
#[path = "../common/all.rs"]
mod common;
mod contestant;
mod crash;
mod figures;
mod first_result;
mod goals;
mod load;
mod memory;
mod neighbours;
mod one_core;
mod options;
mod pipe;
mod report;
mod scenario;
mod storm;
mod witness;

use anyhow::Context;
use clap::Parser;

use calls::Calls;
use common::binaries::Binaries;
use contestant::Contestant;
use options::Options;
use report::Report;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let binaries = Binaries::build()?;
    // One thread: the client must not take the cores of what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&options, &binaries))?;
    let file = binaries.target().join("bench").join("roundtrip.json");
    report.write(&file).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{report}");
    println!("written to {}", file.display());
    Ok(())
}

async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<Report> {
    let mut report = Report::begin(options);
    round_trips(options, binaries, &mut report.round_trips).await?;
    let wants = |scenario| options.wants(scenario, scenario);
    if wants(scenario::FIRST_RESULT) {
        eprintln!("first results");
        let measured = first_result::measure(options, binaries).await;
        report.first_result = Some(measured.context(scenario::FIRST_RESULT)?);
    }
    if wants(scenario::STORM) {
        eprintln!("storm");
        report.storm = Some(storm::measure(options, binaries).await.context(scenario::STORM)?);
    }
    if wants(scenario::NEIGHBOURS) {
        eprintln!("neighbours");
        report.neighbours = Some(neighbours::measure(options, binaries).await.context(scenario::NEIGHBOURS)?);
    }
    if wants(scenario::MEMORY) {
        eprintln!("memory");
        report.memory.push(memory::stdio(options, binaries).await.context("memory, stdio")?);
        report.memory.push(memory::http(options, binaries).await.context("memory, http")?);
    }
    if wants(scenario::CRASH) {
        eprintln!("kills");
        report.crash = Some(crash::measure(options, binaries).await.context(scenario::CRASH)?);
    }
    Ok(report.finish())
}

async fn round_trips(options: &Options, binaries: &Binaries, calls: &mut Calls) -> anyhow::Result<()> {
    let scenarios = options.round_trips();
    if scenarios.is_empty() {
        return Ok(());
    }
    let mut contestants = Contestant::start(options, &scenarios, binaries).await?;
    for round in 1..=options.rounds() {
        eprintln!("round {round} of {}", options.rounds());
        // Whoever is measured first may find a cooler processor: the order turns from round to round.
        contestants.rotate_left(1);
        for scenario in &scenarios {
            for contestant in contestants.iter().filter(|contestant| contestant.takes_part(scenario)) {
                let figures = contestant.measure(scenario, options).await;
                let figures = figures.with_context(|| format!("{} at {}", contestant.name, scenario.name))?;
                calls.add(scenario.name, &contestant.name, figures);
            }
        }
    }
    Ok(())
}
