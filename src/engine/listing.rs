//! Listings: reading all objects of a scope, or one object by its id.
//!
//! A collection is read page by page, a list or a single object at once. The API's listings are not snapshots:
//! objects that come or go meanwhile shift the rows of later pages, and a row may be skipped. So a listing whose
//! total changes on the way begins again. One object may go while another comes, and then the totals agree. So all pages
//! before the last are read once more in the end. If their rows are the same, none has moved.
//!
//! A listing may be as long as its own first page promises, and what it promises is bounded too. So no listing goes on
//! for ever.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use crate::item::index;
use crate::resource::{PAGE_SIZE, Scope, Shape};
use crate::wire::{Answer, Id, Object, Request};

/// The number of times that a listing begins again before it is given up.
const RESTARTS: u32 = 5;

/// The most pages and objects that a listing may promise. An organization has 500 links by default (`zpa-api.md`,
/// section 3).
const MOST: Size = Size {
    pages: 10_000,
    objects: 1_000_000,
};

/// The most pages and objects that a listing may have whatever it promises. A total of 0 may be said of a listing that
/// has objects (`zpa-api.md`, section 2).
const ALWAYS: Size = Size {
    pages: 100,
    objects: 50_000,
};

/// The most bytes that one listing may take, as [`weight`] estimates them: those of some 11,000 connectors.
const MOST_BYTES: usize = 48 << 20;

/// Estimates the memory that the values of a body take: their text, and 64 bytes for each of them.
fn weight(body: &[u8]) -> usize {
    let values = body.split(|byte| *byte == b',').count();
    body.len() + 64 * values
}

const NO_LISTING: &str = "the answer is not a listing";

#[derive(Clone, Copy)]
struct Size {
    pages: u64,
    objects: u64,
}

/// The consequence of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageRead {
    /// The page of that number is to be read next.
    More(u32),
    Complete,
}

/// The consequence of a page, or the reason why the answer is no listing or the listing never held still.
type PageResult = Result<PageRead, &'static str>;

