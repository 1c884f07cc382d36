//! Measuring something next to a yardstick: in one process, turn by turn, so that whatever else the
//! machine does hits both alike.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};

/// What is compared, and how near to the yardstick it should come.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) yardstick: &'static str,
    /// The least speed that is good enough, as a part of the yardstick's.
    pub(crate) aim: f64,
}

impl Comparison {
    /// Has criterion measure `ours`; every time, `yardstick` runs before or after it. Both say how long what
    /// counts of them took. Answers a line for the end of the output.
    pub(crate) fn measure(
        &self,
        criterion: &mut Criterion,
        mut yardstick: impl FnMut() -> Duration,
        mut ours: impl FnMut() -> Duration,
    ) -> String {
        let mut pairs: Vec<(Duration, Duration)> = Vec::new();
        let mut pair = || {
            let (theirs, own) = if pairs.len().is_multiple_of(2) {
                let theirs = yardstick();
                (theirs, ours())
            } else {
                let own = ours();
                (yardstick(), own)
            };
            pairs.push((theirs, own));
            own
        };
        let mut group = criterion.benchmark_group("zpa-bulk");
        group
            .sample_size(10)
            .sampling_mode(SamplingMode::Flat)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        group.bench_function(BenchmarkId::from_parameter(self.name), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| pair()).sum());
        });
        group.finish();
        self.describe(&pairs)
    }

    fn describe(&self, pairs: &[(Duration, Duration)]) -> String {
        if pairs.is_empty() {
            return format!("RATIO {}: not measured", self.name);
        }
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

/// How long `work` takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = work();
    let taken = start.elapsed();
    drop(std::hint::black_box(result));
    taken
}

/// `full` under `cargo bench`; a hundredth of it where cargo only tries whether the benches run.
pub(crate) fn sized(full: u32) -> u32 {
    let benching = std::env::args().any(|argument| argument == "--bench");
    if benching { full } else { (full / 100).max(1) }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
