//! Reading what a record says of items, one after the other and without a copy.

use super::cursor::Cursor;
use crate::item::{ItemNumber, Outcome, PRESUMED, Status};
use crate::wire::Id;

/// What a record says of one item: an [`Event`](crate::item::Event), as far as it concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEvent<'l> {
    /// A call that changes it is about to be sent.
    Intent(ItemNumber),
    /// Such a call may have been sent: the record of it may be among those that the journal lost.
    Presumed(ItemNumber),
    /// The last such call was certainly not carried out.
    Void(ItemNumber),
    /// The last such call, which was to create it and others, was refused.
    Refused(ItemNumber),
    /// It has ended.
    Outcome(OutcomeRef<'l>),
    /// What its object was just before it was changed.
    Before(BeforeRef<'l>),
    /// Of no item: the server takes so many objects in one create.
    BatchSize(u32),
}

/// An object that lies in the journal; most readers pass it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeRef<'l> {
    /// The item that changed it.
    pub item: ItemNumber,
    /// The object, as JSON text.
    pub object: &'l [u8],
}

/// An [`Outcome`] that lies in the journal; most readers want no more of it than the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeRef<'l> {
    /// Which item.
    pub item: ItemNumber,
    /// How it ended.
    pub status: Status,
    id: Option<&'l [u8]>,
    /// All of it, if it says more than an id of digits.
    text: Option<&'l [u8]>,
}

impl From<OutcomeRef<'_>> for Outcome {
    fn from(outcome: OutcomeRef<'_>) -> Self {
        let read = outcome.text.map(serde_json::from_slice);
        // What was read once can be read again.
        if let Some(Ok(outcome)) = read {
            return outcome;
        }
        let id = outcome.id.map(String::from_utf8_lossy);
        Self {
            item: outcome.item,
            status: outcome.status,
            id: id.map(Id::new),
            failure: None,
        }
    }
}

/// Hands what an event says to `visit`, item by item. True if it is an intent; nothing if it does not stand as
/// this program writes it, in which case some of its items may have been handed out.
pub(super) fn visit<'l>(
    event: Cursor<'l>,
    usual: &mut Lengths,
    visit: &mut impl FnMut(ItemEvent<'l>),
) -> Option<bool> {
    let mut intent = false;
    let rest = if let Some(rest) = event.after(b"{\"intent\":{\"call\":") {
        intent = true;
        rest.call(usual, |call, item| {
            visit(match call {
                PRESUMED => ItemEvent::Presumed(item),
                _ => ItemEvent::Intent(item),
            });
        })?
    } else if let Some(rest) = event.after(b"{\"outcomes\":[") {
        rest.list(|rest| rest.outcome(usual, |outcome| visit(ItemEvent::Outcome(outcome))))?
    } else if let Some(rest) = event.after(b"{\"before\":{\"item\":") {
        let (before, rest) = rest.before(usual)?;
        visit(ItemEvent::Before(before));
        rest
    } else if let Some(rest) = event.after(b"{\"batch_size\":") {
        let (size, rest) = rest.short_number(&mut usual.item)?;
        visit(ItemEvent::BatchSize(size));
        rest
    } else if let Some(rest) = event.after(b"{\"void\":{\"call\":") {
        rest.call(usual, |_, item| visit(ItemEvent::Void(item)))?
    } else {
        let rest = event.after(b"{\"refused\":{\"call\":")?;
        rest.call(usual, |_, item| visit(ItemEvent::Refused(item)))?
    };
    (rest.0 == b"}").then_some(intent)
}

/// How many digits the last number of each kind had: the next probably has as many.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    pub(super) seq: usize,
    call: usize,
    item: usize,
    id: usize,
}

/// Those that the fast way of reading knows, the most frequent first.
const STATUSES: [Status; 7] = [
    Status::Created,
    Status::Updated,
    Status::Deleted,
    Status::Recovered,
    Status::Unchanged,
    Status::Failed,
    Status::Spared,
];

/// Each hands back what stands behind the thing that it reads.
impl<'l> Cursor<'l> {
    /// The number of a call and the items that it carries.
    #[inline]
    fn call(self, usual: &mut Lengths, mut visit: impl FnMut(u32, ItemNumber)) -> Option<Self> {
        let (call, rest) = self.short_number(&mut usual.call)?;
        let rest = rest.after(b",\"items\":[")?.list(|rest| {
            let (item, rest) = rest.short_number(&mut usual.item)?;
            visit(call, item);
            Some(rest)
        })?;
        rest.after(b"}")
    }

    /// None or more of something, and the bracket behind them.
    #[inline]
    fn list(self, mut one: impl FnMut(Self) -> Option<Self>) -> Option<Self> {
        if let Some(rest) = self.after(b"]") {
            return Some(rest);
        }
        let mut rest = self;
        loop {
            match one(rest)?.take()? {
                (b",", next) => rest = next,
                (b"]", behind) => return Some(behind),
                _ => return None,
            }
        }
    }

    /// An item and the object that stands behind it, all that is left but for the last bracket.
    fn before(self, usual: &mut Lengths) -> Option<(BeforeRef<'l>, Self)> {
        let (item, rest) = self.short_number(&mut usual.item)?;
        let object = rest.after(b",\"object\":")?.0.strip_suffix(b"}}")?;
        Some((BeforeRef { item, object }, Cursor(b"}")))
    }

