//! What `/proc` says of children. Read off the runtime: a busy machine makes it slow.

use std::fs;

use rustix::param::page_size;

/// Resident memory of each process, in bytes.
pub(super) async fn resident_bytes(pids: Vec<Option<u32>>) -> Vec<Option<u64>> {
    let read = move || pids.into_iter().map(|pid| resident_of(pid?)).collect();
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn resident_of(pid: u32) -> Option<u64> {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * page_size() as u64)
}
