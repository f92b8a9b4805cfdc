//! A subscription at a backend of the modern era, which listens for us in its own way.

use std::sync::Arc;

use bytes::Bytes;
use mcpvisor_actors::Route;
use mcpvisor_actors::message::Envelope;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::pause::Pause;
use super::wanted::Wanted;
use super::{ACKNOWLEDGED, Heard, named};
use crate::front::face::Face;
use crate::front::modern::answer::{error_code, status};
use crate::front::modern::call::Call;
use crate::front::modern::talk::Said;

/// `backend_lost` and `shutting_down`, see `contract.md`.
const BACKEND_LOST: i64 = -31001;
const SHUTTING_DOWN: i64 = -31005;

/// See the module.
pub(super) struct Relayed {
    call: Call,
    face: Arc<Face>,
    /// For the next process, when this one is gone.
    message: Envelope,
    wanted: Wanted,
    pause: Pause,
    /// The subscription was lost; when the backend is asked for it again.
    again_at: Option<Instant>,
    /// The next acknowledgement is not the client's first.
    again: bool,
}

impl Relayed {
    pub(super) fn begin(face: &Arc<Face>, route: Route, message: Envelope) -> Self {
        let wanted = Wanted::of(&message);
        let call = Call::send(face, route, message.clone());
        let pause = Pause::new(Instant::now());
        Self { call, face: face.clone(), message, wanted, pause, again_at: None, again: false }
    }

    /// What is heard next. May be dropped and called again.
    pub(super) async fn hear(&mut self, id: &Bytes) -> Heard {
        if let Some(at) = self.again_at {
            sleep_until(at).await;
            self.again_at = None;
            let route = self.call.route().clone();
            self.call = Call::send(&self.face, route, self.message.clone());
        }
        match self.call.next().await {
            None => Heard::End,
            Some((message, false)) => self.told(id, message),
            Some((answer, true)) => match error_code(&answer) {
                Some(BACKEND_LOST) => {
                    self.again = true;
                    self.again_at = Some(self.pause.lost(Instant::now()));
                    Heard::Nothing
                }
                Some(SHUTTING_DOWN) => Heard::End,
                _ => Heard::Said(Said::Last(status(&answer), answer)),
            },
        }
    }

    fn told(&mut self, id: &Bytes, message: Bytes) -> Heard {
        let acknowledges = self.again && is_acknowledgement(&message);
        if !acknowledges {
            return Heard::Said(Said::Event(message));
        }
        self.again = false;
        // Another process: what it has to show may be other things.
        Heard::Several(self.wanted.changed().map(|method| named(id, method, json!({}))).collect())
    }
}

fn is_acknowledgement(message: &Bytes) -> bool {
    Envelope::parse(message.clone()).is_ok_and(|message| message.method() == Some(ACKNOWLEDGED))
}
