//! After a storm: all is quiet, nothing is left over, everything still works, and then everything ends.

use std::time::Duration;

use tokio::time::Instant;

use super::Storm;
use crate::metadata::Phase;
use crate::model::ledger::ledger;
use crate::model::recorder::Counts;
use crate::model::session::Session;
use crate::model::world::{BACKENDS, COMMON, DRAIN, LAUNCHES, NARROW};

/// Longer than anything lasts: the longest request, a cooldown, the end of an idle connection.
const QUIET: Duration = Duration::from_secs(20);
const LOOKS: u32 = 10;

impl Storm {
    pub(super) async fn subside(&mut self, counts: &Counts) {
        ledger(|ledger| {
            ledger.calm = true;
            ledger.note(format_args!("calm"));
        });
        if self.dice.chance(30) {
            // In the middle of everything.
            return self.close(counts).await;
        }
        if self.sky.reloads {
            self.restore().await;
        }
        for _ in 0..LOOKS {
            while !ledger(|ledger| ledger.questions.is_empty()) {
                self.respond();
            }
            tokio::time::sleep(QUIET / LOOKS).await;
            self.look();
        }
        self.quiet().await;
        self.identity(counts);
        self.works().await;
        self.close(counts).await;
    }

    /// Nothing is in flight, waits or lives that should not.
    async fn quiet(&self) {
        let waiting = self.sessions.iter().filter(|session| session.is_attaching()).count();
        let list = self.launcher.list().await;
        ledger(|ledger| {
            if waiting > 0 {
                ledger.wrong(format!("{waiting} sessions still wait for the answer to initialize"));
            }
            for one in &list {
                let idle = one.in_flight + one.queued == 0;
                // A reload has forgotten that it was stopped, and nobody has used it since.
                let forgotten = self.sky.reloads && one.phase == Phase::Launching && one.pid.is_none();
                let settled = forgotten || matches!(one.phase, Phase::Ready | Phase::Stopped);
                let lives = ledger.live.get(&one.key) == Some(&one.incarnation);
                let right = idle && settled && lives == (one.phase == Phase::Ready);
                // What was put under supervision is not in the ledger.
                let replaced = idle && settled && self.sky.transports;
                if !right && !replaced {
                    let (phase, count) = (one.phase, one.in_flight + one.queued);
                    ledger.wrong(format!("{} is {phase:?} with {count} requests, lives: {lives}", one.key));
                }
            }
            let lost = ledger.live.keys().filter(|key| !list.iter().any(|one| one.key == **key));
            let lost: Vec<String> = lost.map(ToString::to_string).collect();
            for key in lost {
                ledger.wrong(format!("a child of {key} lives, and nobody knows it"));
            }
        });
    }

    /// As many launches at once as may be; a ticket that was lost would make one wait for the other.
    async fn works(&mut self) {
        let backend = self.dice.pick(&BACKENDS).copied().unwrap_or(COMMON);
        // Closes the breaker, starts what was stopped.
        self.launcher.restart(backend, None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (many, within) = match backend {
            NARROW => (1, 100),
            // The one that is there may just be on its way out.
            COMMON => (1, 1000),
            _ => (LAUNCHES, 100),
        };
        let numbers: Vec<usize> = (0..many).map(|_| self.probe(backend)).collect();
        tokio::time::sleep(Duration::from_millis(within)).await;
        self.take_note();
        for number in numbers {
            if !self.sessions[number].open {
                ledger(|ledger| ledger.wrong(format!("a new session of {backend} is not served")));
            }
            let session = &mut self.sessions[number];
            session.request("tools/list", "{}", true, false);
            session.over = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        for session in self.sessions.iter().filter(|session| session.backend == backend) {
            if let Some(route) = session.route.clone().filter(|_| !session.library) {
                route.end(crate::error::EndCause::Delete);
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        ledger(|ledger| {
            let open = ledger.requests.iter().filter(|request| !request.is_answered()).count();
            if open > 0 {
                ledger.wrong(format!("{open} requests have no answer"));
            }
        });
    }

    fn probe(&mut self, backend: &'static str) -> usize {
        let number = self.sessions.len();
        let mut session = Session::of_client(number, backend, &self.launcher);
        session.attach(&self.launcher);
        self.sessions.push(session);
        number
    }

    /// Everything ends in time, and leaves nothing.
    async fn close(&mut self, counts: &Counts) {
        ledger(|ledger| {
            ledger.closing = true;
            ledger.note(format_args!("close"));
        });
        self.ordered(None);
        let since = Instant::now();
        self.launcher.close().await;
        let took = since.elapsed();
        let list = self.launcher.list().await;
        ledger(|ledger| {
            if took >= DRAIN {
                ledger.wrong(format!("closing takes {took:?}"));
            }
            let left: Vec<String> = ledger.live.values().map(|number| ledger.name(*number)).collect();
            if !left.is_empty() || !list.is_empty() {
                ledger.wrong(format!("left behind: {left:?} {list:?}"));
            }
        });
        // Nothing is there any more, so this takes no time.
        let since = Instant::now();
        self.launcher.drain(since + DRAIN, true).await;
        if since.elapsed() > Duration::from_millis(1) {
            ledger(|ledger| ledger.wrong("the root still knows somebody who lives".into()));
        }
        for session in self.sessions.iter_mut().filter(|session| session.open) {
            session.request("tools/list", "{}", true, false);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.take_note();
        let waiting = self.sessions.iter().filter(|session| session.is_attaching()).count();
        let left = counts.gauge("mcpvisor_connections", |_| true);
        ledger(|ledger| {
            ledger.check_orphaned();
            let open = ledger.requests.iter().filter(|request| !request.is_answered()).count();
            if open + waiting > 0 || left != 0.0 {
                ledger.wrong(format!(
                    "at the end {open} requests and {waiting} sessions wait, {left} are counted"
                ));
            }
        });
        self.identity(counts);
    }

    /// Operators add these up (`observability.md`): each counted fault ends in exactly one of them.
    fn identity(&self, counts: &Counts) {
        for backend in BACKENDS {
            let of = |key: &str| key.contains(&format!("backend=\"{backend}\""));
            let not = |key: &str, reasons: &[&str]| {
                of(key) && !reasons.iter().any(|reason| key.contains(&format!("reason=\"{reason}\"")))
            };
            let survived = ["http_status", "external"];
            let faults = counts.sum("mcpvisor_faults_total", |key| not(key, &survived));
            let all = counts.sum("mcpvisor_faults_total", of);
            let restarts = counts.sum("mcpvisor_restarts_total", |key| not(key, &["manual", "reload"]));
            let stops = counts.sum("mcpvisor_max_error_stops_total", of);
            let fatal = counts.sum("mcpvisor_fatal_stops_total", of);
            let abandoned = counts.sum("mcpvisor_restarts_abandoned_total", of);
            let backing = |key: &str| of(key) && key.contains("backing_off");
            let backing = counts.gauge("mcpvisor_connections", backing) as u64;
            let least = restarts + abandoned + backing + fatal;
            // Errors that leave a connection alive may stop it as well.
            let right = if all > faults {
                (least..=least + stops).contains(&faults)
            } else {
                faults == least + stops
            };
            if !right {
                ledger(|ledger| {
                    ledger.wrong(format!("{backend}: {faults} faults, {restarts} restarts, {stops} + {fatal} stops, {abandoned} abandoned, {backing} backing off"));
                });
            }
        }
    }
}
