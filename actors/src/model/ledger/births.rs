//! What the children see: their births, what they read and say, their ends.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mcpvisor_config::Backend;
use tokio::time::Instant;

use super::{Child, Ledger, tag_of};
use crate::actor::ActorRef;
use crate::connection::ConnectionMsg;
use crate::fault::FaultReason;
use crate::message::{Envelope, Kind};
use crate::metadata::Phase;
use crate::model::dice::Dice;
use crate::model::reckoning::Reckoning;
use crate::model::script::{GOOD, Script};
use crate::model::world;
use crate::route::Route;
use crate::session_record::protocol_version;

/// Once a link has ended, everybody who waited for an answer over it has one within this time …
const SETTLES: Duration = Duration::from_millis(50);
/// … and if its process may still be about to exit, within this.
const EXITS: Duration = Duration::from_millis(300);

impl Ledger {
    /// A child is started. Until it is gone, no other of its key may be.
    pub(in crate::model) fn born(
        &mut self,
        route: &Route,
        incarnation: u64,
        connection: &ActorRef<ConnectionMsg>,
        backend: &Backend,
    ) -> Script {
        self.check_configured(backend);
        let key = route.key().clone();
        let born = self.born.entry(key.clone()).or_default();
        *born += 1;
        let name = format!("{key}#{born}");
        let mut dice = Dice::named(self.seed, &name, 0);
        if let Some(other) = self.live.insert(key.clone(), incarnation) {
            let other = self.name(other);
            self.wrong(format!("{name} is started while {other} lives"));
        }
        let temper = if self.calm { GOOD } else { world::temper(&key.backend_id) };
        let script = Script::throw(&mut dice, temper);
        self.note(format_args!("{name} born: {:?} {:?} {:?}", script.opens, script.hello, script.end));
        let reckoning = self.reckoning_of(route);
        self.reckonings[reckoning].launched();
        let child = Child {
            name,
            key,
            connection: connection.clone(),
            transport: backend.transport.clone(),
            supervisor: route.place().supervisor.load().as_ref().map(|supervisor| supervisor.get_id()),
            reckoning,
            process: script.process,
            deaf: false,
            exited: false,
            ordered: false,
            failed: false,
            shaking: None,
            shaken: None,
            status: None,
            latest: BTreeMap::new(),
        };
        self.children.insert(incarnation, child);
        script
    }

    /// The account of the key that `route` stands for.
    pub(in crate::model) fn reckoning_of(&mut self, route: &Route) -> usize {
        let known = self.reckonings.iter().position(|known| known.route.is(route));
        known.unwrap_or_else(|| {
            self.reckonings.push(Reckoning::new(route.clone()));
            self.reckonings.len() - 1
        })
    }

    /// Whether its session was served before, by an earlier child.
    pub(in crate::model) fn served(&self, incarnation: u64) -> bool {
        self.route(incarnation).is_some_and(|route| !route.record().first_result.is_empty())
    }

    /// Whether it is gone, and whether it does not read.
    pub(in crate::model) fn hears(&self, incarnation: u64) -> (bool, bool) {
        self.children.get(&incarnation).map_or((true, true), |child| (child.exited, child.deaf))
    }

    pub(in crate::model) fn reads(&mut self, incarnation: u64, reads: bool) {
        let Some(child) = self.children.get_mut(&incarnation) else { return };
        child.deaf = !reads;
    }

    /// A message is on its way to it.
    pub(in crate::model) fn wrote(&mut self, incarnation: u64, message: &Bytes, late: bool) {
        if let Some(tag) = tag_of(message) {
            return self.wrote_request(incarnation, tag, late);
        }
        self.took(incarnation, message);
        let method = Envelope::parse(message.clone()).ok().and_then(|one| one.method().map(str::to_owned));
        let what = method.as_deref().unwrap_or("an answer");
        let name = self.name(incarnation);
        self.note(format_args!("{name} is told {what}"));
    }

    /// Its link takes a message, which may be a step of the handshake.
    pub(in crate::model) fn took(&mut self, incarnation: u64, message: &Bytes) {
        let (Some(child), Ok(message)) =
            (self.children.get_mut(&incarnation), Envelope::parse(message.clone()))
        else {
            return;
        };
        // Later on these may be said for other reasons.
        if self.reckonings[child.reckoning].phase() != Some(Phase::Launching) {
            return;
        }
        let steps = ["initialize", "logging/setLevel", "resources/subscribe"];
        let step = message.method().is_some_and(|method| steps.contains(&method));
        if step && message.kind() == Kind::Request && tag_of(message.bytes()).is_none() {
            child.shaking = message.wire_id();
        }
    }

    /// No room was left for a message; what is no client's request has to be said, or the child is given up.
    pub(in crate::model) fn full(&mut self, incarnation: u64, message: &Bytes) {
        if tag_of(message).is_none() {
            self.failed(incarnation, FaultReason::WriteStalled, false);
        }
    }

