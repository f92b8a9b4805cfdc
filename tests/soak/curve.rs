//! What the service held, over time.

use std::fmt;
use std::time::{Duration, Instant};

use crate::common::{Footprint, Service, marked, zombies_of};
use crate::world::sum;

/// What is shorter is all warm-up: it says nothing of memory, and not everything has happened.
pub const WARM: Duration = Duration::from_secs(120);

/// One look.
pub struct Sample {
    at: Instant,
    held: Footprint,
    sessions: f64,
    connections: f64,
    listed: usize,
    processes: usize,
    zombies: usize,
}

/// All of them.
pub struct Curve {
    start: Instant,
    /// Whether each look is told at once.
    told: bool,
    samples: Vec<Sample>,
}

impl Sample {
    pub async fn take(service: &Service) -> Self {
        let (page, listed) = (service.metrics().await, service.connections().await.len());
        Self {
            at: Instant::now(),
            held: Footprint::of(service.pid()).unwrap(),
            sessions: sum(&page, "mcpvisor_sessions"),
            connections: sum(&page, "mcpvisor_connections"),
            listed,
            processes: marked(&service.instance).len(),
            zombies: zombies_of(service.pid()).len(),
        }
    }
}

impl Curve {
    pub fn begin(told: bool) -> Self {
        if told {
            println!("  seconds  RSS MiB   fds threads sessions connections listed processes zombies");
        }
        Self { start: Instant::now(), told, samples: Vec::new() }
    }

    pub fn add(&mut self, sample: Sample) {
        if self.told {
            let Sample { held, sessions, connections, listed, processes, zombies, .. } = &sample;
            println!(
                "  {:>7.0} {:>8.1} {:>5} {:>7} {sessions:>8} {connections:>11} {listed:>6} {processes:>9} {zombies:>7}",
                (sample.at - self.start).as_secs_f64(),
                held.mib(),
                held.files,
                held.threads
            );
        }
        self.samples.push(sample);
    }

    fn peak(samples: &[Sample]) -> Footprint {
        samples.iter().fold(Footprint::default(), |peak, sample| peak.max(sample.held))
    }

    fn halves(&self) -> (Footprint, Footprint) {
        let (first, second) = self.samples.split_at(self.samples.len() / 2);
        (Self::peak(first), Self::peak(second))
    }

    /// An allocator keeps what it once had, and more the more threads there were: memory is not back at the end
    /// where it was at the start. But it stops growing: the highest of the second half may be above that of
    /// the first by 5 % and 1 MiB. That is less than 1 KiB a session in ten minutes; 4 KiB are seen in three.
    pub fn must_be_flat(&self) {
        let (first, second) = self.halves();
        let bound = first.mib() * 1.05 + 1.0;
        assert!(second.mib() <= bound, "memory grows, more than to {bound:.1} MiB: {self}");
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.halves();
        write!(f, "highest in the first half {first:?}, in the second {second:?}")
    }
}
