//! Counting what lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many there are of something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<AtomicUsize>);

/// Counts one, until it is dropped.
#[derive(Debug)]
pub(super) struct One(Tally);

/// Counts the same thing at up to three bounds, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held([Option<One>; 3]);

impl Tally {
    /// One more, if there are fewer than `most`; 0 = nothing is counted.
    pub(super) fn take(&self, most: usize) -> Result<Option<One>, usize> {
        if most == 0 {
            return Ok(None);
        }
        let more = |count: usize| (count < most).then_some(count + 1);
        match self.0.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(Some(One(self.clone()))),
            Err(_) => Err(most),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.load(Relaxed) == 0
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

impl Held {
    pub(super) fn add(&mut self, one: Option<One>) {
        if let (Some(one), Some(place)) = (one, self.0.iter_mut().find(|place| place.is_none())) {
            *place = Some(one);
        }
    }
}
