//! What `/proc` says of children. Read off the runtime: a busy machine makes it slow.

use std::collections::HashMap;
use std::fs;

use rustix::param::page_size;

/// Resident memory of each of these and of what it has started, in bytes: servers lead their process groups, and the one that
/// `npx` starts is in its group.
pub(super) async fn resident_bytes(leaders: Vec<Option<u32>>) -> Vec<Option<u64>> {
    let read = move || {
        if leaders.iter().all(Option::is_none) {
            return vec![None; leaders.len()];
        }
        let groups = resident_by_group();
        leaders.into_iter().map(|leader| groups.get(&leader?).copied()).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn resident_by_group() -> HashMap<u32, u64> {
    let mut groups = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit()) {
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        if let Some((group, pages)) = group_and_pages(&stat) {
            *groups.entry(group).or_default() += pages * page_size() as u64;
        }
    }
    groups
}

/// Fields 5 and 24 of proc(5).
fn group_and_pages(stat: &str) -> Option<(u32, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let group = fields.nth(2)?.parse().ok()?;
    Some((group, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server behind `npx` would seem to need no memory.
    #[tokio::test]
    async fn memory_is_that_of_the_group() {
        let stat =
            "77 (a ) b) S 1 70 70 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 100 5000 123 18446744073709551615";
        assert_eq!(group_and_pages(stat), Some((70, 123)));
        let own = rustix::process::getpgrp().as_raw_nonzero().get().cast_unsigned();
        let read = resident_bytes(vec![Some(own), None, Some(u32::MAX)]).await;
        assert!(matches!(read[..], [Some(bytes), None, None] if bytes > 1_000_000), "{read:?}");
    }
}
