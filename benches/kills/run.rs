//! One run: sessions, load, kills, and a look at what is left.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::account::{Account, Phases};
use crate::common::binaries::Binaries;
use crate::common::dice::Dice;
use crate::common::footprint::Footprint;
use crate::common::gateway::Gateway;
use crate::common::http::Target;
use crate::common::pace::Clock;
use crate::common::processes::zombies_of;
use crate::common::server::cpu_time;
use crate::killer::{self, Victim};
use crate::options::Options;
use crate::outcome::{Footprints, Left, Outcome};
use crate::sampler::Sampler;
use crate::user::{PERIOD, User};
use crate::variant::{BACKEND, Variant};
use crate::witness::Witness;

/// The last ones killed have recovered by then, pauses included, and calls are as they were before.
const TAIL: Duration = Duration::from_secs(2);
/// For what is closed to be gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// Opens sessions, uses them without faults and with, closes everything.
pub(crate) async fn run(variant: Variant, options: &Options, binaries: &Binaries) -> anyhow::Result<Outcome> {
    let gateway =
        Gateway::start(binaries, &variant.backend(&binaries.fixture, options.is_quick()), &options.set)
            .await?;
    let outcome = measure(variant, options, &gateway).await;
    let (account, witness, mcpvisor, kills_skipped) =
        outcome.with_context(|| format!("mcpvisor's log ends:\n{}", gateway.end_of_log()))?;
    let processes = gone(|| gateway.processes_of_servers()).await;
    let zombies = gone(|| zombies_of(gateway.pid()).len()).await;
    let closed = Footprint::of(gateway.pid()).unwrap_or_default();
    let left = Left { processes, zombies, end: gateway.end()? };
    let mut outcome = Outcome {
        retry: variant,
        sessions: options.sessions(),
        kills_skipped,
        broken: Vec::new(),
        account,
        witness,
        mcpvisor: Footprints { closed, ..mcpvisor },
        left,
    };
    outcome.broken = outcome.find_broken();
    Ok(outcome)
}

async fn measure(
    variant: Variant,
    options: &Options,
    gateway: &Gateway,
) -> anyhow::Result<(Account, Witness, Footprints, u32)> {
    let started = Footprint::of(gateway.pid()).context("mcpvisor is gone")?;
    eprintln!("retry = {:?}: {} sessions", variant.retry(), options.sessions());
    let (mut dice, mut victims, mut users) = (Dice::new(options.seed), Vec::new(), JoinSet::new());
    let opened = open_all(gateway, options.sessions()).await?;
    let begin = Instant::now() + Duration::from_millis(50);
    let baseline = begin + options.warm_up()..begin + options.warm_up() + options.baseline();
    let kills = baseline.end..baseline.end + options.kills();
    let mut clock = Clock::default();
    for user in opened {
        let (orders, received) = mpsc::channel(1);
        victims.push(Victim { is_up: user.is_up(), orders, kills: 0 });
        let phase = Duration::from_micros(dice.below(PERIOD.as_micros() as u64));
        users.spawn(user.live(clock.moments(begin + phase, PERIOD), received));
    }
    let moments = clock.moments(kills.start, options.every());
    clock.start();
    let sampler = Sampler::start(gateway.pid());
    let cpu = || cpu_time(gateway.pid()).unwrap_or_default();
    sleep_until(baseline.start.into()).await;
    let mut spent = vec![cpu()];
    eprintln!("{:?} without faults", options.baseline());
    sleep_until(baseline.end.into()).await;
    spent.push(cpu());
    eprintln!("{:?} with a kill every {:?}", options.kills(), options.every());
    let skipped = killer::kill(&mut victims, dice, moments, kills.end).await;
    spent.push(cpu());
    sleep(TAIL).await;
    let samples = sampler.samples().await?;
    drop(victims);
    let (mut histories, mut sessions) = (Vec::new(), Vec::new());
    while let Some(ended) = users.join_next().await {
        let (history, session) = ended??;
        histories.push(history);
        sessions.push(session);
    }
    let witness = Witness::ask(gateway).await?;
    for session in &sessions {
        session.close().await?;
    }
    let highest = |from: Instant, to: Instant| {
        let within = samples.iter().filter(|(at, _)| (from..to).contains(at));
        within.fold(Footprint::default(), |highest, (_, sample)| highest.max(*sample))
    };
    let cores = |number: usize, over: Duration| (spent[number + 1] - spent[number]).div_duration_f64(over);
    let footprints = Footprints {
        started,
        before: highest(baseline.start, baseline.end),
        during: highest(kills.start, kills.end),
        after: samples.last().map(|(_, last)| *last).unwrap_or_default(),
        closed: Footprint::default(),
        cores_before: cores(0, options.baseline()),
        cores_during: cores(1, options.kills()),
    };
    Ok((Account::of(&histories, &Phases { baseline, kills }, variant), witness, footprints, skipped))
}

async fn open_all(gateway: &Gateway, count: usize) -> anyhow::Result<Vec<User>> {
    let target = Target::parse(&gateway.url(BACKEND))?;
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let target = target.clone();
        opening.spawn(async move { User::open(&target).await });
    }
    let mut users = Vec::new();
    while let Some(user) = opening.join_next().await {
        users.push(user??);
    }
    Ok(users)
}

/// How many are left, zero as soon as there are none.
async fn gone(count: impl Fn() -> usize) -> usize {
    let asked = Instant::now();
    loop {
        let left = count();
        if left == 0 || asked.elapsed() > PATIENCE {
            return left;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
