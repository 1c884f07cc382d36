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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use zpa_bulk::clock;

use self::cast::Plan;
use self::model::Violation;
use self::support::hunt::{Hunt, hunt};

/// The time for histories, unless their number is given.
const SPAN: Duration = Duration::from_secs(3);

#[test]
fn processes_keep_out_of_each_others_way() {
    let Hunt {
        lived,
        took,
        failed,
    } = hunt("ZPA_BULK_WORLDS", SPAN, lived_by);
    println!("{lived} worlds lived in {took:.1?}");
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
