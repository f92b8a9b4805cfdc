//! Whose group is whose, and what each has used. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::pass::Sample;
use super::{BackendUsage, News};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    living: HashMap<u64, Living>,
    /// CPU time of the groups that have ended, by backend.
    ended: BTreeMap<Arc<str>, f64>,
}

#[derive(Debug)]
struct Living {
    backend: Arc<str>,
    group: u32,
    last: Sample,
}

impl Ledger {
    pub(super) fn learn(&mut self, news: News) {
        match news {
            News::Born { incarnation, backend, group } => {
                self.ended.entry(backend.clone()).or_default();
                self.living.insert(incarnation, Living { backend, group, last: Sample::default() });
            }
            News::Gone { incarnation, cpu_seconds } => {
                let Some(Living { backend, last, .. }) = self.living.remove(&incarnation) else { return };
                // What it says at its end knows nothing of members of the group that it never waited for.
                *self.ended.entry(backend).or_default() += cpu_seconds.max(last.cpu_seconds);
            }
        }
    }

    /// The groups to look at.
    pub(super) fn groups(&self) -> HashSet<u32> {
        self.living.values().map(|living| living.group).collect()
    }

    pub(super) fn seen(&mut self, samples: &HashMap<u32, Sample>) {
        for living in self.living.values_mut() {
            let mut now = samples.get(&living.group).copied().unwrap_or_default();
            // A member that ended, waited for by nobody of the group, takes its time along; it was used all the same.
            now.cpu_seconds = now.cpu_seconds.max(living.last.cpu_seconds);
            living.last = now;
        }
    }

    pub(super) fn usage(&self) -> BTreeMap<Arc<str>, BackendUsage> {
        let ended = self.ended.iter();
        let mut all: BTreeMap<_, _> = ended
            .map(|(backend, cpu)| (backend.clone(), BackendUsage { cpu_seconds: *cpu, ..Default::default() }))
            .collect();
        for living in self.living.values() {
            let usage = all.entry(living.backend.clone()).or_default();
            usage.servers += u64::from(living.last.processes > 0);
            usage.processes += living.last.processes;
            usage.memory += living.last.memory;
            usage.open_fds += living.last.open_fds;
            usage.cpu_seconds += living.last.cpu_seconds;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn born(ledger: &mut Ledger, incarnation: u64, group: u32) {
        ledger.learn(News::Born { incarnation, backend: "b".into(), group });
    }

    fn sample(ledger: &mut Ledger, group: u32, processes: u64, cpu_seconds: f64) -> BackendUsage {
        let sample = Sample { processes, memory: 100 * processes, open_fds: 3 * processes, cpu_seconds };
        ledger.seen(&HashMap::from([(group, sample)]));
        ledger.usage()["b"]
    }

    /// Prometheus would take a fall for a restart of the service, and add all of it once more.
    #[test]
    fn cpu_time_never_falls_over_restarts_and_ends() {
        let mut ledger = Ledger::default();
        born(&mut ledger, 1, 70);
        assert_eq!(sample(&mut ledger, 70, 2, 5.0).cpu_seconds, 5.0);
        assert_eq!(sample(&mut ledger, 70, 1, 3.0).cpu_seconds, 5.0, "a member has ended");
        ledger.learn(News::Gone { incarnation: 1, cpu_seconds: 4.0 });
        let nothing = BackendUsage { cpu_seconds: 5.0, ..Default::default() };
        assert_eq!(ledger.usage()["b"], nothing, "it is gone, its time stays");
        born(&mut ledger, 2, 71);
        assert_eq!(ledger.usage()["b"].cpu_seconds, 5.0);
        assert_eq!(sample(&mut ledger, 71, 1, 1.0).cpu_seconds, 6.0);
        ledger.learn(News::Gone { incarnation: 2, cpu_seconds: 2.5 });
        assert_eq!(ledger.usage()["b"].cpu_seconds, 7.5, "with what it used after it was looked at");
        ledger.learn(News::Gone { incarnation: 2, cpu_seconds: 2.5 });
        assert_eq!(ledger.usage()["b"].cpu_seconds, 7.5, "and only once");
    }

    #[test]
    fn the_groups_of_a_backend_add_up() {
        let mut ledger = Ledger::default();
        born(&mut ledger, 1, 70);
        born(&mut ledger, 2, 71);
        ledger.learn(News::Born { incarnation: 3, backend: "other".into(), group: 72 });
        assert_eq!(ledger.groups(), HashSet::from([70, 71, 72]));
        let one = Sample { processes: 1, memory: 10, open_fds: 4, cpu_seconds: 0.5 };
        ledger.seen(&HashMap::from([(70, one), (71, one), (72, one)]));
        let expected = BackendUsage { servers: 2, processes: 2, memory: 20, open_fds: 8, cpu_seconds: 1.0 };
        assert_eq!(ledger.usage()["b"], expected);
        assert_eq!(ledger.usage()["other"].processes, 1);
    }
}