/// A listing under way.
#[derive(Debug)]
pub(super) struct ListingReader {
    pub(super) scope: Scope,
    /// The only object that is asked for.
    only: Option<Id>,
    /// The instant at which it began. It shows at least the objects that were there then.
    pub(super) begun: Instant,
    pub(super) objects: Vec<Object>,
    seen: HashSet<Id>,
    page: u32,
    total: Option<Value>,
    pages: Option<u64>,
    /// A mark of the rows of every page that was read, in their order.
    marks: Vec<u64>,
    /// True while the pages before the last are read once more.
    is_check: bool,
    /// The number of bytes of the pages.
    bytes: usize,
    restarts: u32,
    /// The server's time at its last page.
    pub(super) server_time: Option<Timestamp>,
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
            pages: None,
            marks: Vec::new(),
            is_check: false,
            bytes: 0,
            restarts: 0,
            server_time: None,
        }
    }

    /// A listing of the object with that id alone.
    pub(super) fn of_one(scope: Scope, id: Id, now: Instant) -> Self {
        Self {
            only: Some(id),
            ..Self::new(scope, now)
        }
    }

    pub(super) fn request(&self) -> Request {
        match &self.only {
            Some(id) => self.scope.kind.read(id, self.scope.microtenant.clone()),
            None => self.scope.list_page(self.page),
        }
    }

    /// Returns true if at most one object is read: the answer "there is none" is not a failure then.
    pub(super) fn is_single(&self) -> bool {
        self.only.is_some() || self.scope.kind.shape() == Shape::Single
    }

    /// Returns true if rows may move from one page to another while the listing is read.
    pub(super) fn spans_pages(&self) -> bool {
        self.page > 1 || self.restarts > 0 || self.is_check
    }

    /// Leaves out objects that a listing may still show though they were deleted.
    pub(super) fn leave_out(&mut self, deleted: &HashSet<Id>) {
        let is_deleted = |object: &Object| Id::of(object).is_some_and(|id| deleted.contains(&id));
        self.objects.retain(|object| !is_deleted(object));
    }

    /// Takes an answer in, and refuses a listing that is too long.
    pub(super) fn take_answer(&mut self, answer: &Answer, now: Instant) -> PageResult {
        self.server_time = answer.server_time();
        if !self.is_check {
            self.bytes += weight(&answer.body);
        }
        if self.bytes > MOST_BYTES {
            return Err("the listing is larger than 48 MiB");
        }
        let read = self.read(answer, now)?;
        self.check_size()?;
        Ok(read)
    }

    /// Reads an answer. A body that is not JSON is not the API's: it comes from something on the way to it.
    fn read(&mut self, answer: &Answer, now: Instant) -> PageResult {
        let body = answer.json();
        if body.is_none() && !answer.body.trim_ascii().is_empty() {
            return Err("the answer is not JSON");
        }
        self.take(body, now)
    }

    fn take(&mut self, body: Option<Value>, now: Instant) -> PageResult {
        if self.is_single() {
            return self.take_single(body);
        }
        if self.scope.kind.shape() == Shape::Collection {
            return self.take_page(body, now);
        }
        self.objects = elements(body)?;
        Ok(PageRead::Complete)
    }

    /// Takes in one object, or an answer without one.
    fn take_single(&mut self, body: Option<Value>) -> PageResult {
        let is_taken = match body {
            None | Some(Value::Null) => true,
            Some(Value::Array(rows)) => rows.is_empty(),
            Some(Value::Object(object)) if object.is_empty() => true,
            Some(body) => self.add(body),
        };
        let taken = is_taken.then_some(PageRead::Complete);
        taken.ok_or("the answer is not an object with an id of 1 to 20 digits")
    }

    fn take_page(&mut self, body: Option<Value>, now: Instant) -> PageResult {
        let Some(Value::Object(mut envelope)) = body else {
            return Err(NO_LISTING);
        };
        let known = ["list", "totalCount", "totalPages"];
        if !known.iter().any(|member| envelope.contains_key(*member)) {
            return Err(NO_LISTING);
        }
        let total = envelope.get("totalCount").cloned();
        let pages = envelope.get("totalPages").and_then(number);
        let is_later = self.page > 1 || self.is_check;
        if is_later && (&total, pages) != (&self.total, self.pages) {
            return self.restart(now);
        }
        (self.total, self.pages) = (total, pages);
        let rows = match envelope.remove("list") {
            Some(Value::Array(rows)) => rows,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err("the answer's list is not one"),
        };
        if self.is_check {
            return self.check_page(mark(&rows), now);
        }
        self.marks.push(mark(&rows));
        let full = rows.len() >= index(PAGE_SIZE);
        let before = self.objects.len();
        if !rows.into_iter().all(|row| self.add(row)) {
            return Err("an object in the listing has no id, or one that is not 1 to 20 digits");
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
        Ok(PageRead::More(self.page))
    }

    /// Refuses a listing that promises more than any can have, or has more than it promises.
    fn check_size(&self) -> Result<(), &'static str> {
        let total = self.total();
        let pages = self.pages.unwrap_or(0).max(u64::from(self.page));
        if pages > MOST.pages || total > MOST.objects {
            return Err("the listing has more than 10,000 pages or 1,000,000 objects");
        }
        // Every page has an object at least.
        if pages > ALWAYS.pages.max(total) || self.len() > ALWAYS.objects.max(total) {
            return Err(
                "the listing has more than 100 pages or 50,000 objects, and more than its total",
            );
        }
        Ok(())
    }

    fn total(&self) -> u64 {
        self.total.as_ref().and_then(number).unwrap_or(0)
    }

    fn len(&self) -> u64 {
        u64::try_from(self.objects.len()).unwrap_or(u64::MAX)
    }

    /// Ends the listing after its last page. The total may be less than the number of objects (`zpa-api.md`, section
    /// 2). If it is more, objects are missing.
    fn complete(&mut self, now: Instant) -> PageResult {
        if self.total() > self.len() {
            return self.restart(now);
        }
        if self.page == 1 {
            return Ok(PageRead::Complete);
        }
        self.is_check = true;
        self.page = 1;
        Ok(PageRead::More(1))
    }

    /// Compares a page that was read once more with its first reading.
    fn check_page(&mut self, mark: u64, now: Instant) -> PageResult {
        let place = index(self.page).saturating_sub(1);
        if self.marks.get(place) != Some(&mark) {
            return self.restart(now);
        }
        self.page += 1;
        // The last page was read after all others, so its rows may have moved without harm.
        let is_over = index(self.page) >= self.marks.len();
        Ok(if is_over {
            PageRead::Complete
        } else {
            PageRead::More(self.page)
        })
    }

    /// Keeps a row, once. Returns false if it has no id: its object would look absent.
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

    fn restart(&mut self, now: Instant) -> PageResult {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err("the listing was different or incomplete each time that it was read");
        }
        self.begun = now;
        self.objects.clear();
        self.seen.clear();
        self.total = None;
        self.pages = None;
        self.marks.clear();
        self.is_check = false;
        self.bytes = 0;
        self.page = 1;
        Ok(PageRead::More(1))
    }
}

/// Returns a mark of the ids of these rows and their order.
fn mark(rows: &[Value]) -> u64 {
    let mut mark = DefaultHasher::new();
    for row in rows {
        let id = row.get("id").map(Value::to_string);
        id.hash(&mut mark);
    }
    mark.finish()
}

