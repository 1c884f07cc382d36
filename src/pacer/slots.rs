//! Slots: the instants at which the processes of a machine have sent calls and are about to send them.
//!
//! Each process takes the next free slot of a class, and sends its call then. A slot is an instant of the system's
//! clock, which all processes share. Slots are taken in order, and kept for as long as they may count. So the calls of
//! processes with different quotas, margins and bursts add up correctly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::quota::Quota;
use crate::wire::QuotaClass;

/// A request for a slot, which a process makes before it sends a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The class of the call.
    pub class: QuotaClass,
    /// The path of the call, if every path has a quota of its own; else empty.
    pub path: Arc<str>,
    /// The terms of its path, or of its class.
    pub own: Terms,
    /// The terms of the gateway over all paths, if paths have quotas of their own.
    pub gateway: Option<Terms>,
    /// The instant before which the call cannot go.
    pub earliest: Instant,
}

/// The quota that calls must keep, and the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most calls in any window.
    pub quota: Quota,
    /// The time between two calls; `None` if they go in bursts.
    pub spacing: Option<Duration>,
}

impl Claim {
    /// Returns the longest time by which the call may go later than its slot: half of the margin, at least 5 ms. The
    /// other half is left to delays on the way.
    #[must_use]
    pub fn tolerance(&self) -> Duration {
        const LEAST: Duration = Duration::from_millis(5);
        let quota = self.own.quota;
        let margin = quota.with_margin().saturating_sub(quota.window);
        (margin / 2).max(LEAST)
    }
}

/// The slots that were taken, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    taken: Vec<Slot>,
    /// The instant before which no slot is free, since the server refused a call.
    paused_until: u64,
}

/// A slot in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// A number for the path; zero if paths share one quota.
    path: u64,
    at: u64,
}

/// The reason not to trust slots that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The bytes are not what a process wrote.
    #[error("damaged")]
    Damaged,
    /// A slot lies further in the future than any process takes one: a clock was wrong.
    #[error("dated in the future")]
    Future,
}

/// The first bytes of the file: its kind and the version of its form.
const MAGIC: [u8; 8] = *b"zpabulk\x01";

/// The least time for which slots are kept: other processes may have a longer window than this one.
const KEPT: Duration = Duration::from_secs(60);

/// The furthest that a slot or the end of a pause may lie in the future: twice the longest window, and twice the longest
/// pause that is waited for by default. A process takes one slot at a time, so this is enough for thousands of processes
/// at the published quotas.
const FURTHEST: Duration = Duration::from_secs(7200);

impl Slots {
    /// Returns an empty list of slots, with none free before `until`.
    #[must_use]
    pub fn paused(until: Timestamp) -> Self {
        Self {
            taken: Vec::new(),
            paused_until: nanos(until),
        }
    }

    /// Takes the next free slot for a call on the path with the number `path`, not before `earliest`.
    pub fn take(
        &mut self,
        claim: &Claim,
        path: u64,
        earliest: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let own = claim.own.quota.with_margin();
        let longest = claim
            .gateway
            .map_or(own, |all| own.max(all.quota.with_margin()));
        let forgotten = nanos(now).saturating_sub(as_nanos((longest * 2).max(KEPT)));
        self.taken.retain(|slot| slot.at >= forgotten);
        let last = self.taken.last().map_or(0, |slot| slot.at);
        let mut at = nanos(earliest.max(now)).max(self.paused_until).max(last);
        at = at.max(self.free(claim.own, |slot| slot.path == path));
        if let Some(gateway) = claim.gateway {
            at = at.max(self.free(gateway, |_| true));
        }
        self.taken.push(Slot { path, at });
        timestamp(at)
    }

    /// Returns the instant at which the slots that count leave room for another.
    fn free(&self, terms: Terms, counts: impl Fn(&Slot) -> bool) -> u64 {
        let counted = || self.taken.iter().rev().filter(|slot| counts(slot));
        let spaced = terms.spacing.and_then(|spacing| {
            let last = counted().next()?;
            Some(last.at.saturating_add(as_nanos(spacing)))
        });
        let before = usize::try_from(terms.quota.calls.get()).unwrap_or(usize::MAX);
        let opens = counted().nth(before.saturating_sub(1));
        let window = as_nanos(terms.quota.with_margin());
        let opens = opens.map(|slot| slot.at.saturating_add(window));
        spaced.max(opens).unwrap_or(0)
    }

    /// Makes no slot free before `until`.
    pub fn pause(&mut self, until: Timestamp) {
        self.paused_until = self.paused_until.max(nanos(until));
    }

