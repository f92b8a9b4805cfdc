//! What is known of a request across the bridge: for its answer, and for the request that comes back to it.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use mcpvisor_actors::message::{Envelope, LogLevel, progress_token, request_progress_token};
use mcpvisor_actors::{ConnectionKey, Launcher};

use super::parking::Parking;
use super::request::request_digest;
use super::result::Greeting;
use super::seal::{Seal, State};
use crate::front::inbound::Inbound;
use crate::front::measure::count_auth_failure;
use crate::front::modern::checks::INVALID_PARAMS;
use crate::front::modern::key::{Who, digest};
use crate::front::modern::meta::Meta;
use crate::front::rejection::{INTERNAL_ERROR, Rejection};

/// The state of somebody else's call.
const FOREIGN_STATE: &str = "foreign_state";

/// What is known of the request.
pub(super) struct Asks {
    pub(super) launcher: Launcher,
    pub(super) parking: Parking,
    pub(super) seal: Arc<Seal>,
    principal: Arc<str>,
    key: ConnectionKey,
    is_alone: bool,
    request: Envelope,
    pub(super) method: String,
    pub(super) uri: Option<String>,
    /// Raw JSON.
    pub(super) capabilities: Bytes,
    pub(super) level: Option<LogLevel>,
    /// Progress tokens, raw JSON: the one the backend knows, and the one the client wants to see.
    pub(super) tokens: Option<(Bytes, Option<Bytes>)>,
}

impl Asks {
    pub(super) fn of(
        inbound: &Inbound<'_>,
        who: &Who,
        message: &Envelope,
        meta: &Meta,
    ) -> Result<Self, Rejection> {
        let id = message.id();
        let method = message.method().unwrap_or_default().to_owned();
        let level = match &meta.log_level {
            None => None,
            Some(raw) => Some(level(raw).ok_or_else(|| {
                let text = "_meta[\"io.modelcontextprotocol/logLevel\"] is no level of the protocol";
                Rejection::answering(id, StatusCode::BAD_REQUEST, INVALID_PARAMS, text)
            })?),
        };
        let seal = inbound.front.seal.clone().ok_or_else(|| no_seal(id))?;
        let token = request_progress_token(message).map(Bytes::copy_from_slice);
        Ok(Self {
            launcher: inbound.front.launcher.clone(),
            parking: inbound.front.parking.clone(),
            seal,
            principal: inbound.caller.principal.clone(),
            key: who.key.clone(),
            is_alone: who.is_alone,
            request: message.clone(),
            uri: meta.name.clone().filter(|_| method == "resources/read"),
            method,
            capabilities: meta.capabilities.clone().unwrap_or_default(),
            level,
            tokens: token.map(|token| (token.clone(), Some(token))),
        })
    }

    /// The state of the call, parked under this name or to be sent anew.
    pub(super) fn state(&self, parked: Option<String>) -> State {
        // Where every request has another key, the next one comes back to this one all the same.
        let key = match self.is_alone {
            true => self.key.backend_id.to_string(),
            false => digest(self.key.to_string().as_bytes()),
        };
        let request = request_digest(&self.method, self.request.params().unwrap_or_default());
        State { parked, key, principal: self.principal.to_string(), request }
    }

    /// Opens what the client brought back. True in the error: it is somebody else's.
    pub(super) fn open(&self, raw: &[u8]) -> Result<State, bool> {
        let text: String = serde_json::from_slice(raw).map_err(|_| false)?;
        let state: State = self.seal.open(&text).ok_or(false)?;
        if state.principal != *self.principal {
            return Err(true);
        }
        let same = state == self.state(state.parked.clone());
        if same { Ok(state) } else { Err(false) }
    }

    pub(super) fn greeting(&self) -> Greeting {
        self.launcher.greeting(&self.key).map(|answer| Greeting::of(&answer)).unwrap_or_default()
    }

    /// Progress under the token that the client has named last; `None`: it wants none.
    pub(super) fn progress(&self, message: &Envelope) -> Option<Bytes> {
        let Some((known, wanted)) = &self.tokens else { return Some(message.bytes().clone()) };
        match progress_token(message) {
            Some(token) if token == &known[..] => Some(message.with_part(token, wanted.as_ref()?)),
            _ => Some(message.bytes().clone()),
        }
    }
}

fn level(raw: &[u8]) -> Option<LogLevel> {
    LogLevel::of(&serde_json::from_slice::<String>(raw).ok()?)
}

/// Nothing can be kept secret.
pub(in crate::front::modern) fn no_seal(id: Option<&[u8]>) -> Rejection {
    let text = "there are no random numbers to seal the state of a call with";
    Rejection::answering(id, StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, text)
}

/// What the client brought along is not for this. `foreign`: it is somebody else's.
pub(in crate::front::modern) fn refuse_state(id: &[u8], foreign: bool) -> Rejection {
    if foreign {
        count_auth_failure(FOREIGN_STATE);
    }
    let text = "requestState is not valid for this request: it was changed, used, or has expired";
    Rejection::answering(Some(id), StatusCode::OK, INVALID_PARAMS, text)
}
