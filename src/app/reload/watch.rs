//! Reloads when the files have changed (`gateway.reload_on_change`).
//!
//! They are read now and then rather than watched: that works on every file system, and sees a file that is replaced by
//! another, or through a link, as editors and orchestrators do it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use mcpvisor_actors::Launcher;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Reloads;

/// How often they are read.
const POLL: Duration = Duration::from_secs(1);

/// What stands in each file; `None`: it cannot be read.
type Contents = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// What was seen, and what of it was acted upon. Pure.
struct Seen {
    last: Contents,
    known: Contents,
}

/// Reads the files from time to time, as long as the service is there. Which they are may change with what they say.
pub(super) async fn run(mut files: watch::Receiver<BTreeSet<PathBuf>>, launcher: Launcher, reloads: Reloads) {
    let first = files.borrow_and_update().clone();
    let mut seen = Seen::new(read(&first).await);
    loop {
        sleep(POLL).await;
        if reloads.0.is_closed() {
            return;
        }
        let wanted = launcher.config().gateway.reload_on_change;
        let now = files.borrow_and_update().clone();
        if !wanted || !seen.settled(read(&now).await) {
            continue;
        }
        reloads.order_soon("file");
    }
}

impl Seen {
    fn new(contents: Contents) -> Self {
        Self { last: contents.clone(), known: contents }
    }

    /// Whether there is something new, that was the same twice: a file may be in the middle of being written.
    fn settled(&mut self, now: Contents) -> bool {
        // One that is new was read by whoever named it, and one that is no longer named is nobody's.
        self.known.retain(|file, _| now.contains_key(file));
        for (file, content) in &now {
            if !self.last.contains_key(file) {
                self.last.insert(file.clone(), *content);
                self.known.insert(file.clone(), *content);
            }
        }
        self.last.retain(|file, _| now.contains_key(file));
        let settled = now == self.last;
        self.last = now;
        if !settled || self.last == self.known {
            return false;
        }
        self.known.clone_from(&self.last);
        true
    }
}

async fn read(files: &BTreeSet<PathBuf>) -> Contents {
    let mut contents = Contents::new();
    for file in files {
        let read = tokio::fs::read(file).await.ok();
        contents.insert(file.clone(), read.map(|text| Sha256::digest(&text).into()));
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(number: u8) -> Contents {
        [("a".into(), Some([number; 32]))].into()
    }

    /// A file would be loaded while it is half written, or again and again.
    #[test]
    fn a_change_counts_once_and_when_it_is_over() {
        let mut seen = Seen::new(contents(0));
        assert!(!seen.settled(contents(0)));
        assert!(!seen.settled(contents(1)), "just changed");
        assert!(!seen.settled(contents(2)), "and again");
        assert!(seen.settled(contents(2)));
        assert!(!seen.settled(contents(2)), "known by now");
        assert!(!seen.settled(contents(0)));
        assert!(seen.settled(contents(0)), "back again is a change as well");
    }

    /// The moment in which an editor has moved the old file away would end every backend.
    #[test]
    fn a_file_that_is_replaced_is_not_gone() {
        let mut seen = Seen::new(contents(0));
        assert!(!seen.settled([("a".into(), None)].into()));
        assert!(!seen.settled(contents(0)));
        assert!(!seen.settled(contents(0)), "the same as before");
    }

    /// A reload would be ordered by what the last one has just read, or by a file that is nobody's any more.
    #[test]
    fn files_may_come_and_go() {
        let both = |one: u8, other: u8| -> Contents {
            [("a".into(), Some([one; 32])), ("b".into(), Some([other; 32]))].into()
        };
        let mut seen = Seen::new(contents(0));
        assert!(!seen.settled(both(0, 1)) && !seen.settled(both(0, 1)), "it was named a moment ago");
        assert!(!seen.settled(both(0, 2)));
        assert!(seen.settled(both(0, 2)));
        assert!(!seen.settled(contents(0)) && !seen.settled(contents(0)), "no longer named");
    }
}