    /// Returns the slots that were taken, oldest first.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.taken.iter().map(|slot| timestamp(slot.at))
    }

    /// Returns the bytes that [`Slots::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.paused_until.to_le_bytes().to_vec();
        for slot in &self.taken {
            body.extend(slot.path.to_le_bytes());
            body.extend(slot.at.to_le_bytes());
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(crc32fast::hash(&body).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads the bytes that [`Slots::encode`] returned. No bytes mean no slots.
    ///
    /// # Errors
    /// [`Distrust::Damaged`] if the bytes are no slots; [`Distrust::Future`] if one lies more than two hours after
    /// `now`.
    pub fn decode(bytes: &[u8], now: Timestamp) -> Result<Self, Distrust> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let slots = Self::parse(bytes).ok_or(Distrust::Damaged)?;
        let furthest = nanos(now).saturating_add(as_nanos(FURTHEST));
        let latest = slots.taken.last().map_or(0, |slot| slot.at);
        if latest.max(slots.paused_until) > furthest {
            return Err(Distrust::Future);
        }
        Ok(slots)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(&MAGIC)?;
        let (crc, body) = body.split_first_chunk()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (paused_until, body) = body.split_first_chunk()?;
        let (pairs, rest) = body.as_chunks::<16>();
        let taken: Option<Vec<Slot>> = pairs
            .iter()
            .map(|pair| {
                let (path, at) = pair.split_first_chunk()?;
                Some(Slot {
                    path: u64::from_le_bytes(*path),
                    at: u64::from_le_bytes(at.try_into().ok()?),
                })
            })
            .collect();
        let taken = taken.filter(|slots| slots.is_sorted_by_key(|slot| slot.at))?;
        rest.is_empty().then_some(Self {
            taken,
            paused_until: u64::from_le_bytes(*paused_until),
        })
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

fn timestamp(nanos: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::MAX)
}

fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn after(millis: i64) -> Timestamp {
        NOW + SignedDuration::from_millis(millis)
    }

    fn claim(quota: Quota, spacing: Option<Duration>) -> Claim {
        Claim {
            class: QuotaClass::Write,
            path: Arc::default(),
            own: Terms { quota, spacing },
            gateway: None,
            earliest: Instant::now(),
        }
    }

    fn steady() -> Claim {
        claim(Quota::WRITE, Some(Duration::from_millis(1020)))
    }

    #[test]
    fn processes_that_take_turns_go_one_interval_apart() {
        let mut slots = Slots::default();
        let taken: Vec<Timestamp> = (0..8).map(|_| slots.take(&steady(), 0, NOW, NOW)).collect();
        let expected: Vec<Timestamp> = (0..8).map(|n| after(1020 * n)).collect();
        assert_eq!(taken, expected);
        let later = after(500);
        assert_eq!(slots.take(&steady(), 0, later, later), after(8 * 1020));
    }

    #[test]
    fn a_burst_counts_what_others_have_sent() {
        let mut slots = Slots::default();
        let burst = claim(Quota::WRITE, None);
        for _ in 0..7 {
            slots.take(&burst, 0, NOW, NOW);
        }
        let now = after(2000);
        let taken: Vec<Timestamp> = (0..5).map(|_| slots.take(&burst, 0, now, now)).collect();
        let opens = after(10_200);
        assert_eq!(taken, [now, now, now, opens, opens]);
    }

    #[test]
    fn each_path_has_a_quota_below_that_of_the_gateway() {
        let mut slots = Slots::default();
        let gateway = Terms {
            quota: Quota::GATEWAY,
            spacing: Some(Duration::from_millis(12)),
        };
        let claim = Claim {
            gateway: Some(gateway),
            ..steady()
        };
        assert_eq!(slots.take(&claim, 1, NOW, NOW), NOW);
        assert_eq!(slots.take(&claim, 2, NOW, NOW), after(12));
        assert_eq!(slots.take(&claim, 1, NOW, NOW), after(1020));
    }

    #[test]
    fn a_pause_holds_for_all_and_is_written_down() {
        let mut slots = Slots::default();
        slots.take(&steady(), 0, NOW, NOW);
        slots.pause(after(9000));
        let mut slots = Slots::decode(&slots.encode(), NOW).unwrap();
        assert_eq!(slots.take(&steady(), 0, NOW, NOW), after(9000));
    }

    #[test]
    fn a_long_pause_and_a_long_window_are_remembered() {
        let mut slots = Slots::paused(after(660_000));
        let read = Slots::decode(&slots.encode(), after(0)).unwrap();
        assert_eq!(read, slots);
        let hourly = claim(Quota::new(NonZeroU32::MIN, Duration::from_secs(3600)), None);
        let first = slots.take(&hourly, 0, after(0), after(0));
        let second =
            Slots::decode(&slots.encode(), after(0))
                .unwrap()
                .take(&hourly, 0, after(0), after(0));
        assert!(second >= first + SignedDuration::from_secs(3600));
    }

    #[test]
    fn damaged_or_future_slots_are_not_trusted() {
        let mut slots = Slots::default();
        for _ in 0..3 {
            slots.take(&steady(), 0, NOW, NOW);
        }
        let bytes = slots.encode();
        assert_eq!(Slots::decode(&bytes, NOW), Ok(slots.clone()));
        assert_eq!(Slots::decode(&[], NOW), Ok(Slots::default()));
        for cut in 1..bytes.len() {
            assert_eq!(Slots::decode(&bytes[..cut], NOW), Err(Distrust::Damaged));
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Slots::decode(&flipped, NOW), Err(Distrust::Damaged));
        }
        let earlier = after(-7_201_000);
        assert_eq!(Slots::decode(&bytes, earlier), Err(Distrust::Future));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_calls_than_the_quota(
            calls in 1_u32..12,
            claims in prop::collection::vec((any::<bool>(), 0_i64..4000, 0_i64..3000), 1..80),
        ) {
            let window = Duration::from_secs(10);
            let quota = Quota::new(calls.try_into().unwrap(), window);
            let mut slots = Slots::default();
            let (mut now, mut taken) = (NOW, Vec::new());
            for (at_once, pause, ahead) in claims {
                now += SignedDuration::from_millis(pause);
                let earliest = now + SignedDuration::from_millis(ahead);
                let spacing = (!at_once).then_some(quota.with_margin() / calls);
                let slot = slots.take(&claim(quota, spacing), 0, earliest, now);
                prop_assert!(slot >= earliest);
                taken.push(slot);
            }
            for from in &taken {
                let within = |at: &&Timestamp| from <= *at && **at < *from + window;
                let most = taken.iter().filter(within).count();
                prop_assert!(most <= usize::try_from(calls).unwrap());
            }
        }
    }
}
