//! How the service is reached, and what becomes of requests as long as it is not.

use std::sync::Arc;
use std::time::Duration;

use mcpvisor_actors::{Authorization, Dialect, Era, HttpLink, HttpSpec, KnownTools};
use tokio::time::Instant;

use super::Bridge;
use crate::app::Failure;
use crate::cli::connect::requests::Request;
use crate::cli::connect::{MAX_MESSAGE, wording};

/// How long name resolution, TCP and TLS may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Bridge {
    /// A new link and its number.
    pub(in crate::cli::connect) fn open(
        &mut self,
        era: Era,
        known: Option<Arc<dyn KnownTools>>,
    ) -> Result<(u64, HttpLink), String> {
        let bearer = self.key.iter().map(|key| ("Authorization".to_owned(), format!("Bearer {key}")));
        let spec = HttpSpec {
            url: self.place.url()?,
            headers: bearer.collect(),
            authorization: Authorization::Configured,
            max_message_bytes: MAX_MESSAGE,
            connect_timeout: CONNECT_TIMEOUT,
            era,
            dialect: Dialect::Streamable,
            known,
        };
        self.links += 1;
        let (number, reports) = (self.links, self.reports.clone());
        let report = move |report| drop(reports.send((number, report)));
        HttpLink::new(spec, report).map(|link| (number, link)).map_err(|error| error.to_string())
    }

    /// There is no service: whoever starts this has to know at once.
    pub(in crate::cli::connect) fn never_reached(&mut self, cause: &str) {
        if self.reached {
            return;
        }
        for wire in self.requests.that(Request::is_wanted) {
            let Some(request) = self.requests.remove(wire) else { continue };
            self.out.say(wording::unreachable(request.id(), &self.place.name, cause), None);
        }
        let name = &self.place.name;
        self.failure = Some(Failure::Runtime(anyhow::anyhow!(
            "'{name}' is not reached: {cause}\n    is mcpvisor running, and is this its address?"
        )));
    }

    /// What has waited goes on, or is given up.
    pub(in crate::cli::connect) fn wake(&mut self) {
        let now = Instant::now();
        for wire in self.requests.expired(now) {
            let Some(request) = self.requests.get(wire) else { continue };
            let answer = wording::unreachable(request.id(), &self.place.name, "it is not back yet");
            self.stateless.abort(wire);
            self.not_greeted(wire);
            self.finish(wire, answer, None);
        }
        self.retry_session(now);
        self.flush();
    }

    /// Sends what waited for this.
    pub(in crate::cli::connect) fn flush(&mut self) {
        for wire in self.requests.due(Instant::now(), self.session.is_open()) {
            if self.requests.get(wire).is_some_and(|one| one.cancelled.is_some()) {
                self.requests.remove(wire);
            } else {
                self.send(wire);
            }
        }
    }

    /// When [`Bridge::wake`] has something to do.
    pub(in crate::cli::connect) fn next_wake(&self) -> Option<Instant> {
        self.requests.next().into_iter().chain(self.session.retry_at()).min()
    }
}
