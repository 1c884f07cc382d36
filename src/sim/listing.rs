//! Listings: paging, searching and the envelope (ZPA API documentation, User Portal Link Management).

use serde::Serialize;
use serde_json::Value;

use super::collection::{Collection, Id, Record};
use super::fields::escaped;
use super::http::{Answer, Pairs};
use super::refusal::Refusal;

const DEFAULT_PAGE_SIZE: usize = 20;
const LARGEST_PAGE_SIZE: usize = 500;

/// Which rows of a listing were asked for.
#[derive(Debug)]
pub(super) struct Listing {
    /// From 1.
    page: usize,
    size: usize,
    search: Search,
}

/// The envelope; both counts are strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<V> {
    total_pages: String,
    total_count: String,
    list: Vec<V>,
}

impl Listing {
    /// Reads `page`, `pagesize` and `search`; the names are case-sensitive, and others are ignored.
    pub(super) fn parse(query: &Pairs) -> Result<Self, Refusal> {
        let page = number(query, "page", 1, usize::MAX)?;
        let size = number(query, "pagesize", DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)?;
        let search = query
            .value("search")
            .map_or(Ok(Search::default()), Search::parse)?;
        Ok(Self { page, size, search })
    }

    /// The page of those of `ids` that the search matches, each shown as `view` makes it.
    pub(super) fn answer<V: Serialize>(
        &self,
        ids: &[Id],
        records: &Collection,
        view: impl Fn(Id) -> Option<V>,
    ) -> Answer {
        if self.search.is_everything() {
            return self.page_of(ids, view);
        }
        let matches = |id: &Id| {
            records
                .record(*id)
                .is_some_and(|record| self.search.matches(record))
        };
        let ids: Vec<Id> = ids.iter().copied().filter(matches).collect();
        self.page_of(&ids, view)
    }

    fn page_of<V: Serialize>(&self, ids: &[Id], view: impl Fn(Id) -> Option<V>) -> Answer {
        let start = (self.page - 1).saturating_mul(self.size);
        let list = ids
            .iter()
            .skip(start)
            .take(self.size)
            .filter_map(|id| view(*id))
            .collect();
        let total_pages = ids.len().div_ceil(self.size).to_string();
        Answer::json(
            200,
            &Envelope {
                total_pages,
                total_count: ids.len().to_string(),
                list,
            },
        )
    }
}

/// A number from 1 to `largest`; `default` when it is absent.
fn number(query: &Pairs, name: &str, default: usize, largest: usize) -> Result<usize, Refusal> {
    let Some(text) = query.value(name) else {
        return Ok(default);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=largest).contains(number));
    number.ok_or_else(|| {
        Refusal::bad(
            "invalid.query.parameter",
            format!("{name}={text} is out of range."),
        )
    })
}

/// The clauses of a search, all of which an object must match.
#[derive(Debug, Default)]
struct Search(Vec<Clause>);

#[derive(Debug, PartialEq, Eq)]
struct Clause {
    field: String,
    value: String,
}

impl Search {
    /// Reads `field EQ value`, joined with `AND`. Once the query is decoded the words are separated by
    /// spaces or by literal plus signs, the two encodings in use. Other operators are refused.
    fn parse(text: &str) -> Result<Self, Refusal> {
        let separator = if text.contains("+EQ+") { "+" } else { " " };
        let join = format!("{separator}AND{separator}");
        let clauses = text.split(join.as_str());
        let clauses: Option<Vec<Clause>> = clauses
            .map(|clause| Clause::parse(clause, separator))
            .collect();
        clauses.map(Self).ok_or_else(|| {
            Refusal::bad("invalid.search", format!("Cannot read the search {text}."))
        })
    }

    fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    fn matches(&self, record: &Record) -> bool {
        self.0.iter().all(|clause| clause.matches(record))
    }
}

impl Clause {
    fn parse(text: &str, separator: &str) -> Option<Self> {
        let (field, value) = text.split_once(&format!("{separator}EQ{separator}"))?;
        let is_field = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_field.then(|| Self {
            field: field.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Compares what answers show; an object without the field does not match.
    fn matches(&self, record: &Record) -> bool {
        match record.fields.get(&self.field) {
            Some(Value::String(text)) => *text == self.value || *text == escaped(&self.value),
            Some(Value::Bool(flag)) => self.value.parse() == Ok(*flag),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clauses(search: &str) -> Option<Vec<(String, String)>> {
        let parsed =
            Search::parse(Pairs::parse(&format!("search={search}")).value("search")?).ok()?;
        Some(
            parsed
                .0
                .into_iter()
                .map(|clause| (clause.field, clause.value))
                .collect(),
        )
    }

    #[test]
    fn both_encodings_of_a_search_mean_the_same() {
        let expected = Some(vec![("name".to_owned(), "Service Edge".to_owned())]);
        assert_eq!(clauses("name+EQ+Service+Edge"), expected);
        assert_eq!(clauses("name%20EQ%20Service%20Edge"), expected);
        assert_eq!(clauses("name%2BEQ%2BService+Edge"), expected);
    }

    #[test]
    fn clauses_are_joined_with_and() {
        assert_eq!(
            clauses("name+EQ+a+AND+enabled+EQ+true").map(|clauses| clauses.len()),
            Some(2)
        );
        assert_eq!(
            clauses("name%2BEQ%2Ba%2BAND%2Bid%2BEQ%2B1").map(|clauses| clauses.len()),
            Some(2)
        );
    }

    #[test]
    fn an_operator_other_than_eq_is_refused() {
        for search in ["name+LIKE+a", "wiki", "name+EQ+a+AND+b", "id+GT+5", "+EQ+a"] {
            assert_eq!(clauses(search), None, "{search}");
        }
    }

    #[test]
    fn a_page_size_above_the_maximum_and_a_page_below_one_are_refused() {
        for query in ["pagesize=501", "pagesize=0", "page=0", "page=x"] {
            assert!(Listing::parse(&Pairs::parse(query)).is_err(), "{query}");
        }
        let listing = Listing::parse(&Pairs::parse("pageSize=7")).unwrap();
        assert_eq!((listing.page, listing.size), (1, 20));
    }
}
