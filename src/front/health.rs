//! What probes ask, and the order to close.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mcpvisor_actors::{ConnectionMetadata, Phase};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Front;
use super::body::{self, HttpResponse};
use super::rejection::Rejection;
use super::target::Target;

/// A service that does not answer itself for this long is not alive.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of the gateway specification whose `/health` and `/close` these are.
const SPEC_VERSION: &str = "1.8.0";

/// `GET /livez`
pub(crate) async fn live(front: &Front) -> HttpResponse {
    match front.launcher.alive(PATIENCE).await {
        true => state(StatusCode::OK, "alive"),
        false => state(StatusCode::SERVICE_UNAVAILABLE, "the registry does not answer"),
    }
}

/// `GET /readyz`; a broken backend never unreadies us.
pub(crate) async fn ready(front: &Front) -> HttpResponse {
    match front.draining() {
        Some(_) => state(StatusCode::SERVICE_UNAVAILABLE, "draining"),
        None if front.launcher.alive(PATIENCE).await => state(StatusCode::OK, "ready"),
        None => state(StatusCode::SERVICE_UNAVAILABLE, "the registry does not answer"),
    }
}

/// `GET /health`. Where not everybody may use everything, whoever asks is told of what he may use, and of nothing by default.
pub(crate) async fn health(front: &Front, headers: &HeaderMap) -> HttpResponse {
    let listed = timeout(PATIENCE, front.launcher.list()).await;
    let (alive, connections) = match listed {
        Ok(connections) => (front.launcher.alive(PATIENCE).await, connections),
        Err(_) => (false, Vec::new()),
    };
    let rules = front.rules.load_full();
    let names = match rules.has_limits() {
        false => rules.faces.names(),
        true => match front.recognise(headers).await {
            Ok(caller) if rules.admits(&caller, Target::Health) => rules.names_for(&caller.principal),
            _ => Vec::new(),
        },
    };
    let broken = timeout(PATIENCE, front.launcher.backends()).await.unwrap_or_default();
    let broken = |name: &str| broken.iter().any(|backend| &*backend.name == name && backend.breaker_open);
    let servers: Map<String, Value> =
        names.iter().map(|name| (name.clone(), server(name, &connections, broken(name)))).collect();
    let healthy = alive && servers.values().all(|server| server["status"] != "error");
    let status = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let report = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "specVersion": SPEC_VERSION,
        "gatewayVersion": env!("CARGO_PKG_VERSION"),
        "servers": servers,
    });
    body::json(status, report.to_string())
}

/// `POST /close`: the drain begins; the program exits when it is over.
pub(crate) async fn close(
    front: &Front,
    headers: &HeaderMap,
    peer: SocketAddr,
) -> Result<HttpResponse, Rejection> {
    if front.rules.load().auth.is_required() {
        let caller = front.caller(headers, Target::Close).await?;
        let rules = front.rules.load();
        rules.check_token(&caller, Target::Close)?;
        if rules.has_limits() && rules.names_for(&caller.principal) != rules.faces.names() {
            let text = "only who may use every backend may close the service (auth.rules)";
            return Err(Rejection::new(StatusCode::FORBIDDEN, super::rejection::INVALID_REQUEST, text));
        }
    } else if !peer.ip().to_canonical().is_loopback() {
        let text = "without auth.keys or auth.issuer only this machine may close the service";
        return Err(Rejection::new(StatusCode::FORBIDDEN, super::rejection::INVALID_REQUEST, text));
    }
    if front.draining() == Some(true) {
        return Ok(body::json(
            StatusCode::GONE,
            json!({"error": "Gateway has already been closed"}).to_string(),
        ));
    }
    front.begin_drain(true);
    front.shutdown.cancel();
    let report = json!({
        "status": "closed",
        "message": "Gateway shutdown initiated",
        "serversTerminated": front.rules.load().faces.names().len(),
    });
    Ok(body::json(StatusCode::OK, report.to_string()))
}

/// `error` if every connection is stopped or the breaker is open, `stopped` if there is none.
fn server(name: &str, connections: &[ConnectionMetadata], broken: bool) -> Value {
    let own = || connections.iter().filter(|connection| &*connection.key.backend_id == name);
    let Some(uptime) = own().map(|connection| connection.age).max() else {
        return json!({ "status": if broken { "error" } else { "stopped" }, "uptime": 0 });
    };
    let stopped = own().all(|connection| connection.phase == Phase::Stopped);
    let status = if broken || stopped { "error" } else { "running" };
    json!({ "status": status, "uptime": uptime.as_secs() })
}

fn state(status: StatusCode, text: &str) -> HttpResponse {
    body::json(status, json!({ "status": text }).to_string())
}
