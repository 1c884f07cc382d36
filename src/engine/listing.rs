//! Reading all objects of a scope: a collection page by page, a list or a single object at once; or one object by
//! its id.
//!
//! The API's listings are not snapshots: objects that come or go while the pages are read shift the
//! rows of later pages, and a row may be skipped. So a listing whose total changes on the way begins again.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::Value;

use crate::item::index;
use crate::resource::{PAGE_SIZE, Scope, Shape};
use crate::wire::{Answer, Id, Object, Request};

/// How often one listing begins again before it is given up.
const RESTARTS: u32 = 5;

/// What a page led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageRead {
    /// The page of that number is to be read next.
    More(u32),
    /// All pages are read.
    Complete,
    /// The answer is not a listing, or it never held still.
    Unusable(&'static str),
}

/// A listing under way.
#[derive(Debug)]
pub(super) struct ListingReader {
    pub(super) scope: Scope,
    /// The only object that is asked for.
    only: Option<Id>,
    /// When it began: it shows at least what was there then.
    pub(super) begun: Instant,
    pub(super) objects: Vec<Object>,
    seen: HashSet<Id>,
    page: u32,
    total: Option<Value>,
    restarts: u32,
}

impl ListingReader {
    pub(super) fn new(scope: Scope, now: Instant) -> Self {
        Self {
            scope,
            only: None,
            begun: now,
            objects: Vec::new(),
            seen: HashSet::new(),
            page: 1,
            total: None,
            restarts: 0,
        }
    }

    /// The object with that id alone.
    pub(super) fn of_one(scope: Scope, id: Id, now: Instant) -> Self {
        Self {
            only: Some(id),
            ..Self::new(scope, now)
        }
    }

    /// The request for what is to be read next.
    pub(super) fn request(&self) -> Request {
        match &self.only {
            Some(id) => self.scope.kind.read(id, self.scope.microtenant.clone()),
            None => self.scope.list_page(self.page),
        }
    }

    /// Whether the answer "there is none" means that nothing is there, not that the listing failed.
    pub(super) fn may_be_absent(&self) -> bool {
        self.is_single()
    }

    fn is_single(&self) -> bool {
        self.only.is_some() || self.scope.kind.shape() == Shape::Single
    }

    /// Takes the answer in. A body that is not JSON is not the API's, but that of something on the way to it.
    pub(super) fn take_answer(&mut self, answer: &Answer, now: Instant) -> PageRead {
        let body = answer.json();
        if body.is_none() && !answer.body.trim_ascii().is_empty() {
            return PageRead::Unusable("the answer is not JSON");
        }
        self.take(body, now)
    }

    /// Takes the answer's body in.
    pub(super) fn take(&mut self, body: Option<Value>, now: Instant) -> PageRead {
        if self.is_single() {
            return self.take_single(body);
        }
        match self.scope.kind.shape() {
            Shape::List => self.take_list(body),
            Shape::Collection | Shape::Single => self.take_page(body, now),
        }
    }

    /// One object, or an answer without one.
    fn take_single(&mut self, body: Option<Value>) -> PageRead {
        match body {
            Some(Value::Object(object)) if object.is_empty() => PageRead::Complete,
            None | Some(Value::Null) => PageRead::Complete,
            Some(Value::Array(rows)) if rows.is_empty() => PageRead::Complete,
            Some(object @ Value::Object(_)) if self.add(object.clone()) => PageRead::Complete,
            Some(_) => PageRead::Unusable("the answer is not an object with an id"),
        }
    }

    fn take_list(&mut self, body: Option<Value>) -> PageRead {
        match elements(body) {
            Some(objects) => {
                self.objects = objects;
                PageRead::Complete
            }
            None => PageRead::Unusable("the answer is not a list"),
        }
    }

