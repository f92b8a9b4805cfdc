//! Values that stand in files of their own: `@/run/secrets/x`, `${file:/run/secrets/x}`. Nothing of what a file says gets into
//! an error.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longer than any token; a file that is longer is another one than was meant.
const MOST: u64 = 64 * 1024;

/// Why a file is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueFileError {
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    #[error("the file {} cannot be read: {kind}", .path.display())]
    Unreadable { path: PathBuf, kind: ErrorKind },
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("the file {} is empty", .0.display())]
    Empty(PathBuf),
    #[error("the file {} is longer than {} KiB", .0.display(), MOST / 1024)]
    TooLong(PathBuf),
    #[error("the file {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
}

impl ValueFileError {
    /// What would be right.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Relative(_) => "write the whole path, from / on",
            Self::Unreadable { kind: ErrorKind::NotFound, .. } => {
                "put the file there; in a container, mount it; `@@/` is a literal `@/`"
            }
            Self::Unreadable { kind: ErrorKind::PermissionDenied, .. } => {
                "give the user that runs mcpvisor the right to read it"
            }
            Self::Unreadable { .. } | Self::NotAFile(_) => {
                "name a plain file that holds the value and nothing else"
            }
            Self::Empty(_) => "write the value into it",
            Self::TooLong(_) | Self::NotText(_) => "name the file that holds the value and nothing else",
        }
    }
}

/// The text of the file without the line break at its end.
pub(crate) fn read(path: &str) -> Result<String, ValueFileError> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(ValueFileError::Relative(path.display().to_string()));
    }
    let unreadable =
        |error: std::io::Error| ValueFileError::Unreadable { path: path.to_owned(), kind: error.kind() };
    // Before it is opened: a pipe would be waited for.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(ValueFileError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MOST {
        return Err(ValueFileError::TooLong(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| ValueFileError::NotText(path.to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(ValueFileError::Empty(path.to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<String, ValueFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        std::fs::write(&path, content).unwrap();
        read(path.to_str().unwrap())
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_value() {
        for (content, value) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
        {
            assert_eq!(of(content.as_bytes()).as_deref(), Ok(value), "{content:?}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read("run/x"), Err(ValueFileError::Relative(_))));
        assert!(matches!(
            read("/no/such"),
            Err(ValueFileError::Unreadable { kind: ErrorKind::NotFound, .. })
        ));
        assert!(matches!(read(folder.path().to_str().unwrap()), Err(ValueFileError::NotAFile(_))));
        assert!(matches!(read("/dev/zero"), Err(ValueFileError::NotAFile(_))));
        assert!(matches!(of(b""), Err(ValueFileError::Empty(_))));
        assert!(matches!(of(b"\n"), Err(ValueFileError::Empty(_))));
        let secret = of(b"s3cret\xff").unwrap_err();
        assert!(
            matches!(secret, ValueFileError::NotText(_)) && !format!("{secret}{secret:?}").contains("s3cret")
        );
        let long = of("s3cret".repeat(20_000).as_bytes()).unwrap_err();
        assert!(matches!(long, ValueFileError::TooLong(_)) && !format!("{long}{long:?}").contains("s3cret"));
    }
}
