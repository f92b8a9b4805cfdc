//! What a command is about: a backend, or one session of it.

use mcpvisor_config::nearest;

use super::service::Service;
use crate::admin::views::{BackendsView, ConnectionView, ConnectionsView};
use crate::app::Failure;

/// `BACKEND [SESSION]`
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// A backend, by its name
    #[arg(value_name = "BACKEND")]
    pub backend: String,
    /// One session of it, by the first digits that `mcpvisor status` shows, or BACKEND/SESSION in one word
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
}

impl Target {
    /// As `mcpvisor status` prints it, in one word, is as good as two.
    pub(super) fn split(self) -> Self {
        match (self.backend.split_once('/'), &self.session) {
            (Some((backend, session)), None) => {
                Self { backend: backend.to_owned(), session: Some(session.to_owned()) }
            }
            _ => self,
        }
    }

    /// The connection of its session.
    ///
    /// # Errors
    /// There is no such backend or session, or several sessions begin so.
    pub(super) async fn connection(
        &self,
        service: &Service,
        session: &str,
    ) -> Result<ConnectionView, Failure> {
        let own = self.connections(service).await?;
        let fitting = || own.iter().filter(|connection| connection.session.starts_with(session));
        let names = |of: Vec<&ConnectionView>| {
            of.into_iter().map(|one| one.session.as_str()).collect::<Vec<_>>().join(", ")
        };
        let backend = &self.backend;
        match fitting().collect::<Vec<_>>().as_slice() {
            [one] => Ok((*one).clone()),
            [] if own.is_empty() => Err(Failure::Usage(format!(
                "backend '{backend}' has no session '{session}', nor any other: nobody uses it now"
            ))),
            [] => Err(Failure::Usage(format!(
                "backend '{backend}' has no session '{session}'\n    there are: {}",
                names(own.iter().collect())
            ))),
            _ => Err(Failure::Usage(format!(
                "several sessions of backend '{backend}' begin with '{session}'; write more of it\n    there are: {}",
                names(fitting().collect())
            ))),
        }
    }

    /// All connections of its backend.
    ///
    /// # Errors
    /// There is no such backend.
    pub(super) async fn connections(&self, service: &Service) -> Result<Vec<ConnectionView>, Failure> {
        let ConnectionsView { connections } = service.get("/api/v1/connections").await?;
        let own: Vec<_> = connections.into_iter().filter(|one| one.backend == self.backend).collect();
        if own.is_empty() {
            self.check_backend(service).await?;
        }
        Ok(own)
    }

    async fn check_backend(&self, service: &Service) -> Result<(), Failure> {
        let BackendsView { backends } = service.get("/api/v1/backends").await?;
        if backends.iter().any(|backend| backend.name == self.backend) {
            return Ok(());
        }
        let names: Vec<&str> = backends.iter().map(|backend| backend.name.as_str()).collect();
        let near = nearest(&self.backend, names.iter().copied());
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        Err(Failure::Usage(format!(
            "no backend '{}' is configured{near}\n    there are: {}",
            self.backend,
            names.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_status_prints_can_be_pasted() {
        let split = |backend: &str, session: Option<&str>| {
            let target = Target { backend: backend.into(), session: session.map(str::to_owned) }.split();
            (target.backend, target.session)
        };
        assert_eq!(split("a/0123", None), ("a".into(), Some("0123".into())));
        assert_eq!(split("a", Some("0123")), ("a".into(), Some("0123".into())));
        assert_eq!(split("a", None), ("a".into(), None));
    }
}
