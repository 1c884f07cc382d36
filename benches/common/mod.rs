//! Measurements next to a yardstick: both run alternately in one process, so that whatever else the machine does hits
//! both alike.

use std::time::{Duration, Instant};

/// The least number of pairs that are measured.
const PAIRS: usize = 10;

/// The least time for which pairs are measured.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that is measured next to a yardstick, and its aim.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) yardstick: &'static str,
    /// The least speed that is good enough, as a part of the yardstick's.
    pub(crate) aim: f64,
}

impl Comparison {
    /// Measures `ours` and `yardstick` in pairs, the order of each the reverse of the one before. Both return the
    /// time of the part that counts. Returns a line for the end of the output.
    pub(crate) fn measure(
        &self,
        mut yardstick: impl FnMut() -> Duration,
        mut ours: impl FnMut() -> Duration,
    ) -> String {
        if !is_chosen(self.name) {
            return format!("RATIO {}: not measured", self.name);
        }
        let mut pair = |number: usize| {
            if number.is_multiple_of(2) {
                let theirs = yardstick();
                (theirs, ours())
            } else {
                let own = ours();
                (yardstick(), own)
            }
        };
        let mut pairs = vec![pair(0)];
        if is_bench() {
            // The first pair was to warm up.
            pairs.clear();
            let start = Instant::now();
            while pairs.len() < PAIRS || start.elapsed() < PATIENCE {
                pairs.push(pair(pairs.len()));
            }
        }
        self.describe(&pairs)
    }

    fn describe(&self, pairs: &[(Duration, Duration)]) -> String {
        let theirs = median(pairs.iter().map(|(theirs, _)| theirs.as_secs_f64()));
        let own = median(pairs.iter().map(|(_, own)| own.as_secs_f64()));
        let speed = median(pairs.iter().map(|(t, o)| t.as_secs_f64() / o.as_secs_f64()));
        format!(
            "RATIO {}: {speed:.2} of the speed of {} (aim: at least {:.2}; {}); that is {:.2} times its time; \
             medians of {} pairs: {:.2} ms, yardstick {:.2} ms",
            self.name,
            self.yardstick,
            self.aim,
            if speed >= self.aim { "met" } else { "MISSED" },
            1.0 / speed,
            pairs.len(),
            own * 1e3,
            theirs * 1e3,
        )
    }
}

/// Returns the time that `work` takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = work();
    let taken = start.elapsed();
    drop(std::hint::black_box(result));
    taken
}

/// Returns `full` under `cargo bench`, and a hundredth of it where cargo only tries whether the benches run.
pub(crate) fn sized(full: u32) -> u32 {
    if is_bench() {
        full
    } else {
        (full / 100).max(1)
    }
}

fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Tells whether the command line names a part of `name`, or nothing: `cargo bench --bench planning -- write`.
fn is_chosen(name: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'));
    parts.next().is_none_or(|part| name.contains(&part))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
