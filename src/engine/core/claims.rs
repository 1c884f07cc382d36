//! Claims: the objects that this run has read and is about to change. No other run changes them meanwhile.
//!
//! A claim is taken before the reading, and released once no call of this run depends on the reading and none may still
//! be carried out. A call whose object another run holds waits for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::effect::{Effect, Tell};
use crate::coordination::Holder;
use crate::item::ItemNumber;

/// The time after which a claim is tried again that another run holds.
const PATIENCE: Duration = Duration::from_millis(200);

/// The time for which every claim is refused until the user is told.
const WORTH_SAYING: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Claim {
    /// Asked for. These calls wait for it.
    Asked(Vec<Call>),
    /// Another run holds the object. It is asked for again at that instant.
    Refused(Vec<Call>, Instant),
    /// Held for these items.
    Held(BTreeSet<ItemNumber>),
}

/// The claims of this run.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// True if other runs may change the tenant meanwhile.
    pub(super) shared: bool,
    objects: HashMap<String, Claim>,
    /// The instant from which on every claim was refused.
    refused_since: Option<Instant>,
    /// True once the user was told.
    has_told: bool,
}

impl Claims {
    /// Returns the call if its object is this run's to read. Otherwise keeps it until [`Claims::granted`], and asks for
    /// the object if that was not done.
    pub(super) fn admit(&mut self, call: Call, effects: &mut Vec<Effect>) -> Option<Call> {
        let Some(object) = call.object().filter(|_| self.shared) else {
            return Some(call);
        };
        match self.objects.get_mut(&object) {
            Some(Claim::Held(items)) => {
                items.extend(call.items());
                return Some(call);
            }
            Some(Claim::Asked(waiting) | Claim::Refused(waiting, _)) => waiting.push(call),
            None => {
                effects.push(Effect::Tell(Tell::Claim(object.clone())));
                self.objects.insert(object, Claim::Asked(vec![call]));
            }
        }
        None
    }

    /// Takes in that the object is this run's. Returns the calls that waited for it.
    pub(super) fn granted(&mut self, object: &str) -> Vec<Call> {
        self.refused_since = None;
        let Some(claim) = self.objects.get_mut(object) else {
            return Vec::new();
        };
        match std::mem::replace(claim, Claim::Held(BTreeSet::new())) {
            Claim::Asked(waiting) | Claim::Refused(waiting, _) => {
                let items = waiting.iter().flat_map(Call::items).collect();
                *claim = Claim::Held(items);
                waiting
            }
            held @ Claim::Held(_) => {
                *claim = held;
                Vec::new()
            }
        }
    }

    /// Takes in that another run holds the object.
    pub(super) fn refused(&mut self, object: &str, holder: &Holder, now: Instant) {
        let since = *self.refused_since.get_or_insert(now);
        if !self.has_told && now.duration_since(since) >= WORTH_SAYING {
            self.has_told = true;
            let run = holder.directory.display();
            tracing::warn!(%run, "another run is about to change an object of this run, which waits for it");
        }
        if let Some(Claim::Asked(waiting)) = self.objects.get_mut(object) {
            let waiting = std::mem::take(waiting);
            let refused = Claim::Refused(waiting, now + PATIENCE);
            self.objects.insert(object.to_owned(), refused);
        }
    }

    /// Asks again for the objects that other runs held.
    pub(super) fn ask_again(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (object, claim) in &mut self.objects {
            if let Claim::Refused(waiting, at) = claim
                && *at <= now
            {
                *claim = Claim::Asked(std::mem::take(waiting));
                effects.push(Effect::Tell(Tell::Claim(object.clone())));
            }
        }
        effects
    }

    /// Releases the objects that no call needs any more. `in_use` holds the objects on which calls of this run depend, and
    /// `is_open` tells whether a call for an item may still be carried out.
    pub(super) fn release(
        &mut self,
        in_use: &HashSet<String>,
        is_open: impl Fn(ItemNumber) -> bool,
    ) -> Option<Effect> {
        let is_over = |object: &String, claim: &mut Claim| match claim {
            Claim::Held(items) => {
                !in_use.contains(object) && !items.iter().any(|item| is_open(*item))
            }
            Claim::Asked(_) | Claim::Refused(..) => false,
        };
        let over = self.objects.extract_if(is_over);
        let mut over: Vec<String> = over.map(|(object, _)| object).collect();
        over.sort_unstable();
        (!over.is_empty()).then_some(Effect::Tell(Tell::Release(over)))
    }

    /// Returns true if this run holds no object.
    pub(super) fn holds_none(&self) -> bool {
        !self
            .objects
            .values()
            .any(|claim| matches!(claim, Claim::Held(_)))
    }

    /// Returns the number of calls that wait for their objects.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.objects.values().map(|claim| match claim {
            Claim::Asked(waiting) | Claim::Refused(waiting, _) => waiting.len(),
            Claim::Held(_) => 0,
        });
        waiting.sum()
    }

    /// Returns the instants at which objects are asked for again.
    pub(super) fn retries(&self) -> impl Iterator<Item = Instant> {
        self.objects.values().filter_map(|claim| match claim {
            Claim::Refused(_, at) => Some(*at),
            Claim::Asked(_) | Claim::Held(_) => None,
        })
    }
}
