//! What the guard does when the process it worked for is gone. Blocking; there is no runtime here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::process::container::{self, Engine};
use crate::process::{self, Stat};

/// How long a group may take to end after SIGTERM, as often looked at as …
const LOOKS: u32 = 40;
/// … with this between two looks: together 2 s, the ordinary `term_grace`.
const PAUSE: Duration = Duration::from_millis(50);

/// Ends the groups, SIGTERM first, then everything that carries a marker of the instance, then its containers, to which their engines'
/// commands have passed the SIGTERM on.
pub(super) fn end_all(instance: Option<&str>, groups: BTreeMap<u32, u64>, engines: &BTreeSet<String>) {
    let mut left = ours(&Stat::all(), groups, |pid| {
        instance.is_some_and(|instance| process::carries(pid, &process::marker_of_all(instance)))
    });
    signal(&left, Signal::TERM);
    for _ in 0..LOOKS {
        left = living(left, &Stat::all());
        if left.is_empty() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    signal(&left, Signal::KILL);
    if let Some(instance) = instance {
        process::end_instances(&[instance.to_owned()]);
        for engine in engines.iter().filter_map(|written| Engine::read(written)) {
            // What could not be removed is found at the next start.
            let _ = container::remove_of(instance, &engine);
        }
    }
}

/// The groups that are still what they were when we were told of them. The id of a group is not given to another while it has
/// members. So one whose leader is the same process is ours; one with another leader is not; and where the leader is gone,
/// what is left of the group must carry the marker.
fn ours(processes: &[Stat], groups: BTreeMap<u32, u64>, marked: impl Fn(Pid) -> bool) -> Vec<Pid> {
    let is_ours = |&(group, started): &(Pid, u64)| match processes.iter().find(|stat| stat.pid == group) {
        Some(leader) => leader.started == started,
        None => processes.iter().any(|stat| stat.group == Some(group) && !stat.dead && marked(stat.pid)),
    };
    let groups = groups.into_iter().filter_map(|(group, started)| {
        // 0 and 1 would be our own group and everybody.
        let group = i32::try_from(group).ok().filter(|&group| group > 1);
        Some((Pid::from_raw(group?)?, started))
    });
    groups.filter(is_ours).map(|(group, _)| group).collect()
}

/// Those of the groups in which somebody lives.
fn living(groups: Vec<Pid>, processes: &[Stat]) -> Vec<Pid> {
    let lives = |group: &Pid| processes.iter().any(|stat| stat.group == Some(*group) && !stat.dead);
    groups.into_iter().filter(lives).collect()
}

fn signal(groups: &[Pid], signal: Signal) {
    for &group in groups {
        // It may have ended just now.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn stat(number: i32, group: i32, started: u64) -> Stat {
        Stat { pid: pid(number), group: Pid::from_raw(group), started, dead: false }
    }

    /// If this failed, the guard would end processes that have nothing to do with mcpvisor.
    #[test]
    fn only_groups_that_are_the_same_as_before_are_ended() {
        let told = BTreeMap::from([(10, 100), (20, 200), (30, 300), (40, 400), (50, 500), (1, 1), (0, 0)]);
        let processes =
            [stat(10, 10, 100), stat(20, 20, 999), stat(31, 30, 310), stat(41, 40, 410), stat(1, 1, 1)];
        let ours = ours(&processes, told, |member| member == pid(31));
        assert_eq!(ours, [pid(10), pid(30)], "the same leader; no leader, but the marker");
    }

    /// If this failed, the guard would wait two seconds for zombies, or not wait for the living.
    #[test]
    fn a_group_of_zombies_has_ended() {
        let zombie = Stat { dead: true, ..stat(10, 10, 100) };
        assert_eq!(living(vec![pid(10), pid(20)], &[zombie, stat(21, 20, 1)]), [pid(20)]);
    }
}
