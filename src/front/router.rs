//! From a path and a method to whoever answers; from an answer to its HTTP form.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use mcpvisor_actors::Refusal;
use mcpvisor_config::nearest;
use serde_json::json;

use super::body::{self, HttpResponse};
use super::gate::{Refused, is_the_last};
use super::inbound::{Inbound, SESSION_HEADER};
use super::rejection::{INVALID_REQUEST, Rejection};
use super::target::Target;
use super::unified::{Part, Set};
use super::{Front, era, feed, health, measure, post, resource_metadata, sse, unified};
use crate::auth::Caller;

impl Front {
    /// Answers one request. Whatever happens, there is an answer.
    pub(super) async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> HttpResponse {
        self.busy_poll.traffic();
        let (parts, body) = request.into_parts();
        let target = Target::of(parts.uri.path());
        let answered = self.answer(&parts, body, target, peer).await;
        let mut response = answered.unwrap_or_else(Rejection::into_response);
        measure::count_response(target.label(), response.status());
        if let Some(origin) = parts.headers.get(header::ORIGIN) {
            allow_origin(&mut response, origin);
        }
        if is_the_last(&parts) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.busy_poll.traffic();
        response
    }

    async fn answer(
        self: &Arc<Self>,
        parts: &http::request::Parts,
        body: Incoming,
        target: Target<'_>,
        peer: SocketAddr,
    ) -> Result<HttpResponse, Rejection> {
        // A probe asks by whatever address it has, and learns nothing.
        if !matches!(target, Target::Live | Target::Ready) {
            self.rules.load().gate.check(parts).map_err(|refused| not_let_in(&refused))?;
        }
        if parts.method == Method::OPTIONS {
            return Ok(options(target, &parts.headers));
        }
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        match target {
            Target::Backend(name) => self.backend(parts, body, name).await,
            Target::Sse(name) if parts.method == Method::GET => {
                Box::pin(sse::get(self.inbound(parts, name, target).await?)).await
            }
            Target::SseMessage(name) if parts.method == Method::POST => {
                Box::pin(sse::post(self.inbound(parts, name, target).await?, parts.uri.query(), body)).await
            }
            Target::Unified => Box::pin(self.several(parts, body, target, unified::ALL)).await,
            Target::Group(name) => Box::pin(self.several(parts, body, target, &unified::group(name))).await,
            Target::Health if reads => Ok(Box::pin(health::health(self, &parts.headers)).await),
            Target::Live if reads => Ok(Box::pin(health::live(self)).await),
            Target::Ready if reads => Ok(Box::pin(health::ready(self)).await),
            Target::Close if parts.method == Method::POST => {
                Box::pin(health::close(self, &parts.headers, peer)).await
            }
            Target::ResourceMetadata(path) if reads => Ok(self.resource_metadata(path)),
            Target::Nothing => Ok(nothing_here()),
            _ => Err(wrong_method(target)),
        }
    }

    fn resource_metadata(&self, path: &str) -> HttpResponse {
        let rules = self.rules.load();
        let tokens = rules.auth.issuer().map(|issuer| issuer.tokens());
        let found = tokens.and_then(|tokens| Some((tokens, resource_metadata::endpoint(tokens, path)?)));
        let Some((tokens, (path, target))) = found else { return nothing_here() };
        resource_metadata::document(tokens, path, &rules.scopes(target, None))
    }

    async fn backend(
        self: &Arc<Self>,
        parts: &http::request::Parts,
        body: Incoming,
        name: &str,
    ) -> Result<HttpResponse, Rejection> {
        let inbound = self.inbound(parts, name, Target::Backend(name)).await?;
        serve(inbound, &parts.method, body, Target::Backend(name)).await
    }

    /// Several backends as one.
    async fn several(
        self: &Arc<Self>,
        parts: &http::request::Parts,
        body: Incoming,
        target: Target<'_>,
        name: &str,
    ) -> Result<HttpResponse, Rejection> {
        let caller = self.caller(&parts.headers, target).await?;
        let set = self.rules.load().sets.get(name).cloned();
        let part = set.map(|set| Part::new(set, caller.principal.clone()));
        // All of them are there for everybody, even if there are none; a group only for those who may use one of its backends.
        let is_there = |part: &Part| target == Target::Unified || !part.hides_all();
        let part = part.filter(is_there).ok_or_else(|| self.no_such_set(target, &caller))?;
        self.rules.load().check_token(&caller, target)?;
        let (face, headers) = (part.face().clone(), &parts.headers);
        let inbound = Inbound { front: self, face, set: Some(part), caller, headers };
        serve(inbound, &parts.method, body, target).await
    }