    /// It says something.
    pub(in crate::model) fn said(&mut self, incarnation: u64, message: &Bytes) {
        let Some(child) = self.children.get_mut(&incarnation) else { return };
        let Ok(message) = Envelope::parse(message.clone()) else { return };
        let text = String::from_utf8_lossy(message.bytes()).into_owned();
        let line = format!("{} says {text}", child.name);
        if !message.is_answer() || child.shaking.is_none() || child.shaking != message.wire_id() {
            return self.note(format_args!("{line}"));
        }
        child.shaking = None;
        let first = child.shaken.is_none();
        let record = self.reckonings[child.reckoning].route.record();
        let established = !record.first_result.is_empty();
        let own = self.reckonings[child.reckoning].route.is_own();
        let version = protocol_version(message.bytes());
        let greeted = !first || version.is_some();
        if greeted {
            child.shaken = Some(Instant::now());
        }
        if first && established && version.is_some() && version != record.protocol_version() {
            // The session ends with this.
            self.reckonings[child.reckoning].ordered();
        }
        let refused = message.kind() == Kind::Error && !established && !own;
        self.note(format_args!("{line}"));
        if !greeted && !refused {
            self.failed(incarnation, FaultReason::Handshake, false);
        }
    }

    /// The time for a launch is over in a moment.
    pub(in crate::model) fn late(&mut self, incarnation: u64) {
        let Some(child) = self.children.get_mut(&incarnation) else { return };
        if child.shaken.is_none() {
            return self.failed(incarnation, FaultReason::LaunchTimeout, false);
        }
        // It serves, without what it has not answered of the replay.
        if child.shaking.take().is_some() {
            child.shaken = Some(Instant::now() + Duration::from_millis(1));
        }
    }

    /// Its end is seen, or that of its transport. The first counts, if nobody ordered it.
    pub(in crate::model) fn failed(&mut self, incarnation: u64, reason: FaultReason, fatal: bool) {
        let Some(child) = self.children.get_mut(&incarnation) else { return };
        let counts = !child.ordered && !child.failed;
        child.failed |= counts;
        let ready = child.shaken.filter(|_| !child.is_shaking());
        let line = format!("{} fails: {reason} {counts}", child.name);
        if counts {
            let settled = if child.process && reason == FaultReason::Eof { EXITS } else { SETTLES };
            self.orphaned.push((Instant::now() + settled, incarnation));
            self.reckonings[child.reckoning].fault(fatal, ready, settled);
        }
        self.note(format_args!("{line}"));
    }

    /// It is reported that this request has failed: that counts once for each child.
    pub(in crate::model) fn request_failed(&mut self, incarnation: u64, tag: usize) {
        let name = self.name(incarnation);
        self.note(format_args!("{name} fails request {tag}"));
        let (Some(child), Some(request)) = (self.children.get_mut(&incarnation), self.requests.get(tag))
        else {
            return;
        };
        if request.is_answered() || child.ordered || child.failed {
            return;
        }
        let reckoning = &mut self.reckonings[child.reckoning];
        let first = child.status.is_none();
        // If it is cancelled by now, that is no error.
        let known = request.cancelled.is_none() && !request.duplicate;
        match *child.status.get_or_insert(known) {
            false => reckoning.doubt(),
            true if first => reckoning.error(reckoning.phase()),
            true => {}
        }
    }

    /// It is reported that the session is no longer known: nobody's fault, unless that happens again and again.
    pub(in crate::model) fn forgot(&mut self, incarnation: u64) {
        let Some(child) = self.children.get_mut(&incarnation).filter(|child| !child.ordered) else { return };
        // What it does from now on is of no interest to anybody.
        (child.shaken, child.ordered) = (None, true);
        let reckoning = &mut self.reckonings[child.reckoning];
        reckoning.ended();
        reckoning.ordered();
        reckoning.doubt();
    }

    pub(in crate::model) fn exited(&mut self, incarnation: u64) {
        if let Some(child) = self.children.get_mut(&incarnation) {
            child.exited = true;
        }
    }

    /// It was told to end.
    pub(in crate::model) fn ordered(&mut self, incarnation: u64, order: &str) {
        let Some(child) = self.children.get_mut(&incarnation) else { return };
        child.ordered = true;
        let line = format!("{} is ordered to {order}", child.name);
        self.note(format_args!("{line}"));
    }

    /// Its link is gone.
    pub(in crate::model) fn dropped(&mut self, incarnation: u64) {
        self.ordered(incarnation, "die");
        self.orphaned.push((Instant::now() + SETTLES, incarnation));
    }

    /// Nothing of it is left.
    pub(in crate::model) fn left(&mut self, incarnation: u64) {
        let Some(child) = self.children.get(&incarnation) else { return };
        let (key, name) = (child.key.clone(), child.name.clone());
        let ready = child.shaken.filter(|_| !child.failed);
        self.reckonings[child.reckoning].gone(ready);
        self.live.remove(&key);
        self.note(format_args!("{name} is gone"));
    }

    /// Nobody waits longer than this for an answer that cannot come any more.
    pub(in crate::model) fn check_orphaned(&mut self) {
        let now = Instant::now();
        let due: Vec<u64> = self
            .orphaned
            .extract_if(.., |(until, _)| now > *until)
            .map(|(_, incarnation)| incarnation)
            .collect();
        for incarnation in due {
            for tag in self.waits_for(incarnation) {
                let name = self.name(incarnation);
                self.wrong(format!("request {tag} still waits for an answer of {name}, which is gone"));
            }
        }
    }

    /// The route that stands for the key of a child.
    pub(in crate::model) fn route(&self, incarnation: u64) -> Option<Route> {
        let child = self.children.get(&incarnation)?;
        Some(self.reckonings[child.reckoning].route.clone())
    }

    pub(in crate::model) fn name(&self, incarnation: u64) -> String {
        self.children.get(&incarnation).map_or_else(String::new, |child| child.name.clone())
    }
}

impl Child {
    fn is_shaking(&self) -> bool {
        self.shaken.is_none() || self.shaking.is_some()
    }
}
