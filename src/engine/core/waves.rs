//! Waves: updates that go together, and whose objects are read from one listing.
//!
//! A listing may show the state of some seconds ago, and a write on that would take back what others have changed since. So the
//! first update of a wave is its witness. Its object is read by its id and written. A listing that begins after the answer and
//! shows this write is no older than the write, and neither are its other rows. If it does not show the write, each object is
//! read by its id, and no more waves are made.
//!
//! Pure: time comes in.

use std::time::{Duration, Instant};

use super::super::call::{Batch, Call, object_of};
use super::super::unresolved::Reason;
use super::super::witness::Witness;
use super::attempts::Attempts;
use super::step::{Step, Steps};
use crate::item::{Item, ItemNumber};
use crate::resource::{Scope, Shape};
use crate::wire::Object;

/// The fewest updates besides the witness for which a listing is one call less than reading each.
const FEWEST: usize = 2;

/// The time in which updates that come last are claimed.
const GRACE: Duration = Duration::from_millis(50);

/// One wave.
#[derive(Debug)]
struct Wave {
    scope: Scope,
    witness: Item<'static>,
    stage: Stage,
    others: Batch,
}

#[derive(Debug)]
enum Stage {
    /// Until that instant more updates may come.
    Gathering(Instant),
    /// The witness is read or written. Until that instant the others wait for it. Updates that come now may be of objects that
    /// other runs have changed after the write.
    Begun(Instant, Option<Object>),
}

/// The waves of a run, at most one a scope at a time.
#[derive(Debug)]
pub(super) struct Waves {
    freshness: Duration,
    open: Vec<Wave>,
}

impl Waves {
    pub(super) fn new(freshness: Duration) -> Self {
        Self {
            freshness,
            open: Vec::new(),
        }
    }

    /// Keeps an update that was never sent, for a wave. Hands back a call whose object is to be read by its id. Updates come
    /// that much before the slots of their writes, beyond the time that a reading lasts; without `lead`, no wave is begun.
    pub(super) fn admit(
        &mut self,
        call: Call,
        lead: Option<Duration>,
        attempts: &Attempts,
        now: Instant,
    ) -> Option<Call> {
        let (item, lead) = match (call, lead) {
            (Call::Put(item, None), Some(lead)) if attempts.of(&item) == 0 => (item, lead),
            (call, _) => return Some(call),
        };
        let scope = item.scope();
        let mut open = self.open.iter_mut();
        match open.find(|wave| wave.scope == scope) {
            Some(wave) if matches!(wave.stage, Stage::Gathering(_)) => wave.others.push(item),
            None if scope.kind.shape() == Shape::Collection => self.open.push(Wave {
                scope,
                witness: item,
                stage: Stage::Gathering(now + lead),
                others: Vec::new(),
            }),
            _ => return Some(Call::Put(item, None)),
        }
        None
    }

    /// Notes the object of an item, as it was read before it is changed.
    pub(super) fn read(&mut self, item: ItemNumber, object: &Object) {
        let mut open = self.open.iter_mut();
        if let Some(wave) = open.find(|wave| wave.witness.item == item)
            && let Stage::Begun(_, before) = &mut wave.stage
        {
            *before = Some(object.clone());
        }
    }

    /// Takes in that an item was updated by a call whose age counts from `written_at`. If it is a witness, its wave is listed.
    pub(super) fn written(&mut self, item: ItemNumber, written_at: Instant, now: Instant) -> Steps {
        let place = self.open.iter().position(|it| it.witness.item == item);
        let Some(wave) = place.map(|place| self.open.swap_remove(place)) else {
            return Vec::new();
        };
        match wave.stage {
            Stage::Begun(_, Some(before)) if wave.others.len() >= FEWEST => {
                let witness = Witness {
                    item: wave.witness,
                    before,
                    written_at,
                };
                let reason = Reason::Read(Box::new(witness));
                vec![Step::look_up(0, wave.others, reason, now)]
            }
            _ => read_each(wave.others),
        }
    }

    /// Begins the waves that have gathered, and reads by their ids the objects that have waited too long for a witness.
    pub(super) fn go_on(&mut self, now: Instant) -> Steps {
        let mut steps = Vec::new();
        for wave in &mut self.open {
            if matches!(wave.stage, Stage::Gathering(until) if until <= now) {
                wave.stage = Stage::Begun(now + self.freshness / 2, None);
                steps.push(Step::retry(Call::Read(wave.witness.clone())));
            }
        }
        let is_over =
            |wave: &mut Wave| matches!(wave.stage, Stage::Begun(until, _) if until <= now);
        let over = self.open.extract_if(.., is_over);
        steps.extend(over.flat_map(|wave| read_each(wave.others)));
        steps
    }

    /// The updates that wait.
    fn held(&self) -> impl Iterator<Item = &Item<'static>> {
        self.open.iter().flat_map(|wave| {
            let witness = matches!(wave.stage, Stage::Gathering(_)).then_some(&wave.witness);
            wave.others.iter().chain(witness)
        })
    }

    /// Returns the number of updates that wait.
    pub(super) fn waiting(&self) -> usize {
        self.held().count()
    }

    /// The objects of the updates that wait.
    pub(super) fn objects(&self) -> impl Iterator<Item = String> {
        self.held().filter_map(object_of)
    }

    /// The instants at which waves go on, and those at which the last updates may come that other runs must let go first.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> {
        self.open
            .iter()
            .flat_map(|wave| match wave.stage {
                Stage::Gathering(until) => [until.checked_sub(GRACE), Some(until)],
                Stage::Begun(until, _) => [None, Some(until)],
            })
            .flatten()
    }
}

/// Reads each object by its id.
pub(super) fn read_each(items: Batch) -> Steps {
    let read = |item| Step::retry(Call::Read(item));
    items.into_iter().map(read).collect()
}
