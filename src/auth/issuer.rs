//! The issuer of tokens: its keys as they were fetched last, and the tokens that they have shown to be good.
//!
//! ```text
//! a request:   token -> verified before? -> keys -> its principal        never waits
//!              a key that is not known   -> one more look at the issuer  waits for that, once
//! a task:      fetches at the start, every auth.jwks_refresh, and when it is asked to
//! ```
//! While the issuer is away, what was fetched last goes on to hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use mcpvisor_config::Tokens;
use papaya::HashMap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::fetch::Fetch;
use super::key_set::KeySet;
use super::token::{self, Untrusted, Verified};

/// Strangers who make up names of keys cause one look in this time, and no more.
const PACE: Duration = Duration::from_secs(30);
/// The first pause after a look that failed; it doubles up to `auth.jwks_refresh`.
const RETRY: Duration = Duration::from_secs(5);
/// A request waits no longer for the issuer.
const PATIENCE: Duration = Duration::from_secs(6);
/// Tokens that are remembered as good. More than that at a time are verified again.
const REMEMBERED: usize = 4096;

/// See the module.
pub(crate) struct Issuer {
    tokens: Arc<Tokens>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    known: ArcSwap<Known>,
    looks: watch::Sender<Looks>,
    wanted: Notify,
    start: Instant,
    /// When a look was last ordered, in milliseconds since `start`, and one more.
    ordered: AtomicU64,
}

/// Replaced as a whole when the keys change: what one of them has shown to be good is then shown again.
#[derive(Default)]
struct Known {
    keys: KeySet,
    good: HashMap<[u8; 32], Arc<Verified>>,
    /// Whether the issuer was ever reached.
    fetched: bool,
}

#[derive(Clone, Copy, Default)]
struct Looks {
    done: u64,
    looking: bool,
}

impl Issuer {
    /// Begins to fetch, on the current runtime. What was known `before`, from the same place, holds until then.
    pub(crate) fn start(tokens: Arc<Tokens>, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.tokens.jwks_url == tokens.jwks_url);
        let known = same.map(|before| before.shared.known.load_full());
        let known =
            known.map(|known| Known { keys: known.keys.clone(), fetched: known.fetched, ..Known::default() });
        let shared = Arc::new(Shared {
            known: ArcSwap::from_pointee(known.unwrap_or_default()),
            looks: watch::Sender::new(Looks { done: 0, looking: true }),
            wanted: Notify::new(),
            start: Instant::now(),
            ordered: AtomicU64::new(0),
        });
        let task = tokio::spawn(keep(tokens.clone(), shared.clone()));
        Self { tokens, shared, task }
    }

    pub(crate) fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// What a token says; `digest` is that of its bytes.
    ///
    /// # Errors
    /// It is not to be believed.
    pub(crate) fn verify(&self, text: &[u8], digest: &[u8; 32]) -> Result<Arc<Verified>, Untrusted> {
        self.verify_at(text, digest, now())
    }

    fn verify_at(&self, text: &[u8], digest: &[u8; 32], now: u64) -> Result<Arc<Verified>, Untrusted> {
        let known = self.shared.known.load();
        let good = known.good.pin();
        if let Some(verified) = good.get(digest) {
            if now < verified.until {
                return Ok(verified.clone());
            }
            good.remove(digest);
            return Err(Untrusted::Expired);
        }
        let verified = Arc::new(token::verify(&self.tokens, &known.keys, text, now)?);
        if good.len() >= REMEMBERED {
            good.retain(|_, verified| now < verified.until);
        }
        if good.len() >= REMEMBERED {
            good.clear();
        }
        good.insert(*digest, verified.clone());
        Ok(verified)
    }

    /// Whether this may be the principal of a token of its.
    pub(crate) fn may_have_named(&self, principal: &str) -> bool {
        principal.strip_prefix(&self.tokens.issuer).is_some_and(|rest| rest.starts_with('#'))
    }

    /// Whether the issuer was ever reached.
    pub(crate) fn has_keys(&self) -> bool {
        self.shared.known.load().fetched
    }

    /// Looks at the issuer's keys once more, unless somebody had that done just now; comes back when it is done.
    pub(crate) async fn look_again(&self) {
        let mut looks = self.shared.looks.subscribe();
        let Looks { done, looking } = *looks.borrow_and_update();
        if !looking {
            if !self.shared.may_look() {
                return;
            }
            self.shared.wanted.notify_one();
        }
        // Too late is as good as not at all: what is known by then decides.
        let _ = timeout(PATIENCE, looks.wait_for(|looks| looks.done > done)).await;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// One in [`PACE`] may.
    fn may_look(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pace = u64::try_from(PACE.as_millis()).unwrap_or(u64::MAX);
        let due = |last: u64| (last == 0 || now.saturating_sub(last - 1) >= pace).then_some(now + 1);
        self.ordered.fetch_update(Relaxed, Relaxed, due).is_ok()
    }

    fn take(&self, keys: KeySet) {
        let known = self.known.load();
        if known.fetched && known.keys == keys {
            return;
        }
        tracing::info!(event = "auth.keys_fetched", keys = keys.len(), "the issuer's keys are known");
        self.known.store(Arc::new(Known { keys, good: HashMap::new(), fetched: true }));
    }
}

/// Until it is dropped.
async fn keep(tokens: Arc<Tokens>, shared: Arc<Shared>) {
    let mut failures = 0;
    let mut fetch = None;
    loop {
        shared.looks.send_modify(|looks| looks.looking = true);
        match look(&mut fetch, &tokens).await {
            Ok(keys) => {
                failures = 0;
                shared.take(keys);
            }
            Err(error) => {
                failures += 1;
                let what = "the issuer's keys cannot be fetched: those of before go on to hold";
                tracing::warn!(event = "auth.keys_missing", error = %format!("{error:#}"), failures, "{what}");
            }
        }
        shared.looks.send_modify(|looks| *looks = Looks { done: looks.done + 1, looking: false });
        let pause = pause(failures, tokens.jwks_refresh);
        let _ = timeout(pause, shared.wanted.notified()).await;
    }
}

async fn look(fetch: &mut Option<Fetch>, tokens: &Tokens) -> anyhow::Result<KeySet> {
    let fetch = match fetch {
        Some(fetch) => fetch,
        None => fetch.insert(Fetch::new(&tokens.jwks_url)?),
    };
    Ok(KeySet::parse(&fetch.get().await?)?)
}

fn pause(failures: u32, refresh: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => refresh,
        Some(before) => RETRY.saturating_mul(2u32.saturating_pow(before)).min(refresh.max(RETRY)),
    }
}

/// Seconds of Unix time.
#[expect(clippy::disallowed_methods, reason = "the end of a token is a time of the calendar")]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
