//! How much may be at once, of all clients and of each principal, and how fast requests may come (`[http]`, `[principal_limits]`).
//!
//! Where nothing is bounded a request costs one look at a flag. What is counted is counted for as long as a [`Held`] lives; a
//! bound that is set by a reload counts what begins from then on.

mod bucket;
mod shares;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use mcpvisor_actors::{Overload, Refusal};
use mcpvisor_config::{Config, Http, PrincipalLimits};

use super::face::Face;
pub(crate) use bucket::Rates;
use shares::{Share, Shares};
pub(crate) use tally::{Held, Tally};

/// Before one who has too much going on should ask again.
const REQUESTS_RETRY: Duration = Duration::from_secs(1);
/// The same for sessions and streams, which last longer; some end all the time.
pub(crate) const SESSIONS_RETRY: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Admission {
    bounds: ArcSwap<Bounds>,
    /// Whether any bound concerns single requests.
    minds_requests: AtomicBool,
    requests: Tally,
    streams: Tally,
    shares: Shares<Share>,
}

struct Bounds {
    http: Http,
    principal: PrincipalLimits,
}

/// A bound that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) what: Overload,
    pub(crate) most: u64,
    pub(crate) retry_after: Duration,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Self {
        let bounds = Bounds::of(config);
        Self {
            minds_requests: bounds.mind_requests().into(),
            bounds: ArcSwap::from_pointee(bounds),
            requests: Tally::default(),
            streams: Tally::default(),
            shares: Shares::default(),
        }
    }

    /// From now on `config` holds.
    pub(crate) fn configure(&self, config: &Config) {
        let bounds = Bounds::of(config);
        self.minds_requests.store(bounds.mind_requests(), Relaxed);
        self.bounds.store(Arc::new(bounds));
    }

    /// Lets a request in, which counts until what is returned is dropped; `None`: nothing counts it.
    pub(crate) fn request(&self, principal: &str) -> Result<Option<Held>, Full> {
        if !self.minds_requests.load(Relaxed) {
            return Ok(None);
        }
        let bounds = self.bounds.load();
        let (own, all) = (&bounds.principal, &bounds.http);
        let full = |what| move |most| Full::of(what, most, REQUESTS_RETRY);
        let mut held = Held::default();
        if own.max_requests > 0 || own.rate.is_on() {
            let share = self.shares.of(principal);
            held.add(share.requests.take(own.max_requests).map_err(full(Overload::PrincipalRequests))?);
            // Last: who is refused for something else has not used up his rate.
            held.add(self.requests.take(all.max_requests).map_err(full(Overload::Requests))?);
            share.bucket.check(own.rate, Overload::PrincipalRate)?;
        } else {
            held.add(self.requests.take(all.max_requests).map_err(full(Overload::Requests))?);
        }
        Ok(Some(held))
    }

    /// Lets a stream be opened that belongs to no request.
    pub(crate) fn stream(&self, principal: &str) -> Result<Held, Full> {
        let bounds = self.bounds.load();
        let full = |what| move |most| Full::of(what, most, SESSIONS_RETRY);
        let mut held = Held::default();
        if bounds.principal.max_streams > 0 {
            let share = self.shares.of(principal);
            let own = share.streams.take(bounds.principal.max_streams);
            held.add(own.map_err(full(Overload::PrincipalStreams))?);
        }
        held.add(self.streams.take(bounds.http.max_streams).map_err(full(Overload::Streams))?);
        Ok(held)
    }

    /// Lets a principal, and a backend, have one session more. All sessions together are the table's to count.
    pub(crate) fn session(&self, principal: &str, face: &Face) -> Result<Held, Full> {
        let most = self.bounds.load().principal.max_sessions;
        let full = |what| move |most| Full::of(what, most, SESSIONS_RETRY);
        let mut held = Held::default();
        if most > 0 {
            let own = self.shares.of(principal).sessions.take(most);
            held.add(own.map_err(full(Overload::PrincipalSessions))?);
        }
        let of_backend = face.sessions_counted.take(face.settings().max_sessions);
        held.add(of_backend.map_err(full(Overload::BackendSessions))?);
        Ok(held)
    }
}

impl Bounds {
    fn of(config: &Config) -> Self {
        Self { http: config.http, principal: config.principal_limits }
    }

    fn mind_requests(&self) -> bool {
        self.http.max_requests > 0 || self.principal.max_requests > 0 || self.principal.rate.is_on()
    }
}

impl Full {
    pub(crate) fn of(what: Overload, most: usize, retry_after: Duration) -> Self {
        Self { what, most: most as u64, retry_after }
    }

    /// The same as an answer.
    pub(crate) fn refusal(self, face: &Face) -> Refusal {
        let Self { what, most, retry_after } = self;
        Refusal::Overloaded { backend: face.name.clone(), what, most: Some(most), retry_after }
    }
}

#[cfg(test)]
mod tests;
