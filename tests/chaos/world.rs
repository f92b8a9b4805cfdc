//! A user whose server misbehaves, and two who must not notice: one of the same backend, one of another.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::{Client, Service, backend, code, eventually, marked, reason};

/// "At once" on a machine that is busy with other tests; what hangs takes far longer.
pub const PROMPT: Duration = Duration::from_secs(5);

const MIB: u64 = 1 << 20;

/// Every server prints, logs JSON and says bare values on standard output, before every frame: nowhere may that matter.
const NOISE: &str = "--garbage";

/// Servers that are told to go are gone soon, so that tests need not wait for the ladder; and no test is about the breaker.
const SETTINGS: &str = "timeouts.stdin_grace = \"300ms\"\ntimeouts.term_grace = \"300ms\"\n\
                        limits.breaker_threshold = 100000\n";

pub struct World {
    pub service: Service,
    pub victim: Client,
    neighbour: Bystander,
    stranger: Bystander,
    /// Faults so far, by reason.
    faults: RefCell<BTreeMap<&'static str, u32>>,
}

/// Somebody who works on, and would notice a lost server by its memory.
pub struct Bystander {
    client: Client,
    calls: Cell<u32>,
}

/// The backend `bad` has these flags and settings, `good` has none.
pub fn config(flags: &[&str], settings: &str) -> String {
    let bad = backend("bad", &[&[NOISE], flags].concat(), &format!("{SETTINGS}{settings}"));
    bad + &backend("good", &[NOISE], SETTINGS)
}

impl World {
    /// A service with [`config`], and who uses it.
    pub async fn new(flags: &[&str], settings: &str) -> Self {
        Self::of(Service::start(&config(flags, settings)).await).await
    }

    /// The same with a service that runs already and has both backends.
    pub async fn of(service: Service) -> Self {
        let victim = Client::open(&service, "bad").await;
        let neighbour = Bystander::open(&service, "bad").await;
        let stranger = Bystander::open(&service, "good").await;
        let world = Self { service, victim, neighbour, stranger, faults: RefCell::default() };
        world.during(async {}).await;
        world
    }

    /// Does something while the other two work, each of whom gets every answer, from the server it has had, and promptly.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.neighbour.during(self.stranger.during(work)).await
    }

    /// Calls a tool of the victim's server, and does something once the server has the call.
    pub async fn call_and(
        &self,
        tool: &str,
        arguments: Value,
        then: impl AsyncFnOnce(),
    ) -> (Value, Duration) {
        let call = async { (self.victim.call(tool, arguments).await, Instant::now()) };
        let ((answer, answered), done) = tokio::join!(call, async {
            eventually("the call is with the server", async || {
                (self.connection().await["in_flight"] != 0).then_some(())
            })
            .await;
            then().await;
            Instant::now()
        });
        (answer, answered.saturating_duration_since(done))
    }

    /// The call was lost with its server for that reason, its client knows, and the fault counts.
    pub fn lost(&self, answer: &Value, why: &'static str) {
        let errors = self.fault(why);
        assert_eq!((code(answer), reason(answer)), (-31001, why), "{answer}");
        let data = &answer["error"]["data"];
        assert_eq!((&data["backend"], &data["retryable"]), (&json!("bad"), &json!(false)), "{answer}");
        assert_eq!(data["error_count"], errors, "{answer}");
    }

    /// One more fault that counts; how many there were by now.
    pub fn fault(&self, why: &'static str) -> u32 {
        let mut faults = self.faults.borrow_mut();
        *faults.entry(why).or_default() += 1;
        faults.values().sum()
    }

    /// The victim's session goes on with another process than that, and everything was counted as what it was.
    pub async fn goes_on_without(&self, before: u32) {
        let after = self.during(self.victim.pid()).await;
        assert_ne!(after, before, "a new process");
        assert_eq!(self.victim.text("counter", json!({})).await, "1", "with a memory of its own");
        self.counted().await;
    }

    /// Whether what is shown and counted is what happened, and only that.
    pub async fn counted(&self) {
        let faults = self.faults.borrow().clone();
        let errors: u32 = faults.values().sum();
        let shown = self.connection().await;
        for key in ["error_count", "total_errors", "restarts"] {
            assert_eq!(shown[key], errors, "{key}: {shown}");
        }
        let connections = self.service.connections().await;
        let untouched = connections.iter().filter(|one| one["total_errors"] == 0 && one["restarts"] == 0);
        assert_eq!(untouched.count(), if errors > 0 { 2 } else { 3 }, "{connections:?}");
        let page = self.service.metrics().await;
        for (name, wanted) in [("faults_total", &faults), ("restarts_total", &faults)] {
            let expected: BTreeMap<String, f64> =
                wanted.iter().map(|(why, count)| ((*why).to_owned(), f64::from(*count))).collect();
            assert_eq!(by_reason(&page, name, "bad"), expected, "mcpvisor_{name}");
            assert_eq!(by_reason(&page, name, "good"), BTreeMap::new(), "mcpvisor_{name}");
        }
        let noise = self.service.metric(r#"mcpvisor_noise_lines_total{backend="bad"}"#).await;
        assert!(noise > 0.0, "its prints were seen, and harmed nothing");
    }

    /// What the admin API shows of the victim's connection.
    pub async fn connection(&self) -> Value {
        let hash = hash_of(&self.victim.session);
        let connections = self.service.connections().await;
        let own = connections.iter().find(|one| one["session"] == *hash);
        own.unwrap_or_else(|| panic!("the session has no connection: {connections:?}")).clone()
    }

    /// The sessions end, the service ends, and nothing is left of either.
    pub async fn end(mut self) {
        for client in [&self.victim, &self.neighbour.client] {
            assert_eq!(client.delete().await, 204);
        }
        let only_the_stranger = async || {
            let connections = self.service.connections().await;
            (connections.len() == 1).then(|| connections[0].clone())
        };
        let left = eventually("the connections of ended sessions go", only_the_stranger).await;
        assert_eq!(left["backend"], "good");
        let only_its_server = async || (marked(&self.service.instance).len() == 1).then_some(());
        eventually("all that they had started goes", only_its_server).await;
        self.service.signal(Signal::TERM);
        assert_eq!(self.service.ended().await.code(), Some(0));
        self.service.nothing_is_left().await;
        let log = self.service.log();
        assert!(!log.contains("panicked") && !log.contains("please report"), "{log}");
    }
}