/// Checks that an answer is a listing of that scope, or one page of it.
///
/// # Errors
/// The reason why the answer is not the scope's listing.
pub fn check_listing(scope: Scope, answer: &Answer, now: Instant) -> Result<(), &'static str> {
    let read = ListingReader::new(scope, now).read(answer, now);
    read.map(drop)
}

/// The elements of a list, which is answered as a bare array. Elements need no ids.
///
/// # Errors
/// The reason why the answer is no such list.
pub(super) fn elements(body: Option<Value>) -> Result<Vec<Object>, &'static str> {
    let Some(Value::Array(rows)) = body else {
        return Err("the answer is not a list");
    };
    let element = |row| {
        let Value::Object(mut object) = row else {
            return Err("an element of the list is not an object");
        };
        ids_as_text(&mut object);
        if object.contains_key("id") && Id::of(&object).is_none() {
            return Err("an element of the list has an id that is not 1 to 20 digits");
        }
        Ok(object)
    };
    rows.into_iter().map(element).collect()
}

/// Turns the ids of an object, and of the objects that it refers to, into text. In some documents they are numbers.
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

/// Reads a count, which is a string or, in some documents, a number.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PageRead::{Complete, More};
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
    fn pages_of_many_bytes_are_refused() {
        let (mut listing, now) = (listing(), Instant::now());
        let mut taken = 0;
        let refused = loop {
            let mut page = page("50000", "100", &[&taken.to_string()]).to_string();
            page.push_str(&" ".repeat(16 << 20));
            let answer = Answer {
                status: 200,
                retry_after: None,
                date: None,
                body: page.into_bytes(),
            };
            match listing.take_answer(&answer, now) {
                Ok(_) => taken += 1,
                Err(why) => break why,
            }
        };
        assert_eq!((taken, refused), (2, "the listing is larger than 48 MiB"));
    }

    #[test]
    fn pages_are_read_until_the_last_and_rows_kept_once() {
        let (mut listing, now) = (listing(), Instant::now());
        let first = listing.take(Some(page("3", "2", &["1", "2"])), now);
        assert_eq!(first, Ok(More(2)));
        let second = listing.take(Some(page("3", "2", &["2", "3"])), now);
        assert_eq!(second, Ok(More(1)), "to be checked");
        let again = listing.take(Some(page("3", "2", &["1", "2"])), now);
        assert_eq!(again, Ok(Complete));
        assert_eq!(listing.objects.len(), 3);
    }

    #[test]
    fn a_row_that_moved_to_an_earlier_page_is_not_missed() {
        let (mut listing, now) = (listing(), Instant::now());
        let mut take = |ids: &[&str]| listing.take(Some(page("4", "2", ids)), now);
        assert_eq!(take(&["1", "2"]), Ok(More(2)));
        // Row 1 went and row 5 came: row 3 is on the first page now.
        assert_eq!(take(&["4", "5"]), Ok(More(1)));
        assert_eq!(take(&["2", "3"]), Ok(More(1)), "it begins again");
        assert_eq!(take(&["2", "3"]), Ok(More(2)));
        assert_eq!(take(&["4", "5"]), Ok(More(1)));
        assert_eq!(take(&["2", "3"]), Ok(Complete));
        assert_eq!(listing.objects.len(), 4);
    }

    #[test]
    fn a_total_of_zero_hides_no_rows() {
        let (mut one, now) = (listing(), Instant::now());
        assert_eq!(one.take(Some(page("0", "1", &["1"])), now), Ok(Complete));
        assert_eq!(one.objects.len(), 1);
    }

    #[test]
    fn a_missing_list_is_an_empty_one() {
        let none = json!({"totalCount": "0", "totalPages": "0"});
        assert_eq!(listing().take(Some(none), Instant::now()), Ok(Complete));
    }

    #[test]
    fn a_listing_that_never_holds_still_is_given_up() {
        let (mut listing, now) = (listing(), Instant::now());
        for round in 0..RESTARTS {
            let first = listing.take(Some(page(&round.to_string(), "2", &["1"])), now);
            assert_eq!(first, Ok(More(2)));
            let second = listing.take(Some(page("99", "2", &["2"])), now);
            assert_eq!(second, Ok(More(1)));
            assert!(listing.objects.is_empty());
        }
        assert_eq!(listing.take(Some(page("5", "2", &["1"])), now), Ok(More(2)));
        assert!(listing.take(Some(page("99", "2", &[])), now).is_err());
    }

    #[test]
    fn a_listing_without_all_rows_or_an_end_is_given_up() {
        let now = Instant::now();
        let counted = json!({"totalCount": "4", "totalPages": "1"});
        let endless = json!({"totalCount": "0", "totalPages": "100", "list": []});
        let twice = page("3", "1", &["1", "2", "2"]);
        for body in [counted, endless, twice] {
            let mut listing = listing();
            for _ in 0..RESTARTS {
                assert_eq!(listing.take(Some(body.clone()), now), Ok(More(1)), "{body}");
            }
            assert!(listing.take(Some(body.clone()), now).is_err(), "{body}");
        }
    }

    fn answer(body: &Value) -> Answer {
        Answer {
            status: 200,
            retry_after: None,
            date: None,
            body: body.to_string().into_bytes(),
        }
    }

    /// Reads a listing whose pages all have an object of their own, and say these numbers of their page.
    fn read_on(says: impl Fn(u32) -> Value) -> (u32, PageResult) {
        let (mut listing, now) = (listing(), Instant::now());
        for page in 1.. {
            let mut body = says(page);
            body["list"] = json!([{"id": page}]);
            match listing.take_answer(&answer(&body), now) {
                // All pages are read, and are read once more.
                Ok(More(_)) if listing.is_check => return (page, Ok(Complete)),
                Ok(More(_)) => {}
                end => return (page, end),
            }
        }
        unreachable!()
    }

    #[test]
    fn pages_without_an_end_are_read_up_to_a_bound() {
        let constant = |total: &'static str, pages: &'static str| {
            read_on(move |_| json!({"totalCount": total, "totalPages": pages}))
        };
        assert!(matches!(constant("0", "1000000"), (1, Err(_))));
        assert!(matches!(constant("0", "101"), (1, Err(_))));
        assert!(matches!(constant("2000000", "4000"), (1, Err(_))));
        assert_eq!(constant("0", "100"), (100, Ok(Complete)));
        assert_eq!(constant("101", "101"), (101, Ok(Complete)));
        let growing = read_on(|page| json!({"totalCount": "0", "totalPages": page + 1}));
        assert!(matches!(growing, (12, Err(_))), "{growing:?}");
    }

    #[test]
    fn full_pages_beyond_the_total_are_refused() {
        let (mut listing, now) = (listing(), Instant::now());
        let page = |page: u32| {
            let ids = (page * PAGE_SIZE)..(page + 1) * PAGE_SIZE;
            let rows: Vec<Value> = ids.map(|id| json!({"id": id})).collect();
            answer(&json!({"totalCount": "0", "list": rows}))
        };
        let read = (0..).map(|number| listing.take_answer(&page(number), now));
        let more = read.take_while(|read| matches!(read, Ok(More(_))));
        assert_eq!(more.count(), 99);
    }

    #[test]
    fn ids_that_come_as_numbers_are_kept_as_text() {
        let mut listing = listing();
        let row = json!({"id": 145_283_994_705_985_536_u64, "userPortals": [{"id": 7}]});
        let taken = listing.take(Some(json!({"list": [row]})), Instant::now());
        assert_eq!(taken, Ok(Complete));
        assert_eq!(
            Value::Object(listing.objects.remove(0)),
            json!({"id": "145283994705985536", "userPortals": [{"id": "7"}]})
        );
    }

    #[test]
    fn a_row_without_an_id_is_refused() {
        let nameless = json!({"list": [{"name": "a"}]});
        assert!(listing().take(Some(nameless), Instant::now()).is_err());
    }

    #[test]
    fn an_id_that_is_not_digits_is_refused() {
        let row = json!([{"id": "1/../2", "name": "a"}]);
        assert!(
            listing()
                .take(Some(json!({"list": row})), Instant::now())
                .is_err()
        );
        assert!(elements(Some(row)).is_err());
        assert!(elements(Some(json!([{"domain": "a.example"}]))).is_ok());
    }

    #[test]
    fn a_full_page_may_be_followed_by_another() {
        let (mut listing, now) = (listing(), Instant::now());
        let page = |from: u32, rows: u32| {
            let rows: Vec<Value> = (from..from + rows).map(|id| json!({"id": id})).collect();
            Some(json!({ "list": rows }))
        };
        assert_eq!(listing.take(page(0, PAGE_SIZE), now), Ok(More(2)));
        assert_eq!(listing.take(page(PAGE_SIZE, 3), now), Ok(More(1)));
        assert_eq!(listing.take(page(0, PAGE_SIZE), now), Ok(Complete));
    }

    #[test]
    fn an_answer_that_is_no_listing_is_refused() {
        let bodies = [json!([]), json!({"list": "x"}), json!({"error": "x"})];
        for body in bodies.map(Some).into_iter().chain([None]) {
            assert!(listing().take(body, Instant::now()).is_err());
        }
    }
}
