//! Who was answered, how, and when. Pure.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::common::spread::Spread;
use crate::history::{Death, History, Outcome, Request};
use crate::variant::{Kind, Variant};

/// `backend_lost`
pub(crate) const LOST: i64 = -31001;
/// So soon what is in flight at a death is answered.
const AT_ONCE: Duration = Duration::from_millis(50);
/// An incarnation that was ready for so long is restarted without a pause.
const STEADY: Duration = Duration::from_secs(10);
/// So many of the broken promises of one sort are told in words.
const SHOWN: usize = 5;

/// When what was measured.
pub(crate) struct Phases {
    pub(crate) baseline: Range<Instant>,
    pub(crate) kills: Range<Instant>,
}

/// What was seen from outside.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Account {
    pub(crate) kills: usize,
    pub(crate) killed_sessions: usize,
    /// From the kill to the first answer of the next process.
    pub(crate) recovery_ms: Spread,
    /// Of processes that had lived for 10 s, or were the first of their session: restarted at once.
    pub(crate) recovery_at_once_ms: Spread,
    /// Of the others: after a pause.
    pub(crate) recovery_after_pause_ms: Spread,
    pub(crate) requests: Requests,
    pub(crate) in_flight: InFlight,
    /// The calls of sessions that were never killed, in the time before the kills.
    pub(crate) others_before_ms: Spread,
    /// The same sessions during the kills.
    pub(crate) others_during_ms: Spread,
    /// Those calls of killed sessions that were answered with a result, during the kills.
    pub(crate) killed_during_ms: Spread,
    /// What mcpvisor promises and did not keep.
    pub(crate) broken: Vec<String>,
}

/// All of them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Requests {
    pub(crate) sent: usize,
    pub(crate) right: usize,
    /// Answered `backend_lost`.
    pub(crate) lost: usize,
    /// Answered with any other error.
    pub(crate) refused: usize,
    /// Answered wrongly, or more than once.
    pub(crate) wrong: usize,
    pub(crate) unanswered: usize,
}

/// Those that were on their way when their server was killed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct InFlight {
    pub(crate) count: usize,
    /// Repeated, and still on their way when the next server was killed too: these are counted for that death.
    pub(crate) met_another: usize,
    /// Answered `backend_lost`: from the kill on.
    pub(crate) lost_ms: Spread,
    /// The share of these that was answered within 50 ms.
    pub(crate) lost_within_50_ms: f64,
    /// Answered with a result all the same: from the kill on.
    pub(crate) answered_ms: Spread,
    /// Sent after the kill, but before mcpvisor had seen it, and lost as well: from the kill on.
    pub(crate) lost_just_after_ms: Spread,
}

impl Account {
    pub(crate) fn of(histories: &[History], phases: &Phases, variant: Variant) -> Self {
        let deaths = || histories.iter().flat_map(|history| &history.deaths);
        let recoveries = |wanted: fn(bool) -> bool| {
            let of_one = histories.iter().flat_map(|history| recoveries(&history.deaths));
            Spread::of(of_one.filter(|(_, paused)| wanted(*paused)).map(|(took, _)| took))
        };
        let (killed, others): (Vec<_>, Vec<_>) =
            histories.iter().partition(|history| !history.deaths.is_empty());
        Self {
            kills: deaths().count(),
            killed_sessions: killed.len(),
            recovery_ms: recoveries(|_| true),
            recovery_at_once_ms: recoveries(|paused| !paused),
            recovery_after_pause_ms: recoveries(|paused| paused),
            requests: Requests::of(histories),
            in_flight: InFlight::of(histories),
            others_before_ms: short_calls(&others, &phases.baseline),
            others_during_ms: short_calls(&others, &phases.kills),
            killed_during_ms: short_calls(&killed, &phases.kills),
            broken: broken(histories, variant),
        }
    }
}

impl Requests {
    fn of(histories: &[History]) -> Self {
        let mut counted = Self { sent: 0, right: 0, lost: 0, refused: 0, wrong: 0, unanswered: 0 };
        for request in histories.iter().flat_map(|history| &history.requests) {
            counted.sent += 1;
            *match &request.outcome {
                Outcome::Right(_) => &mut counted.right,
                Outcome::Error { code: LOST, .. } => &mut counted.lost,
                Outcome::Error { .. } => &mut counted.refused,
                Outcome::Wrong(_) => &mut counted.wrong,
                Outcome::Unanswered => &mut counted.unanswered,
            } += 1;
        }
        counted
    }
}