    async fn inbound<'a>(
        self: &'a Arc<Self>,
        parts: &'a http::request::Parts,
        name: &str,
        target: Target<'_>,
    ) -> Result<Inbound<'a>, Rejection> {
        let caller = self.caller(&parts.headers, target).await?;
        let rules = self.rules.load();
        let face = rules.faces.get(name).filter(|_| rules.may_use(&caller.principal, name)).cloned();
        let face = face.ok_or_else(|| self.no_such_backend(name, &caller))?;
        rules.check_token(&caller, target)?;
        Ok(Inbound { front: self, face, set: None, caller, headers: &parts.headers })
    }

    /// The same for one that is there, and not for this caller; nor does it hear of others that are not.
    fn no_such_backend(&self, name: &str, caller: &Caller) -> Rejection {
        let rules = self.rules.load();
        if rules.may_use(&caller.principal, name) && self.launcher.backend(name).is_ok() {
            let text = format!("server '{name}' is disabled");
            return Rejection::new(StatusCode::NOT_FOUND, INVALID_REQUEST, &text);
        }
        let known = rules.names_for(&caller.principal);
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let refusal = Refusal::UnknownBackend { name: name.into(), nearest };
        Rejection::refused(None, StatusCode::NOT_FOUND, &refusal)
    }

    fn no_such_set(&self, target: Target<'_>, caller: &Caller) -> Rejection {
        let rules = self.rules.load();
        let is_there = |set: &Arc<Set>| !Part::new(set.clone(), caller.principal.clone()).hides_all();
        let text = match target {
            Target::Group(name) => match rules.sets.groups(is_there) {
                groups if groups.is_empty() => format!("group '{name}' not found: there are no groups"),
                groups => format!("group '{name}' not found: groups are {}", groups.join(", ")),
            },
            _ => {
                let names = rules.names_for(&caller.principal).join(", ");
                format!("gateway.unified is false: POST /mcp/{{backend}}, where backend is one of: {names}")
            }
        };
        Rejection::new(StatusCode::NOT_FOUND, INVALID_REQUEST, &text)
    }
}

/// Whoever it is for has been found.
async fn serve(
    inbound: Inbound<'_>,
    method: &Method,
    body: Incoming,
    target: Target<'_>,
) -> Result<HttpResponse, Rejection> {
    let without_sessions = era::is_modern(inbound.headers);
    match *method {
        Method::GET | Method::DELETE if without_sessions => Err(no_session_to_use()),
        Method::POST => post::post(inbound, body).await,
        Method::GET => Box::pin(feed::get(inbound)).await,
        Method::DELETE => feed::delete(&inbound),
        _ => Err(wrong_method(target)),
    }
}

/// 2026-07-28 has neither streams of their own nor sessions to end.
fn no_session_to_use() -> Rejection {
    let text = "method not allowed in 2026-07-28: use POST";
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, text)
        .with(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"))
}

fn nothing_here() -> HttpResponse {
    let text = "nothing is here: MCP is at /mcp and /mcp/{backend} (HTTP+SSE: /sse/{backend}), besides /health, /livez, /readyz and POST /close";
    body::json(StatusCode::NOT_FOUND, json!({ "error": text }).to_string())
}

fn wrong_method(target: Target<'_>) -> Rejection {
    let text = format!("method not allowed: use {}", target.methods());
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, &text)
        .with(header::ALLOW, HeaderValue::from_static(target.methods()))
}

fn not_let_in(refused: &Refused) -> Rejection {
    let (status, text) = match refused {
        Refused::NoHost => (StatusCode::BAD_REQUEST, "the Host header is missing".to_owned()),
        Refused::Host(host) => {
            let text = format!(
                "'{host}' is no name of this service: use its own, or add yours to auth.allowed_hosts"
            );
            (StatusCode::FORBIDDEN, text)
        }
        Refused::Repeated(name) => {
            (StatusCode::BAD_REQUEST, format!("the header {name} is there more than once"))
        }
        Refused::Origin(origin) => {
            let text = format!("origin '{origin}' is not allowed: add it to auth.allowed_origins");
            (StatusCode::FORBIDDEN, text)
        }
    };
    Rejection::new(status, INVALID_REQUEST, &text)
}

/// What a browser asks before it lets a page speak to us; its origin has passed the gate.
fn options(target: Target<'_>, headers: &HeaderMap) -> HttpResponse {
    let mut response = body::empty(StatusCode::NO_CONTENT);
    let methods = HeaderValue::from_static(target.methods());
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, methods.clone());
    if headers.contains_key(header::ORIGIN) {
        const HEADERS: &str = "authorization, content-type, accept, mcp-session-id, mcp-protocol-version, last-event-id, mcp-method, mcp-name";
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// Lets a page of an accepted origin read the response. One that was refused gets nothing of use.
fn allow_origin(response: &mut HttpResponse, origin: &HeaderValue) {
    const EXPOSED: [HeaderName; 3] = [SESSION_HEADER, header::WWW_AUTHENTICATE, header::RETRY_AFTER];
    // One that lacks a scope is told what it takes.
    if response.status() == StatusCode::FORBIDDEN
        && !response.headers().contains_key(header::WWW_AUTHENTICATE)
    {
        return;
    }
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let exposed = EXPOSED.each_ref().map(HeaderName::as_str).join(", ");
    if let Ok(exposed) = HeaderValue::from_str(&exposed) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
