//! Runs that are parked before their end, and resumed later.

use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};
use zpa_bulk::clock;
use zpa_bulk::engine::{Bounds, End, Parked};
use zpa_bulk::pacer::Pace;
use zpa_bulk::plan::Share;
use zpa_bulk::sim::Class;

use crate::support::desk::{Applied, Desk, carry_out};
use crate::support::manifests::{expected, manifest};
use crate::support::wire::{Fault, ROOMY, Wire};

/// Carries a run out as far as the bounds let it, then the rest without them. Answers both ends.
async fn parked_and_resumed(
    desk: &Desk,
    wire: &Wire,
    count: usize,
    bounds: Bounds,
) -> [Applied; 2] {
    let mut engine = desk.engine(wire.clone());
    let run = desk.start(&mut engine, &manifest(count)).await;
    let directory = run.directory.clone();
    engine.stop_at(bounds);
    let first = carry_out(&mut engine, run).await;
    drop(engine);
    [first, desk.resume(wire, directory).await]
}

#[tokio::test(start_paused = true)]
async fn a_run_out_of_time_leaves_nothing_unresolved() {
    let (desk, wire) = (Desk::new().batch_size(1), Wire::new(ROOMY));
    let bounds = Bounds {
        deadline: Some(Instant::now().into_std() + Duration::from_secs(30)),
        ..Bounds::default()
    };
    let [first, second] = parked_and_resumed(&desk, &wire, 60, bounds).await;
    assert_eq!(first.end, End::Parked(Parked::TimeIsUp));
    let tally = first.ledger.tally();
    assert_eq!((tally.unknown, tally.created + tally.waiting), (0, 60));
    assert!((25..=32).contains(&tally.created), "{tally:?}");
    let last = wire.log(Class::Write)[usize::try_from(tally.created).unwrap() - 1].at;
    assert!(last <= Duration::from_secs(31), "{last:?}");
    assert_eq!(second.end, End::Finished);
    assert_eq!(wire.links(), expected(60));
}

#[tokio::test(start_paused = true)]
async fn a_change_window_ends_by_the_wall_clock() {
    let (desk, wire) = (Desk::new().batch_size(1), Wire::new(ROOMY));
    let minute = SignedDuration::from_mins(1);
    let bounds = Bounds {
        window_end: Some(clock::wall() + minute * 10),
        ..Bounds::default()
    };
    // As it happens to a machine that sleeps.
    let slept = tokio::spawn(async move {
        sleep(Duration::from_secs(30)).await;
        clock::set_wall(minute * 10);
    });
    let [first, second] = parked_and_resumed(&desk, &wire, 60, bounds).await;
    slept.await.unwrap();
    clock::set_wall(-minute * 10);
    assert_eq!(first.end, End::Parked(Parked::TimeIsUp));
    let created = first.ledger.tally().created;
    assert!((25..=33).contains(&created), "{created}");
    assert_eq!(second.end, End::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_too_long_parks_the_run() {
    let wire = Wire::new(&format!("{ROOMY}\nquota = {{ write = \"5/10s\" }}"));
    let mut desk = Desk::new().batch_size(1);
    desk.settings.write_quota = Pace::Unlimited;
    let bounds = |max_wait| Bounds {
        max_wait: Duration::from_secs(max_wait),
        ..Bounds::default()
    };
    let [first, second] = parked_and_resumed(&desk, &wire, 12, bounds(3)).await;
    assert!(
        matches!(first.end, End::Parked(Parked::Throttled { .. })),
        "{:?}",
        first.end
    );
    assert_eq!(first.ledger.tally().created, 5);
    assert_eq!(first.ledger.tally().unknown, 0);
    assert_eq!(second.end, End::Finished);
    assert_eq!(wire.links(), expected(12));

    let wire = Wire::new(&format!("{ROOMY}\nquota = {{ write = \"5/10s\" }}"));
    let [first, _] = parked_and_resumed(&desk, &wire, 12, bounds(60)).await;
    assert_eq!(
        first.end,
        End::Finished,
        "what is not too long is waited for"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_wrong_is_stopped() {
    for (most, share) in [
        (3, Share::Count(3)),
        (4, Share::Percent(10)),
        (1, Share::Count(0)),
    ] {
        let wire = Wire::with_faults(ROOMY, |_, write| (write < 20).then_some(Fault::Refuse(400)));
        let mut desk = Desk::new().batch_size(1);
        desk.settings.jobs = NonZeroUsize::new(1);
        let bounds = Bounds {
            halt_on_failures: Some(share),
            ..Bounds::default()
        };
        let [first, second] = parked_and_resumed(&desk, &wire, 40, bounds).await;
        assert_eq!(first.end, End::Parked(Parked::Failing(most)), "{share:?}");
        assert_eq!(first.ledger.tally().failed, most);
        assert_eq!(second.ledger.tally().failed, 20, "what failed stays failed");
        assert_eq!(second.ledger.tally().created, 20);
    }
}
