//! Who may use the admin listener.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use mcpvisor_config::{Auth, Config};

use super::error;
use crate::auth::{AuthFailure, Authenticator};
use crate::front::count_auth_failure;
use crate::front::gate::{Gate, Refused, is_the_last};

/// The rules as they are now; a reload changes them for everybody who holds this.
#[derive(Clone)]
pub struct AccessRules(Arc<ArcSwap<Access>>);

impl AccessRules {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Access::new(config))))
    }

    /// From now on `config` holds.
    pub fn reload(&self, config: &Config) {
        self.0.store(Arc::new(Access::new(config)));
    }
}

/// The same rules as on the main listener, with the admin listener's address and keys.
struct Access {
    gate: Gate,
    keys: Authenticator,
}

impl Access {
    fn new(config: &Config) -> Self {
        let gateway = &config.gateway;
        let keys = Authenticator::new(&Auth { keys: config.auth.admin_keys.clone(), ..Auth::default() });
        Self { gate: Gate::new(&gateway.admin_listen, &gateway.public_url, &config.auth), keys }
    }
}

pub(super) async fn check(State(access): State<AccessRules>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let access = access.0.load_full();
    if let Err(refused) = access.gate.check(&parts) {
        let what = match refused {
            Refused::NoHost => "a Host header is missing".to_owned(),
            Refused::Repeated(name) => format!("the header {name} is there more than once"),
            Refused::Host(host) => format!("'{host}' is not a name of this service; see auth.allowed_hosts"),
            Refused::Origin(origin) => format!("origin '{origin}' may not ask; see auth.allowed_origins"),
        };
        return error(StatusCode::FORBIDDEN, what);
    }
    let Err(failure) = access.keys.caller(parts.headers.get(header::AUTHORIZATION)) else {
        let last = is_the_last(&parts);
        let mut response = next.run(Request::from_parts(parts, body)).await;
        if last {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return response;
    };
    count_auth_failure(failure.as_str());
    let mut response = error(
        StatusCode::UNAUTHORIZED,
        match failure {
            AuthFailure::Missing => "send one of auth.admin_keys as Authorization: Bearer KEY",
            _ => "this is none of auth.admin_keys",
        },
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
