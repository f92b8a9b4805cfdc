//! The running service that a command asks, by its admin API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ServiceArguments;
use crate::app::{Failure, state_dir};

/// A service that lives answers sooner.
const PATIENCE: Duration = Duration::from_secs(5);

/// One running service. Cheap to clone.
#[derive(Clone)]
pub(super) struct Service {
    /// Its admin address, such as `http://127.0.0.1:9464`.
    pub(super) admin: String,
    bearer: Option<String>,
    client: Client,
}

impl Service {
    /// The one asked for, else the one that runs.
    ///
    /// # Errors
    /// None runs, or several do and none was chosen.
    pub(super) fn of(wanted: &ServiceArguments) -> Result<Self, Failure> {
        let client = trusting(wanted)?.connect_timeout(PATIENCE).no_proxy().build();
        let client = client.context("cannot make a client")?;
        Ok(Self { admin: admin_url(wanted)?, bearer: wanted.bearer.clone(), client })
    }

    /// # Errors
    /// It does not answer, or refuses; said so that one knows what to do.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.order(Method::GET, path).await
    }

    /// The same with another method.
    pub(super) async fn order<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Failure> {
        let response = self.send(path, self.request(method, path).timeout(PATIENCE)).await?;
        let answer = response.json().await;
        answer.map_err(|_| Failure::Runtime(anyhow!("{}{path} is not the admin API of mcpvisor", self.admin)))
    }

    /// The whole answer as text.
    pub(super) async fn text(&self, path: &str) -> Result<String, Failure> {
        let response = self.send(path, self.request(Method::GET, path).timeout(PATIENCE)).await?;
        response.text().await.map_err(|_| self.broken())
    }

    /// An answer that may go on for ever.
    pub(super) async fn stream(&self, path: &str) -> Result<Response, Failure> {
        self.send(path, self.request(Method::GET, path)).await
    }

    /// The answer, whatever its status says, but that a key is wanted.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<Response, Failure> {
        self.answer(self.request(method, path).timeout(patience)).await
    }

    /// Such a status is none of the admin API's.
    pub(super) fn not_ours(&self, path: &str, status: StatusCode) -> Failure {
        Failure::Runtime(anyhow!("{}{path} answered {status}\n    is this its admin address?", self.admin))
    }

    /// An answer broke off in the middle.
    pub(super) fn broken(&self) -> Failure {
        Failure::Runtime(anyhow!("{} is gone: the service did not end in order", self.admin))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.admin));
        match &self.bearer {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let admin = &self.admin;
        let response = request.send().await.map_err(|error| {
            if error.is_builder() {
                return Failure::Usage(format!("'{admin}' is no URL\n    write it as http://127.0.0.1:9464"));
            }
            if let Some(why) = tls_failure(&error).filter(|_| admin.starts_with("https://")) {
                return Failure::Runtime(anyhow!(
                    "{admin}: no TLS connection: {why}\n    \
                     give the authority of its certificate with --ca FILE, its name with --admin https://NAME:PORT, and \
                     where it wants one your own certificate with --cert FILE"
                ));
            }
            let why = if error.is_timeout() { "it does not answer in time" } else { "nothing answers there" };
            Failure::Runtime(anyhow!(
                "{admin}: {why}\n    is mcpvisor running, and is this its admin address?"
            ))
        })?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(Failure::Runtime(anyhow!(
                "{admin} wants one of its auth.admin_keys\n    give it with --bearer KEY, or in MCPVISOR_ADMIN_KEY"
            )));
        }
        Ok(response)
    }

    async fn send(&self, path: &str, request: RequestBuilder) -> Result<Response, Failure> {
        let response = self.answer(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = response.json::<Value>().await.ok();
        let said = said.as_ref().and_then(|said| said["error"].as_str());
        Err(match (said, status) {
            // What was asked for is not there: the command line is wrong.
            (Some(said), StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => Failure::Usage(said.to_owned()),
            (Some(said), _) => Failure::Runtime(anyhow!("{} answered {status}: {said}", self.admin)),
            (None, _) => self.not_ours(path, status),
        })
    }
}

/// A client that trusts whom it is told to, else whom the system trusts.
fn trusting(wanted: &ServiceArguments) -> Result<ClientBuilder, Failure> {
    let mut client = Client::builder();
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))
    };
    let wrong =
        |path: &Path, what: &str| Failure::Usage(format!("{} holds no {what} in PEM", path.display()));
    if let Some(path) = &wanted.ca {
        let authorities = Certificate::from_pem_bundle(&read(path)?).ok().filter(|found| !found.is_empty());
        client = client.tls_certs_only(authorities.ok_or_else(|| wrong(path, "certificate"))?);
    }
    if let Some(path) = &wanted.cert {
        let identity = Identity::from_pem(&read(path)?);
        client = client.identity(identity.map_err(|_| wrong(path, "certificate and private key"))?);
    }
    Ok(client)
}

/// What is wrong with TLS, if that may be what is wrong: whoever is refused for want of a certificate may only see the end.
fn tls_failure(error: &reqwest::Error) -> Option<String> {
    if error.is_timeout() {
        return None;
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found.to_string());
        }
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return None;
        }
        source = match io.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Some("it was cut".to_owned())
}

/// The admin address asked for, else that of the one service that runs.
fn admin_url(wanted: &ServiceArguments) -> Result<String, Failure> {
    if let Some(url) = &wanted.admin {
        return Ok(with_scheme(url));
    }
    Ok(place(wanted)?.run.admin_url())
}

fn with_scheme(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// The folder of the service asked for, else of the one that runs.
///
/// # Errors
/// None runs, or several do and none was chosen.
pub(super) fn place(wanted: &ServiceArguments) -> Result<state_dir::Place, Failure> {
    let mut places: Vec<_> = match &wanted.state_dir {
        Some(folder) => state_dir::at(folder).into_iter().collect(),
        None => state_dir::running(),
    };
    if let Some(admin) = wanted.admin.as_deref().map(with_scheme) {
        places.retain(|place| place.run.admin_url() == admin);
        if places.is_empty() {
            return Err(Failure::Runtime(anyhow!(
                "no mcpvisor of this user with the admin address {admin} was found\n    \
                 say where it is with --state-dir DIR, or give the endpoint itself with --url URL"
            )));
        }
    }
    match (places.as_mut_slice(), &wanted.state_dir) {
        ([place], _) => Ok(place.clone()),
        ([], Some(folder)) => Err(Failure::Runtime(anyhow!(
            "no mcpvisor runs with the state folder {}\n    \
             give the gateway.state_dir of a running one, or say where it is with --admin URL",
            folder.display()
        ))),
        ([], None) => Err(Failure::Runtime(anyhow!(
            "no running mcpvisor of this user was found\n    \
             start one with `mcpvisor serve`, or say where it is with --admin URL or --state-dir DIR"
        ))),
        (several, _) => {
            let line = |place: &state_dir::Place| {
                let run = &place.run;
                format!("\n    --admin {}  (pid {}, serves {})", run.admin_url(), run.pid, run.url())
            };
            let lines: String = several.iter().map(line).collect();
            Err(Failure::Usage(format!("{} services run; choose one:{lines}", several.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_given_with_or_without_a_scheme() {
        let url =
            |admin: &str| admin_url(&ServiceArguments { admin: Some(admin.into()), ..Default::default() });
        assert_eq!(url("127.0.0.1:9464").unwrap(), "http://127.0.0.1:9464");
        assert_eq!(url("http://h:1/").unwrap(), "http://h:1");
    }
}