    #[inline]
    fn outcome(self, usual: &mut Lengths, mut visit: impl FnMut(OutcomeRef<'l>)) -> Option<Self> {
        let Some((item, status, id, rest)) = self.plain_outcome(usual) else {
            let (outcome, rest) = self.any_outcome()?;
            visit(outcome);
            return Some(rest);
        };
        visit(OutcomeRef {
            item,
            status,
            id,
            text: None,
        });
        Some(rest)
    }

    /// What nearly every outcome is: without failure, and with an id of digits or none.
    #[inline]
    fn plain_outcome(
        self,
        usual: &mut Lengths,
    ) -> Option<(ItemNumber, Status, Option<&'l [u8]>, Self)> {
        let rest = self.after(b"{\"item\":")?;
        let (item, rest) = rest.short_number(&mut usual.item)?;
        // What most runs consist of is recognised at once.
        let (status, rest) = match rest.after(b",\"status\":\"created\",\"id\":\"") {
            Some(id) => (Status::Created, Ok(id)),
            None => rest.status()?,
        };
        let (id, rest) = match rest {
            Ok(id) => {
                let (id, rest) = id.digits(&mut usual.id);
                (Some(id), rest)
            }
            Err(rest) => (None, rest),
        };
        Some((item, status, id, rest.after(b"\"}")?))
    }

    #[inline(never)]
    fn any_outcome(self) -> Option<(OutcomeRef<'l>, Self)> {
        let mut outcomes = serde_json::Deserializer::from_slice(self.0).into_iter::<Outcome>();
        let outcome = outcomes.next()?.ok()?;
        let (text, rest) = self.0.split_at_checked(outcomes.byte_offset())?;
        let outcome = OutcomeRef {
            item: outcome.item,
            status: outcome.status,
            id: None,
            text: Some(text),
        };
        Some((outcome, Self(rest)))
    }

    /// Some status, and either the id that stands behind it or what stands there else.
    #[inline(never)]
    fn status(self) -> Option<(Status, Result<Self, Self>)> {
        let text = self.after(b",\"status\":\"")?.0;
        let (status, rest) = STATUSES.into_iter().find_map(|status| {
            let rest = text.strip_prefix(status.name().as_bytes())?;
            Some((status, Self(rest)))
        })?;
        Some((status, rest.after(b"\",\"id\":\"").ok_or(rest)))
    }

    #[inline]
    fn short_number(self, usual: &mut usize) -> Option<(u32, Self)> {
        let (number, rest) = self.number(usual)?;
        Some((number.try_into().ok()?, rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::Event;
    use crate::journal::tests::{Said, said};
    use crate::wire::{Failure, Object};

    fn read(text: &[u8]) -> Option<Vec<Said>> {
        let mut found = Vec::new();
        let mut usual = Lengths::default();
        visit(Cursor(text), &mut usual, &mut |event| {
            found.push(Said::from(event));
        })?;
        // An object is checked by whoever reads it.
        let unreadable = |said: &Said| matches!(said, Said::Before(_, None));
        (!found.iter().any(unreadable)).then_some(found)
    }

    fn status() -> impl Strategy<Value = Status> {
        prop::sample::select(STATUSES.to_vec())
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        let id = prop::option::of("[0-9]{18,19}|[0-9]{0,30}|\\PC{0,9}");
        let failure = prop::option::of("\\PC{0,9}");
        (any::<u32>(), status(), id, failure).prop_map(|(item, status, id, failure)| Outcome {
            item,
            status,
            id: id.map(Id::new),
            failure: failure.map(Failure::new),
        })
    }

    fn event() -> impl Strategy<Value = Event> {
        let call = || prop_oneof![any::<u32>(), Just(PRESUMED)];
        let items = || (call(), prop::collection::vec(any::<u32>(), 0..5));
        prop_oneof![
            items().prop_map(|(call, items)| Event::Intent { call, items }),
            items().prop_map(|(call, items)| Event::Void { call, items }),
            items().prop_map(|(call, items)| Event::Refused { call, items }),
            prop::collection::vec(outcome(), 0..5).prop_map(Event::Outcomes),
            (any::<u32>(), object()).prop_map(|(item, object)| Event::Before { item, object }),
            any::<u32>().prop_map(Event::BatchSize),
        ]
    }

    fn object() -> impl Strategy<Value = Object> {
        prop::collection::vec(("\\PC{0,5}", "\\PC{0,9}|[{}\"]{0,4}"), 0..4).prop_map(|members| {
            let member = |(name, text): (String, String)| (name, serde_json::Value::String(text));
            members.into_iter().map(member).collect()
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(event in event()) {
            let text = serde_json::to_vec(&event).unwrap();
            prop_assert_eq!(read(&text), Some(said(&[event])));
        }

        /// Bytes that a general parser refuses, or reads as something else, are never let through.
        #[test]
        fn what_is_changed_is_refused_or_read_as_a_general_parser_reads_it(
            event in event(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<u8>()), 1..4),
        ) {
            let mut text = serde_json::to_vec(&event).unwrap();
            for (at, how, byte) in changes {
                let at = at.index(text.len());
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, b"0123456789\",]}[{:"[usize::from(byte) % 17]),
                    _ => text.truncate(at.max(1)),
                }
            }
            if let Some(found) = read(&text) {
                let event: Event = serde_json::from_slice(&text).unwrap();
                prop_assert_eq!(found, said(&[event]));
            }
        }
    }

    #[test]
    fn only_an_intent_is_called_one() {
        let is_intent = |text: &[u8]| visit(Cursor(text), &mut Lengths::default(), &mut |_| ());
        assert_eq!(
            is_intent(br#"{"intent":{"call":1,"items":[2]}}"#),
            Some(true)
        );
        assert_eq!(
            is_intent(br#"{"void":{"call":1,"items":[2]}}"#),
            Some(false)
        );
        assert_eq!(is_intent(br#"{"outcomes":[]}"#), Some(false));
    }
}
