//! What is wrong with a configuration: all of it at once, each with its place and its cure.

use std::fmt;
use std::path::PathBuf;

use crate::key_path::KeyPath;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in (`-` for standard input); `None` for the environment and flags.
    pub file: Option<PathBuf>,
    /// Its line, counted from 1, where known.
    pub line: Option<usize>,
    /// Its key path as written in that file; empty when the whole file is meant.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub hint: String,
}

/// Every problem found, in the order of the files. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

/// Something to know about a configuration that loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub kind: NoteKind,
    /// The file it stands in; `None` for the environment and flags.
    pub file: Option<PathBuf>,
    /// Its line, where known.
    pub line: Option<usize>,
    /// Its key path.
    pub key: String,
    /// What to know.
    pub what: String,
}

/// How much a [`Note`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// Something was translated: a name, a port, a key of another program's file.
    Mapped,
    /// A key was skipped because it belongs to another program.
    Ignored,
    /// Something probably differs from what the user expects.
    Warning,
}

/// A problem before its file and line are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: KeyPath,
    pub(crate) what: String,
    pub(crate) hint: String,
}

impl Fault {
    pub(crate) fn new(at: KeyPath, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, what: what.into(), hint: hint.into() }
    }
}

/// A note before its file and line are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) kind: NoteKind,
    pub(crate) at: KeyPath,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, self.file.as_ref(), self.line, &self.key)?;
        f.write_str(&self.what)?;
        if self.hint.is_empty() {
            return Ok(());
        }
        write!(f, "\n    {}", self.hint)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, self.file.as_ref(), self.line, &self.key)?;
        f.write_str(&self.what)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 problem in the configuration")?,
            count => write!(f, "{count} problems in the configuration")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

fn write_place(
    f: &mut fmt::Formatter<'_>,
    file: Option<&PathBuf>,
    line: Option<usize>,
    key: &str,
) -> fmt::Result {
    if let Some(file) = file {
        let name = if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() };
        match line {
            Some(line) => write!(f, "{name}:{line}: ")?,
            None => write!(f, "{name}: ")?,
        }
    }
    if key.is_empty() {
        return Ok(());
    }
    write!(f, "{key}: ")
}
