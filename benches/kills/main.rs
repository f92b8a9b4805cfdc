//! What clients see while the servers behind mcpvisor are killed, one after the other.
//!
//! Many sessions call at a fixed rate, whatever becomes of the calls before. First nothing happens: that is what
//! each is compared with. Then a child is killed every 100 ms, always another session's. Every request and every
//! death is written down; who was answered, how, and when, is found out afterwards (`account`). Once with
//! `retry = "never"`, so that a loss is seen as one, and once with the default. `docs/faults.md` has results.
//!
//! The exit code says whether a promise was broken (an answer that did not come, a process that stayed); how
//! long anything took never changes it.

mod account;
#[path = "../common/all.rs"]
mod common;
mod history;
mod killer;
mod options;
mod outcome;
mod report;
mod run;
mod sampler;
mod user;
mod variant;
mod witness;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use common::binaries::Binaries;
use options::Options;
use report::Report;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    raise_limit_of_files()?;
    let binaries = Binaries::build()?;
    // One thread: the client must not take the cores of what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&options, &binaries))?;
    let file = binaries.target().join("bench").join(report.file_name());
    report.write(&file).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{report}");
    println!("written to {}", file.display());
    Ok(if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(options: &Options, binaries: &Binaries) -> anyhow::Result<Report> {
    let mut report = Report::begin(options);
    for variant in options.variants() {
        let outcome = run::run(variant, options, binaries).await;
        report.add(outcome.with_context(|| format!("retry = {:?}", variant.retry()))?);
    }
    Ok(report)
}

/// Each session has several connections to mcpvisor and a timer.
fn raise_limit_of_files() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
