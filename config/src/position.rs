//! On which line a key stands, so that an error can say so. Best effort: what is not found has the line of its
//! table, or none.

mod json;
mod toml;
mod yaml;

use crate::key_path::KeyPath;
use crate::parse::Format;

/// The lines of all keys of one file.
#[derive(Debug, Default)]
pub(crate) struct Positions(Vec<(KeyPath, usize)>);

impl Positions {
    /// Finds the keys of a text that has been parsed without error.
    pub(crate) fn of(text: &str, format: Format) -> Self {
        let lines = Lines::of(text);
        match format {
            Format::Toml => Self(toml::positions(text, &lines)),
            Format::Json => Self(json::positions(text, &lines)),
            Format::Yaml => Self(yaml::positions(text)),
        }
    }

    /// The line of `path`, else of the nearest table around it.
    pub(crate) fn line(&self, path: &KeyPath) -> Option<usize> {
        (1..=path.0.len()).rev().find_map(|count| {
            let path = path.first(count);
            self.0.iter().find(|(known, _)| *known == path).map(|(_, line)| *line)
        })
    }

    /// Keys that stand in the text twice: the second place of each.
    pub(crate) fn repeated(&self) -> Vec<KeyPath> {
        let mut paths: Vec<_> = self.0.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        let mut repeated: Vec<_> =
            paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        repeated.dedup();
        repeated
    }
}

/// Where the lines of a text begin.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect())
    }

    /// The line, counted from 1, of the byte at `offset`.
    pub(crate) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}