    fn take_page(&mut self, body: Option<Value>, now: Instant) -> PageRead {
        let Some(Value::Object(mut envelope)) = body else {
            return PageRead::Unusable("the answer is not a listing");
        };
        let known = ["list", "totalCount", "totalPages"];
        if !known.iter().any(|member| envelope.contains_key(*member)) {
            return PageRead::Unusable("the answer is not a listing");
        }
        let total = envelope.get("totalCount").cloned();
        if self.page > 1 && total != self.total {
            return self.restart(now);
        }
        self.total = total;
        let pages = envelope.get("totalPages").and_then(number);
        let rows = match envelope.remove("list") {
            Some(Value::Array(rows)) => rows,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return PageRead::Unusable("the answer's list is not one"),
        };
        let full = rows.len() >= index(PAGE_SIZE);
        let before = self.objects.len();
        if !rows.into_iter().all(|row| self.add(row)) {
            return PageRead::Unusable("an object in the listing has no id");
        }
        // Without a number of pages, a full one may have another behind it.
        if pages.map_or(!full, |pages| u64::from(self.page) >= pages) {
            return self.complete(now);
        }
        if self.objects.len() == before {
            // A page with nothing new on it that is not the last: going on could take for ever.
            return self.restart(now);
        }
        self.page += 1;
        PageRead::More(self.page)
    }

    /// All pages are read. The total may be less than what is there (`zpa-api.md`, section 2), but where it is more,
    /// something is missing.
    fn complete(&mut self, now: Instant) -> PageRead {
        let told = self.total.as_ref().and_then(number).unwrap_or(0);
        if told > u64::try_from(self.objects.len()).unwrap_or(u64::MAX) {
            return self.restart(now);
        }
        PageRead::Complete
    }

    /// Whether rows may move from one page to another while it is read.
    pub(super) fn spans_pages(&self) -> bool {
        self.page > 1 || self.restarts > 0
    }

    /// Keeps a row, once. False when it cannot be told from others: it would look absent.
    fn add(&mut self, row: Value) -> bool {
        let Value::Object(mut object) = row else {
            return false;
        };
        ids_as_text(&mut object);
        let Some(id) = Id::of(&object) else {
            return false;
        };
        if self.seen.insert(id) {
            self.objects.push(object);
        }
        true
    }

    fn restart(&mut self, now: Instant) -> PageRead {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return PageRead::Unusable(
                "the listing was different or incomplete each time that it was read",
            );
        }
        self.begun = now;
        self.objects.clear();
        self.seen.clear();
        self.total = None;
        self.page = 1;
        PageRead::More(1)
    }
}

/// Checks that an answer is a listing of that scope, or one page of it.
///
/// # Errors
/// Why the answer is not the scope's listing.
pub fn check_listing(scope: Scope, answer: &Answer, now: Instant) -> Result<(), &'static str> {
    match ListingReader::new(scope, now).take_answer(answer, now) {
        PageRead::Unusable(why) => Err(why),
        PageRead::More(_) | PageRead::Complete => Ok(()),
    }
}

/// The elements of a list that is answered as a bare array. They need no ids.
pub(super) fn elements(body: Option<Value>) -> Option<Vec<Object>> {
    let Some(Value::Array(rows)) = body else {
        return None;
    };
    let element = |row| match row {
        Value::Object(mut object) => {
            ids_as_text(&mut object);
            Some(object)
        }
        _ => None,
    };
    rows.into_iter().map(element).collect()
}

/// Ids come as strings, and in some documents as numbers: of the object and of those that it refers to.
fn ids_as_text(object: &mut Object) {
    for (name, value) in object.iter_mut() {
        match value {
            Value::Number(number) if name == "id" => *value = Value::String(number.to_string()),
            Value::Array(values) => {
                values
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(ids_as_text);
            }
            _ => {}
        }
    }
}