impl InFlight {
    fn of(histories: &[History]) -> Self {
        let (mut lost, mut just_after, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        let (mut count, mut met_another) = (0, 0);
        for History { requests, deaths, .. } in histories {
            for request in requests {
                let open = deaths.iter().filter(|death| request.was_open_at(death.at)).count();
                count += open;
                met_another += open.saturating_sub(1);
                let Some(last) = deaths.iter().rfind(|death| death.at < request.ended) else { continue };
                let took = request.ended - last.at;
                match (request.sent < last.at, &request.outcome) {
                    (true, Outcome::Right(_)) => answered.push(took),
                    (true, Outcome::Error { code: LOST, .. }) => lost.push(took),
                    (false, Outcome::Error { code: LOST, .. }) => just_after.push(took),
                    _ => {}
                }
            }
        }
        let at_once = lost.iter().filter(|took| **took <= AT_ONCE).count();
        Self {
            count,
            met_another,
            lost_within_50_ms: if lost.is_empty() { 1.0 } else { at_once as f64 / lost.len() as f64 },
            lost_ms: Spread::of(lost),
            answered_ms: Spread::of(answered),
            lost_just_after_ms: Spread::of(just_after),
        }
    }
}

/// How long each took, and whether the restart had to pause first: after another death a moment ago.
fn recoveries(deaths: &[Death]) -> impl Iterator<Item = (Duration, bool)> {
    deaths.iter().enumerate().filter_map(|(number, death)| {
        let before = number.checked_sub(1).and_then(|before| deaths[before].recovered);
        let paused = before.is_some_and(|ready| death.at - ready < STEADY);
        Some((death.recovered? - death.at, paused))
    })
}

/// From the moment each was due: what a late answer makes wait counts as late too.
fn short_calls(histories: &[&History], phase: &Range<Instant>) -> Spread {
    let calls = histories.iter().flat_map(|history| &history.requests);
    let counted =
        calls.filter(|call| call.kind == Kind::Short && call.is_right() && phase.contains(&call.due));
    Spread::of(counted.map(|call| call.ended - call.due))
}

fn broken(histories: &[History], variant: Variant) -> Vec<String> {
    let mut broken: Vec<String> = histories.iter().flat_map(|history| history.failures.clone()).collect();
    for History { requests, deaths, .. } in histories {
        broken.extend(requests.iter().filter_map(|request| {
            let wrong = match &request.outcome {
                Outcome::Right(_) => return None,
                Outcome::Error { code: LOST, reason } if reason == "signal" => {
                    // One that is safe to repeat is, so that it takes two deaths to lose it.
                    let needed = if variant == Variant::Safe && request.kind != Kind::Probe { 2 } else { 1 };
                    if causes(request, deaths) >= needed {
                        return None;
                    }
                    "lost without a death that explains it".to_owned()
                }
                Outcome::Error { code, reason } => format!("answered with error {code} {reason}"),
                Outcome::Wrong(what) => what.clone(),
                Outcome::Unanswered => "not answered".to_owned(),
            };
            let Request { id, kind, .. } = request;
            let nearest = deaths.iter().rfind(|death| death.at < request.ended);
            let after = nearest.map(|death| format!(", {:?} after a kill", request.ended - death.at));
            Some(format!("{kind:?} call {id}: {wrong}{}", after.unwrap_or_default()))
        }));
    }
    if broken.len() > SHOWN {
        let more = broken.len() - SHOWN;
        broken.truncate(SHOWN);
        broken.push(format!("and {more} more of this sort"));
    }
    broken
}

/// How many deaths may have met it: what was sent when the next process had answered went to that one.
fn causes(request: &Request, deaths: &[Death]) -> usize {
    let met = |death: &&Death| {
        death.at < request.ended && death.recovered.is_none_or(|recovered| request.sent < recovered)
    };
    deaths.iter().filter(met).count()
}
