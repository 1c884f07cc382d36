//! The world: several processes with several runs on one tenant, kills, a disk that forgets, and an administrator, in
//! histories that a seed generates. Each history has a stopped clock of its own.
//!
//! The trace of the simulator is the proof of what was carried out, and in what order. A model judges the trace and the
//! outcomes in the journals.
//!
//! Histories are lived for some seconds. `ZPA_BULK_WORLDS=2000` lives that many, `ZPA_BULK_SEED=7` begins with another
//! seed. A history that goes wrong is made as small as possible before it is shown.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod administrator;
mod cast;
mod life;
mod model;
mod process;
mod shrink;
#[path = "../support/mod.rs"]
mod support;
mod writes;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zpa_bulk::clock;

use self::cast::Plan;
use self::model::Violation;
use self::support::random::variable;

/// The time for histories, unless their number is given.
const SPAN: Duration = Duration::from_secs(6);

#[test]
fn processes_keep_out_of_each_others_way() {
    let first = variable("ZPA_BULK_SEED").unwrap_or(1);
    let count = variable("ZPA_BULK_WORLDS");
    let next = AtomicU64::new(first);
    let failed = Mutex::new(BTreeMap::new());
    let began = std::time::Instant::now();
    let is_over = |seed| match count {
        Some(count) => seed >= first + count,
        None => began.elapsed() > SPAN,
    };
    let lived = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if is_over(seed) {
                return;
            }
            let wrong = lived_by(seed);
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
    let (lived, took) = (lived.into_inner(), began.elapsed());
    println!("{lived} worlds from seed {first} on in {took:.1?}");
    let failed = failed.into_inner().unwrap();
    if let Some((seed, wrong)) = failed.first_key_value() {
        for (seed, wrong) in &failed {
            println!("seed {seed}: {}", wrong[0].line());
        }
        panic!(
            "{} of {lived} worlds went wrong.\n{}",
            failed.len(),
            shrink::story(*seed, wrong)
        );
    }
}

/// Lives the history of that seed. Returns the violations.
fn lived_by(seed: u64) -> Vec<Violation> {
    on_stopped_clock(|| async move {
        let plan = cast::plan(seed).await;
        life::lived(&plan).await.violations()
    })
}

/// Lives a history. Returns the violations, and what happened.
fn lived(plan: &Plan) -> (Vec<Violation>, Vec<String>) {
    let mut story = Vec::new();
    let wrong = on_stopped_clock(|| async {
        let end = life::lived(plan).await;
        story = end.story();
        end.violations()
    });
    (wrong, story)
}

/// Runs a future on a stopped clock of its own. A panic is a violation too.
fn on_stopped_clock<F: Future<Output = Vec<Violation>>>(
    make: impl FnOnce() -> F,
) -> Vec<Violation> {
    clock::tie();
    clock::seed(0);
    // With one thread for what blocks, histories are lived alike each time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let lived = catch_unwind(AssertUnwindSafe(|| runtime.block_on(make())));
    lived.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        vec![Violation::new("panic", text.unwrap_or_default())]
    })
}

/// The plan of a seed.
fn plan_of(seed: u64) -> Plan {
    let mut plan = None;
    on_stopped_clock(|| async {
        plan = Some(cast::plan(seed).await);
        Vec::new()
    });
    plan.unwrap()
}
