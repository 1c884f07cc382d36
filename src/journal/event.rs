//! Reading what a record says of items, one after the other and without a copy.

use super::cursor::Cursor;
use crate::model::{Id, ItemNumber, Outcome, Status};

/// What a record says of one item: an [`Event`](crate::model::Event), as far as it concerns it.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemEvent<'l> {
    /// A call that changes it is about to be sent.
    Intent(ItemNumber),
    /// The last such call was certainly not carried out.
    Void(ItemNumber),
    /// It has ended.
    Outcome(OutcomeRef<'l>),
    /// What its object was just before it was changed.
    Before(BeforeRef<'l>),
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
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRef<'l> {
    /// Which item.
    pub item: ItemNumber,
    /// How it ended.
    pub status: Status,
    more: More<'l>,
}

/// What else an outcome says.
#[derive(Clone, Debug, PartialEq)]
enum More<'l> {
    Nothing,
    /// An id of digits alone.
    Id(&'l [u8]),
    Anything(Box<Outcome>),
}

impl From<OutcomeRef<'_>> for Outcome {
    fn from(outcome: OutcomeRef<'_>) -> Self {
        let id = match outcome.more {
            More::Nothing => None,
            More::Id(digits) => Some(digits.iter().copied().map(char::from).collect::<String>()),
            More::Anything(outcome) => return *outcome,
        };
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
    mut event: Cursor<'l>,
    visit: &mut impl FnMut(ItemEvent<'l>),
) -> Option<bool> {
    let mut intent = false;
    if event.skip(b"{\"intent\":{\"call\":") {
        event.call(|item| visit(ItemEvent::Intent(item)))?;
        intent = true;
    } else if event.skip(b"{\"outcomes\":[") {
        event.list(|event| event.outcome().map(|o| visit(ItemEvent::Outcome(o))))?;
    } else if event.skip(b"{\"before\":{\"item\":") {
        visit(ItemEvent::Before(event.before()?));
    } else {
        event.want(b"{\"void\":{\"call\":")?;
        event.call(|item| visit(ItemEvent::Void(item)))?;
    }
    (event.0 == b"}").then_some(intent)
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

impl<'l> Cursor<'l> {
    /// The number of a call and the items that it carries.
    #[inline]
    fn call(&mut self, mut visit: impl FnMut(ItemNumber)) -> Option<()> {
        self.short_number()?;
        self.want(b",\"items\":[")?;
        self.list(|event| event.short_number().map(&mut visit))?;
        self.want(b"}")
    }

    /// None or more of something, and the bracket behind them.
    #[inline]
    fn list(&mut self, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.skip(b"]") {
            return Some(());
        }
        one(self)?;
        while self.skip(b",") {
            one(self)?;
        }
        self.want(b"]")
    }

    /// An item and the object that stands behind it, all that is left but for the last bracket.
    fn before(&mut self) -> Option<BeforeRef<'l>> {
        let item = self.short_number()?;
        self.want(b",\"object\":")?;
        let object = self.0.strip_suffix(b"}}")?;
        self.0 = self.0.get(object.len()..)?;
        self.want(b"}")?;
        Some(BeforeRef { item, object })
    }

    #[inline]
    fn outcome(&mut self) -> Option<OutcomeRef<'l>> {
        let mut plain = *self;
        match plain.plain_outcome() {
            Some(outcome) => {
                *self = plain;
                Some(outcome)
            }
            None => self.any_outcome(),
        }
    }

    /// What nearly every outcome is: without failure, and with an id of digits or none.
    #[inline]
    fn plain_outcome(&mut self) -> Option<OutcomeRef<'l>> {
        self.want(b"{\"item\":")?;
        let item = self.short_number()?;
        self.want(b",\"status\":\"")?;
        let status = self.status()?;
        let more = if self.skip(b"\",\"id\":\"") {
            More::Id(self.digits())
        } else {
            More::Nothing
        };
        self.want(b"\"}")?;
        Some(OutcomeRef { item, status, more })
    }

    #[cold]
    fn any_outcome(&mut self) -> Option<OutcomeRef<'l>> {
        let mut outcomes = serde_json::Deserializer::from_slice(self.0).into_iter::<Outcome>();
        let outcome = outcomes.next()?.ok()?;
        self.0 = self.0.get(outcomes.byte_offset()..)?;
        Some(OutcomeRef {
            item: outcome.item,
            status: outcome.status,
            more: More::Anything(Box::new(outcome)),
        })
    }

    #[inline]
    fn status(&mut self) -> Option<Status> {
        STATUSES.into_iter().find(|status| {
            let rest = self.0.strip_prefix(status.name().as_bytes());
            self.0 = rest.unwrap_or(self.0);
            rest.is_some()
        })
    }

    #[inline]
    fn short_number(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::tests::{Said, said};
    use crate::model::{Event, Failure, Object};

    fn read(text: &[u8]) -> Option<Vec<Said>> {
        let mut found = Vec::new();
        visit(Cursor(text), &mut |event| found.push(Said::from(event)))?;
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
        let items = || (any::<u32>(), prop::collection::vec(any::<u32>(), 0..5));
        prop_oneof![
            items().prop_map(|(call, items)| Event::Intent { call, items }),
            items().prop_map(|(call, items)| Event::Void { call, items }),
            prop::collection::vec(outcome(), 0..5).prop_map(Event::Outcomes),
            (any::<u32>(), object()).prop_map(|(item, object)| Event::Before { item, object }),
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
        let is_intent = |text: &[u8]| visit(Cursor(text), &mut |_| ());
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
