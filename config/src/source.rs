//! Where configuration files are, and what is in them.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Problem;

/// A file to read, or its text.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file; its extension says whether it is TOML, JSON or YAML.
    Path(PathBuf),
    /// A text that has been read already, such as standard input (`-`); without extension its content decides.
    Text {
        /// What errors call it.
        name: PathBuf,
        /// What it says.
        text: String,
    },
}

/// What to load.
#[derive(Clone, Default)]
pub struct LoadRequest {
    /// Files, the later over the earlier.
    pub files: Vec<Source>,
    /// Whether to look in the usual places when `files` is empty: `./mcpvisor.toml`,
    /// `$XDG_CONFIG_HOME/mcpvisor/config.toml`, `/etc/mcpvisor/config.toml`; the first that exists is read.
    pub search: bool,
    /// Where `./mcpvisor.toml` is looked for; empty = the working directory.
    pub folder: PathBuf,
    /// The environment. Nothing is read from the process's own.
    pub env: Vec<(String, String)>,
    /// `--set`: `pool.idle_timeout=10m`.
    pub sets: Vec<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin-listen`
    pub admin_listen: Option<String>,
}

impl Source {
    /// The source that a `--config` argument means; `-` reads standard input to its end.
    ///
    /// # Errors
    /// When standard input cannot be read or is not UTF-8.
    pub fn from_argument(argument: &Path) -> std::io::Result<Self> {
        if argument.as_os_str() != "-" {
            return Ok(Self::Path(argument.to_owned()));
        }
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        Ok(Self::Text { name: "-".into(), text })
    }

    pub(crate) fn name(&self) -> &Path {
        match self {
            Self::Path(name) | Self::Text { name, .. } => name,
        }
    }

    pub(crate) fn read(&self) -> Result<String, Box<Problem>> {
        let text = match self {
            Self::Text { text, .. } => text.clone(),
            Self::Path(path) => std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?,
        };
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }
}

impl LoadRequest {
    /// The sources to read: those given, else the first of the usual places that exists.
    pub(crate) fn sources(&self) -> Vec<Source> {
        if !self.files.is_empty() || !self.search {
            return self.files.clone();
        }
        self.usual_places().into_iter().find(|path| path.is_file()).map(Source::Path).into_iter().collect()
    }

    /// The same with what its files say now in their place, so that it can be loaded twice and be the same.
    pub fn as_of_now(&self) -> Self {
        let read = |source: Source| match source.read() {
            Ok(text) => Source::Text { name: source.name().to_owned(), text },
            // Loading it says why.
            Err(_) => source,
        };
        let files = self.sources().into_iter().map(read).collect();
        Self { files, search: false, ..self.clone() }
    }

    /// The files whose change changes what is loaded: those given, else every usual place, there or not.
    pub fn watched(&self) -> Vec<PathBuf> {
        if self.files.is_empty() && self.search {
            return self.usual_places();
        }
        let path = |source: &Source| match source {
            Source::Path(path) => Some(path.clone()),
            Source::Text { .. } => None,
        };
        self.files.iter().filter_map(path).collect()
    }

    /// Whether a part of it was read once and cannot be read again, such as standard input.
    pub fn holds_texts(&self) -> bool {
        self.files.iter().any(|source| matches!(source, Source::Text { .. }))
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn usual_places(&self) -> Vec<PathBuf> {
        let absolute = |name| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let user = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let mut places = vec![self.folder.join("mcpvisor.toml")];
        places.extend(user.map(|folder| folder.join("mcpvisor/config.toml")));
        places.push("/etc/mcpvisor/config.toml".into());
        places
    }
}

/// The name only: a text may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name()).finish()
    }
}

/// Without the environment and the values of `sets`, which may be secrets.
impl fmt::Debug for LoadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadRequest")
            .field("files", &self.files)
            .field("search", &self.search)
            .field("listen", &self.listen)
            .field("admin_listen", &self.admin_listen)
            .finish_non_exhaustive()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Box<Problem> {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => "check the path; relative ones start where mcpvisor was started",
        std::io::ErrorKind::PermissionDenied => "give the user that runs mcpvisor the right to read it",
        _ => "name a text file of TOML, JSON or YAML",
    };
    Box::new(Problem {
        file: Some(path.to_owned()),
        line: None,
        key: String::new(),
        what: format!("cannot be read: {error}"),
        hint: hint.into(),
    })
}
