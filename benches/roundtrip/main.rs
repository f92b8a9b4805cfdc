//! A `tools/call` round trip through mcpvisor beside its floors, measured in one run.
//!
//! ```text
//! pipe      the backend, spoken to directly over its standard input and output: the limit
//! floor     rmcp's own Streamable HTTP server with the same tool in process: F, the unit of the ratios
//! mcpvisor  the release binary with its defaults, the same backend behind it as a child process
//! ```
//! Everything runs on loopback, with one client that is the same for both HTTP servers. The contestants take
//! turns within each round, so that a noisy machine is noisy for all of them. `docs/performance.md` has results.

mod backends;
#[path = "../common/all.rs"]
mod common;
mod contestant;
mod crash;
mod figures;
mod load;
mod one_core;
mod options;
mod pipe;
mod report;
mod scenario;

use anyhow::Context;
use clap::Parser;

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
    let scenarios: Vec<_> =
        scenario::ROUND_TRIPS.iter().filter(|scenario| options.wants(scenario.name)).collect();
    if !scenarios.is_empty() {
        let mut contestants = Contestant::start(options, binaries).await?;
        for round in 1..=options.rounds() {
            eprintln!("round {round} of {}", options.rounds());
            // Whoever is measured first may find a cooler processor: the order turns from round to round.
            contestants.rotate_left(1);
            for scenario in &scenarios {
                for contestant in &contestants {
                    let figures = contestant.measure(scenario, options).await;
                    let figures =
                        figures.with_context(|| format!("{} at {}", contestant.name, scenario.name))?;
                    report.add(scenario.name, &contestant.name, figures);
                }
            }
        }
    }
    if options.wants(scenario::CRASH) {
        eprintln!("kills");
        report.crash = Some(crash::measure(options, binaries).await.context(scenario::CRASH)?);
    }
    Ok(report.finish())
}
