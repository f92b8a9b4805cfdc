//! Clients of 2026-07-28: no handshake and no session; every request says for itself who asks.
//!
//! ```text
//! POST -> checks (headers, _meta) -> key (whose connection) -> talk (what is said to the client, to the answer)
//!                                                              ├─ call     a request, passed as it is (bound: but for its state)
//!                                                              ├─ bridge   the same, to a backend of the legacy era
//!                                                              ├─ listen   subscriptions/listen
//!                                                              └─ unified  several backends: each of them by one of these
//! ```
//! A talk that is dropped before its answer takes the request back: closing the stream is the cancel of this era.

mod answer;
mod bound;
mod bridge;
mod call;
mod checks;
mod key;
mod listen;
pub(crate) mod meta;
mod mirrored;
mod own;
mod params;
mod talk;
mod unified;

use http::StatusCode;
use mcpvisor_actors::Era;
use mcpvisor_actors::message::{Envelope, Kind, client_id};

use super::body::{self, HttpResponse};
use super::inbound::Inbound;
use super::media;
use super::rejection::{INVALID_REQUEST, Rejection};
use bound::Bound;
pub(crate) use bridge::{Parking, Seal};
use call::Call;
pub(crate) use checks::INVALID_PARAMS;
use meta::Meta;
use talk::Talk;
pub(crate) use talk::TalkBody;
#[cfg(feature = "fuzzing")]
pub(crate) use {bound::bind, bound::unbind, bridge::State, checks::check, mirrored::decoded};

/// Answers one message of a modern client.
pub(crate) async fn post(inbound: &Inbound<'_>, message: Envelope) -> Result<HttpResponse, Rejection> {
    match message.kind() {
        Kind::Request => request(inbound, message).await,
        // The era has one, for stdio: over HTTP a request is taken back by closing its stream.
        Kind::Notification => Ok(body::empty(StatusCode::ACCEPTED)),
        Kind::Result | Kind::Error => {
            let text = "there are no requests to answer in 2026-07-28: send a request with inputResponses";
            Err(Rejection::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, text))
        }
    }
}

async fn request(inbound: &Inbound<'_>, message: Envelope) -> Result<HttpResponse, Rejection> {
    let id = client_id(&message).map_err(|error| Rejection::invalid(None, &error.to_string()))?;
    let meta = Meta::of(&message);
    checks::check(inbound.headers, &message, &meta).map_err(|wrong| wrong.reject(Some(id)))?;
    inbound.check_draining(Some(id))?;
    let mut held = inbound.admit(Some(id))?.unwrap_or_default();
    if message.method() == Some("subscriptions/listen") {
        // It lasts as long as its client likes.
        held = inbound.admit_stream(Some(id))?;
    }
    let as_stream = media::prefers_stream(inbound.headers);
    let talk = match &inbound.set {
        Some(set) => unified::begin(inbound, set, message, meta).await?,
        None => begin(inbound, message, meta).await?,
    };
    Ok(talk::respond(&inbound.face, talk, held, as_stream).await)
}

/// To one backend.
async fn begin(inbound: &Inbound<'_>, message: Envelope, meta: Meta) -> Result<Talk, Rejection> {
    let (launcher, id) = (&inbound.front.launcher, message.id_bytes());
    let id = id.as_deref().unwrap_or_default();
    let era = launcher.era(&inbound.face.name, inbound.credentials()).await;
    let era = era.map_err(|refusal| Rejection::refused(Some(id), StatusCode::NOT_FOUND, &refusal))?;
    let gone = |refusal| Rejection::refused(Some(id), StatusCode::NOT_FOUND, &refusal);
    let who = key::Who::of(inbound, &meta, era).map_err(gone)?;
    let listens = message.method() == Some("subscriptions/listen");
    Ok(match era {
        // A connection that nobody else uses has nothing to tell of itself.
        _ if listens && who.is_alone => Talk::Listen(listen::quiet(inbound, &message)),
        Era::Legacy if listens => Talk::Listen(listen::bridged(inbound, &who, &message)),
        Era::Legacy => bridge::begin(inbound, &who, message, meta).await?,
        Era::Modern => {
            let (alone, route) =
                (who.alone(&inbound.front.launcher), who.route(&inbound.front.launcher).map_err(gone)?);
            if listens {
                Talk::Listen(listen::relayed(inbound, route, message))
            } else {
                let checked = params::check(inbound, &route, era, &meta, &message).await;
                checked.map_err(|wrong| wrong.reject(Some(id)))?;
                let bound = bound(inbound, id)?;
                let message = match (&bound, &meta.request_state) {
                    (Some(bound), Some(state)) => {
                        let opened = bound.open(&message, state);
                        opened.map_err(|foreign| bridge::refuse_state(id, foreign))?
                    }
                    _ => message,
                };
                Talk::Call(Call::send(&inbound.face, route, message).alone(alone).bound(bound))
            }
        }
    })
}

/// Where there are several principals, a backend's state is bound to the one that gets it.
fn bound(inbound: &Inbound<'_>, id: &[u8]) -> Result<Option<Bound>, Rejection> {
    if !inbound.caller.is_known() {
        return Ok(None);
    }
    let Some(seal) = inbound.front.seal.clone() else { return Err(bridge::no_seal(Some(id))) };
    Ok(Some(Bound::new(seal, inbound.face.name.clone(), inbound.caller.principal.clone())))
}
