//! `instances`: the names of the starts whose children may still live, one a line.
//!
//! A start writes its own before its first child, and only then is there anything to find; it takes the earlier ones off the
//! list once it has swept what they left. So a service killed at any moment is found by the next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const NAME: &str = "instances";

/// More is no list of ours, or one that nobody could ever sweep.
const MAX_BYTES: usize = 1 << 20;

/// Adds `own` to the list, and returns what stood there.
pub(super) fn begin(folder: &Path, own: &str) -> io::Result<Vec<String>> {
    let path = folder.join(NAME);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    // A line that was cut short must not swallow ours.
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{gap}{own}\n").as_bytes())?;
    file.sync_all()?;
    // The name of a new file is durable only once its folder is.
    File::open(folder)?.sync_all()?;
    Ok(text.lines().map(str::to_owned).filter(|id| !id.is_empty()).collect())
}

/// Takes all but `own` off the list. Written beside and renamed: at no moment is our own missing.
pub(super) fn keep_only(folder: &Path, own: &str) -> io::Result<()> {
    let beside = folder.join(format!("{NAME}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(format!("{own}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(NAME))
}

/// Removes the list: nothing is left of any start.
pub(super) fn remove(folder: &Path) {
    let _ = fs::remove_file(folder.join(NAME));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_since_the_last_sweep_is_known_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(begin(folder, "a").unwrap(), [] as [&str; 0]);
        assert_eq!(begin(folder, "b").unwrap(), ["a"], "a was killed");
        assert_eq!(begin(folder, "c").unwrap(), ["a", "b"], "b was killed before it had swept");
        keep_only(folder, "c").unwrap();
        assert_eq!(begin(folder, "d").unwrap(), ["c"]);
        remove(folder);
        assert_eq!(begin(folder, "e").unwrap(), [] as [&str; 0], "d has left in order");
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_hide_the_next() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "a\nb").unwrap();
        begin(folder.path(), "c").unwrap();
        assert_eq!(begin(folder.path(), "d").unwrap(), ["a", "b", "c"]);
    }
}
