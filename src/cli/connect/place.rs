//! Where the endpoint is: looked up again before each attempt, since a service that was started anew may be elsewhere.

use std::path::PathBuf;

use super::Arguments;
use crate::app::{Failure, state_dir};
use crate::cli::ServiceArguments;
use crate::cli::service;

/// See the module.
pub(super) struct Place {
    service: Found,
    /// Of the URL; empty if that is given as a whole.
    path: String,
    /// As the user has named it.
    pub(super) name: String,
}

enum Found {
    /// The state folder of the service.
    Folder(PathBuf),
    /// A URL: of an endpoint.
    Url(String),
}

impl Place {
    /// Finds it.
    ///
    /// # Errors
    /// No service runs, or several do and none was chosen; or what was written is neither a name nor a path nor a URL.
    pub(super) fn find(wanted: &Arguments) -> Result<Self, Failure> {
        let name = wanted.backend.clone().or_else(|| wanted.url.clone()).unwrap_or_default();
        let url = wanted.url.clone().or_else(|| is_url(&name).then(|| name.clone()));
        if let Some(url) = url {
            let path = wanted.backend.as_deref().filter(|backend| !is_url(backend));
            if path.is_some() {
                let text = "--url is the whole address of an endpoint: give it without BACKEND";
                return Err(Failure::Usage(text.to_owned()));
            }
            return Ok(Self { service: Found::Url(url), path: String::new(), name });
        }
        let path = path_of(&name)?;
        let service = ServiceArguments {
            admin: wanted.admin.clone(),
            state_dir: wanted.state_dir.clone(),
            bearer: None,
            ..ServiceArguments::default()
        };
        Ok(Self { service: Found::Folder(service::place(&service)?.folder), path, name })
    }

    /// Its URL as of now.
    ///
    /// # Errors
    /// The service does not run.
    pub(super) fn url(&self) -> Result<String, String> {
        match &self.service {
            Found::Url(url) => Ok(url.clone()),
            Found::Folder(folder) => match state_dir::at(folder) {
                Some(place) => Ok(format!("{}{}", place.run.url(), self.path)),
                None => Err(format!("no mcpvisor runs with the state folder {}", folder.display())),
            },
        }
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// `demo` is `/mcp/demo`; a path is itself.
fn path_of(name: &str) -> Result<String, Failure> {
    if name.starts_with('/') {
        return Ok(name.to_owned());
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !name.is_empty() && name.bytes().all(fits) {
        return Ok(format!("/mcp/{name}"));
    }
    Err(Failure::Usage(format!(
        "'{name}' is no backend\n    write its name, a path such as /mcp, or a URL such as http://127.0.0.1:8080/mcp/NAME"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_path_and_a_url_are_told_apart() {
        assert_eq!(path_of("demo").unwrap(), "/mcp/demo");
        assert_eq!(path_of("/mcp").unwrap(), "/mcp");
        assert!(path_of("a b").is_err() && path_of("").is_err() && path_of("a/b").is_err());
        assert!(is_url("https://h/mcp") && !is_url("httpd"));
    }
}
