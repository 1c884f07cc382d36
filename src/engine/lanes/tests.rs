use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn path(text: &str) -> Arc<str> {
    text.into()
}

fn by_endpoint(now: Instant) -> Lanes {
    let settings = EngineSettings {
        quota_scope: QuotaScope::Endpoint,
        write_quota: "1/10s".parse().unwrap(),
        ..EngineSettings::default()
    };
    Lanes::new(&settings, now)
}

#[test]
fn idle_paths_are_dropped() {
    let start = Instant::now();
    let (mut lanes, mut most) = (by_endpoint(start), 0);
    for number in 0..10_000 {
        let now = start + SECOND * number / 50;
        lanes.push(
            QuotaClass::Write,
            &path(&format!("link/{number}")),
            (2, number),
        );
        let key = lanes.waiting(QuotaClass::Write).remove(0);
        assert_eq!(lanes.admit(&key, now), Some(number));
        lanes.answered(number, QuotaClass::Write, true);
        lanes.sweep(now);
        most = most.max(lanes.each.len());
    }
    assert!(most <= 50 * 21, "{most} paths kept");
}

#[test]
fn a_used_up_path_does_not_hold_up_others() {
    let start = Instant::now();
    let mut lanes = by_endpoint(start);
    lanes.push(QuotaClass::Write, &path("bulk"), (2, 0));
    lanes.push(QuotaClass::Write, &path("bulk"), (2, 1));
    lanes.push(QuotaClass::Write, &path("link/7"), (2, 2));
    let keys = lanes.waiting(QuotaClass::Write);
    assert_eq!(lanes.admit(&keys[0], start), Some(0));
    let later = start + SECOND / 10;
    assert_eq!(lanes.admit(&keys[0], later), None);
    assert_eq!(lanes.admit(&keys[1], later), Some(2));
}

#[test]
fn the_time_left_counts_other_processes_slots() {
    let start = Instant::now();
    let mut lanes = Lanes::new(&EngineSettings::default(), start);
    lanes.share(true);
    for id in 0..20 {
        lanes.push(QuotaClass::Write, &path(""), (2, id));
    }
    let key = lanes.waiting(QuotaClass::Write).remove(0);
    let mut slot = start;
    for call in 0..15 {
        let wants = slot + SECOND * 2;
        let claim = lanes.request_slot(&key, &path(""), slot, wants);
        assert!(claim.is_some_and(|claim| claim.earliest <= wants));
        assert_eq!(
            lanes.request_slot(&key, &path(""), slot, wants),
            None,
            "one at a time"
        );
        slot += SECOND * 4;
        assert_eq!(lanes.admit(&key, slot), None, "not without a slot");
        lanes.take_slot(&key, numbered(call.into()), slot, slot + SECOND);
        assert_eq!(lanes.admit(&key, slot), Some(call));
    }
    let now = slot + SECOND;
    let left = lanes.time_for(QuotaClass::Write, CallCounts::default(), now);
    assert!((SECOND * 18..=SECOND * 20).contains(&left), "{left:?}");
}

#[test]
fn calls_of_others_count_on_their_paths() {
    let start = Instant::now();
    let mut lanes = by_endpoint(start);
    let sent = ["link/1", ""].map(|on| (start, path(on)));
    let later = start + SECOND;
    let goes = |lanes: &mut Lanes, on: &str, id| {
        lanes.push(QuotaClass::Write, &path(on), (2, id));
        let key = lanes.key(QuotaClass::Write, &path(on));
        lanes.admit(&key, later).is_some()
    };
    lanes.prime(QuotaClass::Write, sent[..1].to_vec());
    assert!(!goes(&mut lanes, "link/1", 1));
    assert!(goes(&mut lanes, "link/2", 2));
    // It may have gone to any path.
    lanes.prime(QuotaClass::Write, sent.to_vec());
    assert!(!goes(&mut lanes, "link/3", 3));
}

fn numbered(number: i64) -> Slot {
    Slot { number, at: 0 }
}

#[test]
fn slots_in_which_nothing_goes_are_given_back() {
    let start = Instant::now();
    let mut lanes = Lanes::new(&EngineSettings::default(), start);
    lanes.share(true);
    lanes.push(QuotaClass::Write, &path(""), (2, 0));
    let key = lanes.waiting(QuotaClass::Write).remove(0);
    let request = |lanes: &mut Lanes, now| lanes.request_slot(&key, &path(""), now, now);
    assert_eq!(request(&mut lanes, start).unwrap().unused, []);
    lanes.take_slot(&key, numbered(1), start, start + SECOND);
    let later = start + SECOND;
    assert_eq!(request(&mut lanes, later), None, "it can still be used");
    let missed = later + SECOND;
    let next = request(&mut lanes, missed).unwrap();
    assert_eq!(next.unused, [numbered(1)]);
    lanes.take_slot(&key, numbered(2), missed, missed + SECOND);
    assert_eq!(lanes.admit(&key, missed), Some(0));
    // Of a lane that is gone by now.
    let gone = LaneKey {
        class: QuotaClass::Write,
        path: path("link/7"),
    };
    lanes.take_slot(&gone, numbered(3), missed, missed);
    lanes.push(QuotaClass::Write, &path(""), (2, 1));
    let last = request(&mut lanes, missed).unwrap();
    assert_eq!(last.unused, [numbered(3)]);
}
