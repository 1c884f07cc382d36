//! Reading the two records that nearly every line holds, faster than a general parser does. Whatever does not
//! stand exactly as this program writes it is left to that parser.

use crate::model::{Event, Id, ItemNumber, Outcome, Status};

/// The event in `content`, if it is an intent, or outcomes that have an id or nothing more.
pub(super) fn read(content: &[u8]) -> Option<Event> {
    let mut cursor = Cursor(content);
    let event = if cursor.skip(b"{\"intent\":{\"call\":") {
        cursor.intent()?
    } else if cursor.skip(b"{\"outcomes\":[") {
        Event::Outcomes(cursor.list(OUTCOME, Cursor::outcome)?)
    } else {
        return None;
    };
    (cursor.0 == b"}").then_some(event)
}

/// The usual lengths of an outcome and of an item's number, for room that needs no second allocation.
const OUTCOME: usize = 56;
const NUMBER: usize = 5;

/// What is left to read.
struct Cursor<'c>(&'c [u8]);

impl<'c> Cursor<'c> {
    fn intent(&mut self) -> Option<Event> {
        let call = self.number()?;
        self.want(b",\"items\":[")?;
        let items = self.list(NUMBER, Self::number)?;
        self.want(b"}")?;
        Some(Event::Intent { call, items })
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.want(b"{\"item\":")?;
        let item: ItemNumber = self.number()?;
        self.want(b",\"status\":\"")?;
        let status = status(self.until_quote()?)?;
        let id = if self.skip(b",\"id\":\"") {
            Some(self.id()?)
        } else {
            None
        };
        self.want(b"}")?;
        Some(Outcome {
            item,
            status,
            id,
            failure: None,
        })
    }

    /// Digits alone: anything else might be escaped.
    fn id(&mut self) -> Option<Id> {
        let end = self.0.iter().position(|b| !b.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        self.want(b"\"")?;
        Some(Id::new(str::from_utf8(digits).ok()?))
    }

    /// One or more of something that takes about `size` bytes, and the bracket behind them.
    fn list<T>(
        &mut self,
        size: usize,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut read = Vec::with_capacity(self.0.len() / size + 1);
        read.push(one(self)?);
        while self.skip(b",") {
            read.push(one(self)?);
        }
        self.want(b"]")?;
        Some(read)
    }

    fn number(&mut self) -> Option<u32> {
        let mut value: Option<u32> = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            let digit = u32::from(digit - b'0');
            value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            self.0 = rest;
        }
        value
    }

    fn until_quote(&mut self) -> Option<&'c [u8]> {
        let end = self.0.iter().position(|b| *b == b'"')?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.get(1..)?;
        Some(text)
    }

    fn want(&mut self, text: &[u8]) -> Option<()> {
        self.skip(text).then_some(())
    }

    fn skip(&mut self, text: &[u8]) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

fn status(name: &[u8]) -> Option<Status> {
    const ALL: [Status; 6] = [
        Status::Created,
        Status::Updated,
        Status::Deleted,
        Status::Recovered,
        Status::Unchanged,
        Status::Failed,
    ];
    ALL.into_iter()
        .find(|status| status.name().as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;

    fn outcome(item: ItemNumber, status: Status, id: Option<Id>) -> Outcome {
        Outcome {
            item,
            status,
            id,
            failure: None,
        }
    }

    fn intent(items: &[ItemNumber]) -> Event {
        Event::Intent {
            call: 7,
            items: items.to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read_like_the_general_parser_does_or_left_to_it() {
        let id = |text: &str| Some(Id::new(text));
        let statuses = [Status::Created, Status::Recovered, Status::Unchanged];
        let mut failed = outcome(9, Status::Failed, None);
        failed.failure = Some(Failure::new("no"));
        for (event, known) in [
            (intent(&[0]), true),
            (intent(&[1, 20, u32::MAX]), true),
            (intent(&[]), false),
            (
                Event::Outcomes(statuses.map(|s| outcome(3, s, id("12"))).to_vec()),
                true,
            ),
            (
                Event::Outcomes(vec![outcome(0, Status::Deleted, None)]),
                true,
            ),
            (
                Event::Outcomes(vec![outcome(0, Status::Updated, id("a\"b"))]),
                false,
            ),
            (Event::Outcomes(vec![failed]), false),
        ] {
            let text = serde_json::to_vec(&event).unwrap();
            assert_eq!(read(&text), known.then_some(event));
        }
    }

    #[test]
    fn what_is_cut_off_or_out_of_range_is_not_read() {
        let whole = br#"{"outcomes":[{"item":1,"status":"created","id":"2"}]}"#;
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None);
        }
        assert_eq!(read(br#"{"intent":{"call":4294967296,"items":[1]}}"#), None);
    }
}
