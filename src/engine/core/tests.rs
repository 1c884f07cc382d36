use super::*;
use crate::pacer::Slot;
use crate::resource::{Kind, Scope};
use crate::wire::Failure;

#[test]
fn a_past_instant_still_wakes_the_core() {
    // All of this lies back, as if the machine had been busy with something else since.
    let start = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
    let mut core = Core::new(EngineSettings::default(), start);
    let scope = Scope::of(Kind::portal_link(), None);
    core.list(ListingReader::new(scope, start), start);
    assert_eq!(core.pump(start), [Effect::SignIn]);
    let unavailable = SignInError::Unavailable(Failure::new("busy"));
    core.signed_in(Err(unavailable), start, Timestamp::UNIX_EPOCH, 0.5);
    assert_eq!(core.pump(start), []);
    let due = core.wake_at().unwrap();
    assert!(due > start && due < Instant::now());
    assert_eq!(core.pump(due), [Effect::SignIn]);
    assert_eq!(core.wake_at(), None);
}

#[test]
fn a_token_is_renewed_before_a_distant_slot() {
    let start = Instant::now();
    let mut core = Core::new(EngineSettings::default(), start);
    core.share();
    let scope = Scope::of(Kind::portal_link(), None);
    core.list(ListingReader::new(scope, start), start);
    assert_eq!(core.pump(start), [Effect::SignIn]);
    let lifetime = Duration::from_secs(7);
    core.signed_in(Ok(lifetime), start, Timestamp::UNIX_EPOCH, 0.5);
    let asked = core.pump(start);
    let [Effect::TakeSlot(lane, _)] = &asked[..] else {
        panic!("{asked:?}");
    };
    let slot = start + 3 * lifetime;
    let number = Slot { number: 1, at: 0 };
    core.lanes().take_slot(lane, number, slot, slot);
    assert_eq!(core.pump(start), []);
    let renewed = core.wake_at().unwrap();
    assert!(renewed < start + lifetime);
    assert_eq!(core.pump(renewed), [Effect::SignIn]);
}
