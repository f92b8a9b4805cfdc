//! Alice, who works, and Mallory, who attacks. Both have a key of the service.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{Ask, Client, Reply, Service, backend, code, eventually};
use crate::wire::{Answer, Then, talk};

pub const ALICE: &str = "key-of-alice";
pub const MALLORY: &str = "key-of-mallory";

/// Keys of both.
pub fn keys() -> String {
    let key = |id: &str, key: &str| {
        let hex: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ id = {id:?}, sha256 = {hex:?} }}")
    };
    format!("[auth]\nkeys = [{}, {}]\n", key("alice", ALICE), key("mallory", MALLORY))
}

pub struct World {
    pub service: Service,
    /// A session of Mallory's, at the same backend as Alice's.
    pub mallory: Client,
    alice: Alice,
    attacks: Cell<u32>,
}

/// One who would notice a lost server by its memory, a foreign answer by its words, and a foreign message in her stream.
struct Alice {
    client: Client,
    stream: Reply,
    calls: Cell<u32>,
}

impl World {
    /// With the backend `alpha`, and what else is configured.
    pub async fn new(more: &str) -> Self {
        Self::of(Service::start(&[&keys(), &backend("alpha", &[], ""), more].concat()).await).await
    }

    /// In a service that runs already and has [`keys`] and the backend `alpha`.
    pub async fn of(service: Service) -> Self {
        let client = Client::open_with(&service, "alpha", ALICE, json!({})).await;
        let stream = client.stream().await;
        let mallory = Client::open_with(&service, "alpha", MALLORY, json!({})).await;
        let alice = Alice { client, stream, calls: Cell::new(0) };
        let world = Self { service, mallory, alice, attacks: Cell::new(0) };
        world.alice.works().await;
        world
    }

    /// Alice's session; Mallory knows its id in some attacks.
    pub fn alice(&self) -> &Client {
        &self.alice.client
    }

    /// Whether the connection of that digest is Alice's or Mallory's own.
    pub fn is_a_session(&self, digest: &str) -> bool {
        let of = |session: &str| -> String {
            Sha256::digest(session).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
        };
        [&self.alice.client, &self.mallory].iter().any(|client| of(&client.session) == digest)
    }

    /// One attack. Alice works meanwhile, and afterwards too, and the service is well.
    pub async fn attack<T>(&self, name: &str, attack: impl Future<Output = T>) -> T {
        let done = Cell::new(false);
        let attack = async {
            let outcome = attack.await;
            done.set(true);
            outcome
        };
        let (outcome, ()) = tokio::join!(attack, self.alice.works_until(&done));
        let live = self.service.get("/livez").await.status;
        assert_eq!(live, 200, "after {name}");
        self.attacks.set(self.attacks.get() + 1);
        outcome
    }

    /// An attack by bytes on the main listener, answered with one of these lists of statuses; an empty one is a connection that is
    /// cut without a word. `closes`: the connection must be of no more use afterwards.
    pub async fn sends(
        &self,
        name: &str,
        bytes: &[u8],
        then: Then,
        closes: bool,
        accepted: &[&[u16]],
    ) -> Answer {
        let answer = self.attack(name, talk(&self.service.main, bytes, then, closes)).await;
        let shown = answer.text.get(..600).unwrap_or(&answer.text);
        assert!(accepted.contains(&&answer.statuses[..]), "{name}: {:?} {shown}", answer.statuses);
        assert!(answer.closed || !closes, "{name}: the connection is still open: {shown}");
        assert_is_plain(name, &answer.text);
        answer
    }

    /// An attack by a request, answered with this status and code of an error (0: none); the answer, if it is JSON.
    pub async fn asks(&self, name: &str, ask: Ask, expected: (u16, i64)) -> Value {
        let (status, text) = self
            .attack(name, async {
                let reply = ask.send(&self.service.main).await;
                (reply.status, reply.text().await)
            })
            .await;
        let shown = text.get(..600).unwrap_or(&text);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!((status, code(&body)), expected, "{name}: {shown}");
        assert_is_plain(name, &text);
        body
    }

    /// Nothing of Alice's is lost, nothing strange has reached her, and nothing is left behind; how many attacks there were.
    pub async fn ends(mut self, table: &str) {
        self.alice.has_heard_nothing().await;
        let health = Ask::new("GET", "/health").send(&self.service.main).await;
        assert_eq!(health.status, 200);
        for client in [&self.alice.client, &self.mallory] {
            assert!([204, 404].contains(&client.delete().await), "{}", client.path);
        }
        drop(self.alice.stream);
        let idle = async || self.service.connections().await.is_empty().then_some(());
        eventually("the connections of ended sessions go", idle).await;
        self.service.signal(rustix::process::Signal::TERM);
        assert_eq!(self.service.ended().await.code(), Some(0));
        self.service.nothing_is_left().await;
        let log = self.service.log();
        assert!(!log.contains("panicked") && !log.contains("please report"), "{log}");
        let strange = log.chars().find(|char| char.is_control() && !matches!(char, '\n' | '\t'));
        assert_eq!(strange, None, "whoever reads the log has a terminal");
        println!("{table}: {} attacks", self.attacks.get());
    }
}

impl Alice {
    async fn works_until(&self, done: &Cell<bool>) {
        loop {
            self.works().await;
            if done.get() {
                return self.works().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await; // a user, not a benchmark
        }
    }

    async fn works(&self) {
        let count = self.calls.get() + 1;
        assert_eq!(
            self.client.text("counter", json!({})).await,
            count.to_string(),
            "Alice's server has lost its memory"
        );
        self.calls.set(count);
        let words = format!("of Alice's, number {count}");
        assert_eq!(self.client.text("echo", json!({ "message": words })).await, words);
    }

    /// The first message in her stream is the one that she causes now.
    async fn has_heard_nothing(&mut self) {
        self.client.text("change_tools", json!({})).await;
        let first = self.stream.message().await.unwrap();
        let expected =
            json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {} });
        assert_eq!(first, expected);
        assert_eq!(self.stream.message_within(Duration::from_millis(50)).await, None);
    }
}

/// Neither a page, nor anything of the inside.
fn assert_is_plain(name: &str, text: &str) {
    for wrong in ["text/html", "<html", "panicked", "RUST_BACKTRACE", "src/front", ".rs:", "key-of-"] {
        assert!(!text.contains(wrong), "{name}: {wrong} in {text}");
    }
}
