//! Which era each backend speaks: as configured, or as a probe has found out, once.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcpvisor_config::{Backend, Protocol};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{RegistryMsg, RegistryState};
use crate::credentials::Credentials;
use crate::era::Era;
use crate::event::{EventKind, SupervisionEvent};
use crate::key::ConnectionKey;
use crate::probe::{Probe, Spoken};
use crate::root::RootMsg;

/// What the probes have found. Written by the Registry only, read with every request of a modern client.
#[derive(Clone, Default)]
pub(crate) struct Eras(Arc<ArcSwap<HashMap<Arc<str>, Spoken>>>);

impl Eras {
    /// `None`: not known.
    pub(crate) fn of(&self, backend: &str) -> Option<Spoken> {
        self.0.load().get(backend).copied()
    }

    /// What is known, from the configuration or a probe.
    fn known(&self, backend: &Backend) -> Option<Spoken> {
        configured(backend.protocol).or_else(|| self.of(&backend.name))
    }

    /// Whether a client of `era` and the backend need a translator, who sits in the Connection.
    pub(crate) fn bridges(&self, backend: &Backend, era: Era) -> bool {
        era == Era::Legacy && self.known(backend) == Some(Spoken::Modern)
    }

    /// Whether the backend is to be asked what it speaks, should it not shake hands.
    pub(crate) fn is_doubtful(&self, backend: &Backend, era: Era) -> bool {
        era == Era::Legacy && self.known(backend).is_none()
    }

    fn set(&self, backend: &Arc<str>, spoken: Option<Spoken>) {
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            match spoken {
                Some(spoken) => known.insert(backend.clone(), spoken),
                None => known.remove(backend),
            };
            known
        });
    }
}

/// Who waits for the end of a probe, by backend; dropped, all probes end.
#[derive(Default)]
pub(super) struct Probes {
    waiting: HashMap<Arc<str>, Vec<oneshot::Sender<Spoken>>>,
    running: JoinSet<()>,
}

impl Probes {
    pub(super) fn end(&mut self) {
        self.running.abort_all();
        self.waiting.clear();
    }
}

impl RegistryState {
    /// Answers what the backend speaks, after a probe if need be.
    pub(super) fn era(
        &mut self,
        backend: Arc<str>,
        credentials: Option<Credentials>,
        reply: oneshot::Sender<Spoken>,
    ) {
        if let Some(spoken) = self.args.eras.of(&backend) {
            let _ = reply.send(spoken);
            return;
        }
        // Where nothing may be launched the question has no answer, and the launch that it is for will be refused.
        let may_launch =
            self.draining.is_none() && !self.is_stopped(&backend) && self.held(&backend).is_none();
        let (Some(entry), Some(root), true) =
            (self.backends.get(&backend), self.args.root.clone(), may_launch)
        else {
            let _ = reply.send(Spoken::Legacy);
            return;
        };
        if let Some(waiting) = self.probes.waiting.get_mut(&backend) {
            return waiting.push(reply);
        }
        self.probes.waiting.insert(backend.clone(), vec![reply]);
        let text = "asking which era of the protocol it speaks";
        self.args.events.emit(SupervisionEvent::of_backend(EventKind::BackendProbing, &backend, text));
        let (instance, sweeper) = (self.args.instance.clone(), self.args.sweeper.clone());
        let tokens = self.args.tokens.clone();
        let probe = Probe { backend: entry.backend.clone(), instance, sweeper, tokens, credentials };
        let myself = self.myself.clone();
        self.probes.running.spawn(async move {
            let (reply, seat) = oneshot::channel();
            let _ = root.send_message(RootMsg::SeatProbe { registry: myself.clone(), reply });
            let spoken = match seat.await {
                Ok(seat) => probe.run(seat).await,
                Err(_) => None,
            };
            let _ = myself.send_message(RegistryMsg::Probed { backend, spoken });
        });
    }

    /// A probe is over. What it could not find out is asked again by the next who needs it.
    pub(super) fn probed(&mut self, backend: &Arc<str>, spoken: Option<Spoken>) {
        while self.probes.running.try_join_next().is_some() {}
        let era = spoken.map_or("unknown", |spoken| match spoken {
            Spoken::Legacy => "legacy",
            Spoken::Modern => "modern",
            Spoken::Both => "both",
        });
        let text = format!("asked which era of the protocol it speaks: {era}");
        let event = SupervisionEvent::of_backend(EventKind::BackendProbed, backend, text);
        self.args.events.emit(SupervisionEvent { result: Some(era), ..event });
        if spoken.is_some() {
            self.args.eras.set(backend, spoken);
        }
        for reply in self.probes.waiting.remove(backend).unwrap_or_default() {
            let _ = reply.send(spoken.unwrap_or(Spoken::Legacy));
        }
    }

    /// It is, or may be, another backend now.
    pub(super) fn forget_era(&self, backend: &Arc<str>) {
        self.args.eras.set(backend, None);
    }

    /// A launch in the era that was found out has failed: perhaps the backend is another one by now.
    pub(super) fn doubt_era(&mut self, key: &ConnectionKey) {
        let known = self.args.eras.of(&key.backend_id);
        // What speaks the modern era only is launched in it for everybody.
        if key.is_sessionless() && known.is_some() || known == Some(Spoken::Modern) {
            self.forget_era(&key.backend_id);
        }
    }
}

/// As configured; `None`: to be found out.
pub(crate) fn configured(protocol: Protocol) -> Option<Spoken> {
    match protocol {
        Protocol::Auto => None,
        Protocol::Legacy => Some(Spoken::Legacy),
        Protocol::Modern => Some(Spoken::Modern),
    }
}