/// Counts come as strings, and in some documents as numbers.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Kind;

    fn listing() -> ListingReader {
        ListingReader::new(Scope::of(Kind::portal_link(), None), Instant::now())
    }

    fn page(total: &str, pages: &str, ids: &[&str]) -> Value {
        let list: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"totalCount": total, "totalPages": pages, "list": list})
    }

    #[test]
    fn pages_are_read_until_the_last_and_rows_kept_once() {
        let (mut listing, now) = (listing(), Instant::now());
        assert_eq!(
            listing.take(Some(page("3", "2", &["1", "2"])), now),
            PageRead::More(2)
        );
        assert_eq!(
            listing.take(Some(page("3", "2", &["2", "3"])), now),
            PageRead::Complete
        );
        assert_eq!(listing.objects.len(), 3);
    }

    #[test]
    fn a_total_of_zero_does_not_hide_rows_and_a_missing_list_is_an_empty_one() {
        let (mut one, now) = (listing(), Instant::now());
        assert_eq!(
            one.take(Some(page("0", "1", &["1"])), now),
            PageRead::Complete
        );
        assert_eq!(one.objects.len(), 1);
        let none = json!({"totalCount": "0", "totalPages": "0"});
        assert_eq!(listing().take(Some(none), now), PageRead::Complete);
    }

    #[test]
    fn a_listing_that_changes_on_the_way_begins_again_and_is_given_up_in_the_end() {
        let (mut listing, now) = (listing(), Instant::now());
        for round in 0..RESTARTS {
            let total = round.to_string();
            assert_eq!(
                listing.take(Some(page(&total, "2", &["1"])), now),
                PageRead::More(2)
            );
            assert_eq!(
                listing.take(Some(page("99", "2", &["2"])), now),
                PageRead::More(1)
            );
            assert!(listing.objects.is_empty());
        }
        listing.take(Some(page("5", "2", &["1"])), now);
        assert!(matches!(
            listing.take(Some(page("99", "2", &[])), now),
            PageRead::Unusable(_)
        ));
    }

    #[test]
    fn a_listing_that_lacks_what_it_counts_or_never_ends_is_given_up() {
        let now = Instant::now();
        let counted = json!({"totalCount": "4", "totalPages": "1"});
        let endless = json!({"totalCount": "0", "totalPages": "1000000", "list": []});
        let twice = page("3", "1", &["1", "2", "2"]);
        for body in [counted, endless, twice] {
            let mut listing = listing();
            for _ in 0..RESTARTS {
                assert_eq!(
                    listing.take(Some(body.clone()), now),
                    PageRead::More(1),
                    "{body}"
                );
            }
            let read = listing.take(Some(body.clone()), now);
            assert!(matches!(read, PageRead::Unusable(_)), "{body}");
        }
    }

    #[test]
    fn ids_that_come_as_numbers_are_kept_as_text_and_rows_without_one_are_refused() {
        let (mut listing, now) = (listing(), Instant::now());
        let list =
            json!({"list": [{"id": 145_283_994_705_985_536_u64, "userPortals": [{"id": 7}]}]});
        assert_eq!(listing.take(Some(list), now), PageRead::Complete);
        let kept = Value::Object(listing.objects.remove(0));
        assert_eq!(
            kept,
            json!({"id": "145283994705985536", "userPortals": [{"id": "7"}]})
        );
        let nameless = json!({"list": [{"name": "a"}]});
        assert!(matches!(
            listing.take(Some(nameless), now),
            PageRead::Unusable(_)
        ));
    }

    #[test]
    fn without_a_number_of_pages_a_full_page_is_followed_by_another() {
        let (mut listing, now) = (listing(), Instant::now());
        let page = |from: u32, rows: u32| {
            let rows: Vec<Value> = (from..from + rows).map(|id| json!({"id": id})).collect();
            Some(json!({ "list": rows }))
        };
        assert_eq!(listing.take(page(0, PAGE_SIZE), now), PageRead::More(2));
        assert_eq!(listing.take(page(PAGE_SIZE, 3), now), PageRead::Complete);
    }

    #[test]
    fn an_answer_that_is_no_listing_is_not_taken_for_an_empty_one() {
        for body in [
            None,
            Some(json!([])),
            Some(json!({"list": "x"})),
            Some(json!({"error": "x"})),
        ] {
            assert!(matches!(
                listing().take(body, Instant::now()),
                PageRead::Unusable(_)
            ));
        }
    }
}
