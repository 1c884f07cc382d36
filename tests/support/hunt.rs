//! Hunts: generated cases from a seed on, as many as there is time for or as were asked for, on all cores.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::random::variable;

/// The end of a hunt, and its failures by their seeds.
pub(crate) struct Hunt<F> {
    pub(crate) lived: u64,
    pub(crate) took: Duration,
    pub(crate) failed: BTreeMap<u64, Vec<F>>,
}

/// Lives the cases of the seeds from `ZPA_BULK_SEED` on: as many as the variable `count` says, or for that time.
pub(crate) fn hunt<F: Send>(
    count: &str,
    span: Duration,
    live: impl Fn(u64) -> Vec<F> + Sync,
) -> Hunt<F> {
    let first = variable("ZPA_BULK_SEED").unwrap_or(1);
    let count = variable(count);
    let (next, lived) = (AtomicU64::new(first), AtomicU64::new(0));
    let failed = Mutex::new(BTreeMap::new());
    let began = Instant::now();
    let is_over = |seed| match count {
        Some(count) => seed >= first + count,
        None => began.elapsed() > span,
    };
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if is_over(seed) {
                return;
            }
            let wrong = live(seed);
            lived.fetch_add(1, Ordering::Relaxed);
            if !wrong.is_empty() {
                failed.lock().unwrap().insert(seed, wrong);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    Hunt {
        lived: lived.into_inner(),
        took: began.elapsed(),
        failed: failed.into_inner().unwrap(),
    }
}
