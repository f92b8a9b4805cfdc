//! What the tests of the running program share: a service in a world of its own, a small client that shows
//! every status, header and event as it came, and a look at the processes.

#![allow(dead_code, unused_imports, reason = "no test uses all of it")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

pub mod bystander;
mod client;
mod conforming;
mod dice;
mod exposition;
mod fixture;
mod footprint;
mod http;
mod http_server;
mod processes;
mod service;
mod upstream;

use std::task::Poll;
use std::time::{Duration, Instant};

pub use client::{Client, code, reason, text_of};
pub use conforming::{Conforming, conforming};
pub use dice::Dice;
pub use exposition::{Family, Page};
pub use fixture::{backend, fixture};
pub use footprint::Footprint;
pub use http::{Ask, Reply, raw};
pub use http_server::HttpServer;
pub use processes::{
    carrying, end, exists, kill_9, marked, open_files, processes_of, signal, signal_marked, zombies_of,
};
pub use service::Service;
pub use upstream::Upstream;

/// Nothing takes longer on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `found` finds something.
pub async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until `wanted` is there; else what it said last is what was waited for in vain.
pub async fn eventually_or<T>(mut wanted: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match wanted().await {
            Ok(found) => return found,
            Err(why) => assert!(start.elapsed() < PATIENCE, "in vain: {why}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Does several things at once, on this thread, and waits for all of them.
pub async fn all<T>(work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut work: Vec<_> = work.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(move |cx| {
        for (one, done) in work.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = one.as_mut().poll(cx) {
                *done = Some(value);
            }
        }
        if work.iter().any(|(_, done)| done.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(work.drain(..).filter_map(|(_, done)| done).collect())
    })
    .await
}

/// Waits for `work`, and fails the test rather than hang.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let finished = tokio::time::timeout(PATIENCE, work).await;
    finished.unwrap_or_else(|_| panic!("in vain: {what}"))
}
