//! The ways of clients without sessions (2026-07-28): one for each request, to a connection that many use.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use mcpvisor_config::Isolation;

use super::place::Place;
use super::{Inner, Route, RouteKind, SessionSink};
use crate::filter;
use crate::key::ConnectionKey;
use crate::live::Settings;
use crate::mirrored::{Dropped, KnownTools, Mirrored, MirroredTools};
use crate::registry::RegistryAddress;
use crate::session_record::SessionRecord;

/// Tools of one list that are named in the log.
const DROPPED_SHOWN: usize = 10;

impl Route {
    /// A route that stands for the key of clients without sessions, which shakes hands as the first of them would.
    pub(crate) fn for_guests(registry: RegistryAddress, guest: &Self, settings: Settings) -> Self {
        let mut record = SessionRecord::clone(&guest.record());
        if settings.load().isolation == Isolation::Shared {
            // The first who comes is one of many.
            record.principal = "".into();
        }
        Self::new(guest.key().clone(), registry, record, RouteKind::Own, None, settings)
    }

    /// The way of one request, or of one who listens, of a client without a session. `host` stands for the key, if
    /// anybody does by now.
    pub(crate) fn guest(
        key: ConnectionKey,
        registry: RegistryAddress,
        record: Arc<SessionRecord>,
        sink: Option<Box<dyn SessionSink>>,
        host: Option<&Self>,
        settings: Settings,
    ) -> Self {
        let kind = if sink.is_some() { RouteKind::Member } else { RouteKind::Guest };
        let place = match host {
            Some(host) => ArcSwap::new(host.0.place.load_full()),
            None => ArcSwap::from_pointee(Place::new(settings)),
        };
        let (record, ended) = (ArcSwap::new(record), OnceLock::new());
        let (stream_open, parked) = (false.into(), false.into());
        let route =
            Self(Arc::new(Inner { key, registry, kind, record, sink, place, stream_open, parked, ended }));
        if let Some(host) = host {
            route.join(host);
        }
        route
    }

    /// Says whether its request waits for its client, which was asked something and may never come back.
    pub fn set_parked(&self, parked: bool) {
        self.0.parked.store(parked, Relaxed);
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.0.parked.load(Relaxed)
    }

    /// The arguments of this tool that HTTP headers repeat; `None`: the backend's tool list has not been seen.
    pub fn mirrored(&self, tool: &str) -> Option<Arc<[Mirrored]>> {
        let place = self.place();
        let settings = place.settings.load();
        // One that is not there for clients has nothing to repeat, and is refused for that.
        let record = self.0.record.load();
        let own = filter::own_name_for(&settings, &record.principal, tool);
        let Some(own) = own else { return Some(Arc::from([])) };
        place.mirrored_tools.load().of(own)
    }

    /// The backend does not list its tools. Should it do so later, or say that they have changed, that counts.
    pub fn assume_nothing_mirrored(&self) {
        let place = self.place();
        place.mirrored_tools.rcu(|known| MirroredTools::clone(known).complete());
    }
}

impl KnownTools for Route {
    /// By the name that the backend has for it.
    fn mirrored(&self, tool: &str) -> Option<Arc<[Mirrored]>> {
        self.place().mirrored_tools.load().of(tool)
    }

    fn renew(&self, tools: MirroredTools) {
        self.place().mirrored_tools.store(tools.into());
    }

    fn dropped(&self, tools: &[Dropped]) {
        for Dropped { tool, why } in tools.iter().take(DROPPED_SHOWN) {
            tracing::warn!(
                event = "backend.tool_dropped",
                backend = %self.key().backend_id,
                session = self.key().session_hash(),
                tool,
                detail = why,
                "a tool is kept from clients: its x-mcp-header is not valid"
            );
        }
        if let Some(more) = tools.len().checked_sub(DROPPED_SHOWN).filter(|more| *more > 0) {
            tracing::warn!(
                event = "backend.tool_dropped",
                backend = %self.key().backend_id,
                session = self.key().session_hash(),
                more,
                "and more tools of the same list"
            );
        }
    }
}