impl Bystander {
    pub async fn open(service: &Service, backend: &str) -> Self {
        Self { client: Client::open(service, backend).await, calls: Cell::new(0) }
    }

    /// Works while something is done, and waits for no answer.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let done = Cell::new(false);
        let work = async {
            let outcome = work.await;
            done.set(true);
            outcome
        };
        let (outcome, slowest) = tokio::join!(work, self.work_until(&done));
        println!("slowest call of a session at {}: {slowest:?}", self.client.path);
        assert!(slowest < PROMPT, "a session at {} waited {slowest:?}", self.client.path);
        outcome
    }

    /// Calls until then, at least once; the longest wait.
    async fn work_until(&self, done: &Cell<bool>) -> Duration {
        let mut slowest = Duration::ZERO;
        loop {
            let start = Instant::now();
            let count = self.calls.get() + 1;
            assert_eq!(self.client.text("counter", json!({})).await, count.to_string());
            self.calls.set(count);
            slowest = slowest.max(start.elapsed());
            if done.get() {
                return slowest;
            }
            // A user, not a benchmark.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// How much memory the service has come to need since.
pub struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    pub fn watch(service: &Service) -> Self {
        let pid = service.pid();
        // Makes the peak begin anew.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Self { pid, before: status_bytes(pid, "VmRSS:") }
    }

    /// Panics if at any moment since it needed more than so many MiB more.
    pub fn grew_less_than(&self, limit: u64) {
        let grown = status_bytes(self.pid, "VmHWM:").saturating_sub(self.before) / MIB;
        println!("memory: {} MiB, and at most {grown} MiB more", self.before / MIB);
        assert!(grown < limit, "{grown} MiB more than before");
    }
}

fn status_bytes(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

fn hash_of(session: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(session).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// What is not zero.
fn by_reason(page: &str, name: &str, backend: &str) -> BTreeMap<String, f64> {
    let prefix = format!("mcpvisor_{name}{{backend=\"{backend}\",reason=\"");
    let series = page.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
    let counts = series.map(|(reason, count)| (reason.to_owned(), count.parse::<f64>().unwrap()));
    counts.filter(|(_, count)| *count != 0.0).collect()
}
