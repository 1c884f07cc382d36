//! Lists of objects: paging, searching and sorting (ZPA API documentation, User Portal Link Management).

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;

use super::collection::{Collection, Id};
use super::fields::{Object, escape};
use super::http::{Answer, Pairs};
use super::refusal::Refusal;

const DEFAULT_PAGE_SIZE: usize = 20;
const LARGEST_PAGE_SIZE: usize = 500;

/// The query of a list call: page, search and sort order.
#[derive(Debug)]
pub(super) struct ListQuery {
    /// The number of the page, from 1.
    page: usize,
    size: usize,
    search: Search,
    sort: Option<Sort>,
}

/// The objects of one page, and the totals over all pages.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) ids: Vec<Id>,
    total_pages: usize,
    total_count: usize,
}

/// The JSON form of a page. Both totals are strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<V> {
    total_pages: String,
    total_count: String,
    list: Vec<V>,
}

impl ListQuery {
    /// Reads `page`, `pagesize` and `search`. Parameter names are case-sensitive, and others are ignored.
    pub(super) fn parse(query: &Pairs) -> Result<Self, Refusal> {
        let page = read_number(query, "page", 1, usize::MAX)?;
        let size = read_number(query, "pagesize", DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)?;
        let search = query
            .value("search")
            .map_or(Ok(Search::default()), Search::parse)?;
        Ok(Self {
            page,
            size,
            search,
            sort: None,
        })
    }

    /// Reads `sortBy` and `sortDir` too.
    pub(super) fn parse_sorted(query: &Pairs) -> Result<Self, Refusal> {
        let sort = Sort::parse(query)?;
        Ok(Self {
            sort,
            ..Self::parse(query)?
        })
    }

    /// The requested page of the objects among `ids` that match the search.
    pub(super) fn page(&self, ids: &[Id], records: &Collection) -> Page {
        if self.search.is_empty() && self.sort.is_none() {
            return self.page_of(ids);
        }
        let found = ids
            .iter()
            .filter_map(|id| Some((*id, records.fields(*id)?)));
        let mut found: Vec<(Id, &Object)> = found
            .filter(|(_, fields)| self.search.matches(fields))
            .collect();
        if let Some(sort) = &self.sort {
            found.sort_by(|(_, one), (_, other)| sort.order(one, other));
        }
        let ids: Vec<Id> = found.into_iter().map(|(id, _)| id).collect();
        self.page_of(&ids)
    }

    fn page_of(&self, ids: &[Id]) -> Page {
        let start = (self.page - 1).saturating_mul(self.size);
        let rows = ids.iter().skip(start).take(self.size);
        Page {
            ids: rows.copied().collect(),
            total_pages: ids.len().div_ceil(self.size),
            total_count: ids.len(),
        }
    }
}

impl Page {
    /// The answer, with each object in the form that `view` gives it.
    pub(super) fn answer<V: Serialize>(&self, view: impl Fn(Id) -> Option<V>) -> Answer {
        let envelope = Envelope {
            total_pages: self.total_pages.to_string(),
            total_count: self.total_count.to_string(),
            list: self.ids.iter().filter_map(|id| view(*id)).collect(),
        };
        Answer::json(200, &envelope)
    }
}

/// The sort order of a list call.
#[derive(Debug)]
struct Sort {
    field: String,
    descending: bool,
}

/// The value of a field for sorting. Ids and times are strings that sort as numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum SortKey<'a> {
    Missing,
    Flag(bool),
    Number(u64),
    Text(&'a str),
}

impl Sort {
    /// Reads `sortBy` and `sortDir`. The direction is ascending by default, and its case does not matter.
    fn parse(query: &Pairs) -> Result<Option<Self>, Refusal> {
        let direction = query.value("sortDir").unwrap_or("ASC");
        let descending = direction.eq_ignore_ascii_case("DESC");
        if !descending && !direction.eq_ignore_ascii_case("ASC") {
            let reason = format!("sortDir={direction} is neither ASC nor DESC.");
            return Err(Refusal::bad_request("invalid.query.parameter", reason));
        }
        Ok(query.value("sortBy").map(|field| Self {
            field: field.to_owned(),
            descending,
        }))
    }

    fn order(&self, one: &Object, other: &Object) -> Ordering {
        let order = self.key(one).cmp(&self.key(other));
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }

    fn key<'r>(&self, fields: &'r Object) -> SortKey<'r> {
        match fields.get(&self.field) {
            Some(Value::Bool(flag)) => SortKey::Flag(*flag),
            Some(Value::String(text)) => text.parse().map_or(SortKey::Text(text), SortKey::Number),
            _ => SortKey::Missing,
        }
    }
}

/// Reads a number from 1 to `largest`; `default` if the parameter is absent.
fn read_number(
    query: &Pairs,
    name: &str,
    default: usize,
    largest: usize,
) -> Result<usize, Refusal> {
    let Some(text) = query.value(name) else {
        return Ok(default);
    };
    let number = text.parse().ok();
    let fitting = number.filter(|number| (1..=largest).contains(number));
    fitting.ok_or_else(|| {
        let reason = format!("{name}={text} is out of range.");
        Refusal::bad_request("invalid.query.parameter", reason)
    })
}

/// The clauses of a search. An object must match all of them.
#[derive(Debug, Default)]
struct Search(Vec<Clause>);

#[derive(Debug)]
struct Clause {
    field: String,
    operator: Operator,
    value: String,
}

/// The operators that the documentation names: equal, and those that need an order.
#[derive(Debug)]
enum Operator {
    Equal,
    Order(fn(Ordering) -> bool),
}

impl Search {
    /// Reads `field OPERATOR value`, joined with `AND`. Clients encode the separator in two ways, so the
    /// decoded words are separated by spaces or by plus signs. The first separator decides.
    fn parse(text: &str) -> Result<Self, Refusal> {
        let after_field = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        let separator = if after_field.starts_with('+') {
            "+"
        } else {
            " "
        };
        let and = format!("{separator}AND{separator}");
        let clauses = text.split(&*and);
        let clauses: Option<_> = clauses.map(|text| Clause::parse(text, separator)).collect();
        clauses.map(Self).ok_or_else(|| {
            Refusal::bad_request("invalid.search", format!("Cannot read the search {text}."))
        })
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn matches(&self, fields: &Object) -> bool {
        self.0.iter().all(|clause| clause.matches(fields))
    }
}

impl Clause {
    fn parse(text: &str, separator: &str) -> Option<Self> {
        let mut words = text.splitn(3, separator);
        let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
        let is_field = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_field.then_some(Self {
            field: field.to_owned(),
            operator: Operator::parse(operator)?,
            value: value.to_owned(),
        })
    }

    /// Compares the field as answers show it. An object without the field does not match.
    fn matches(&self, fields: &Object) -> bool {
        let Some(shown) = fields.get(&self.field) else {
            return false;
        };
        match self.operator {
            Operator::Equal => self.equals(shown),
            Operator::Order(admits) => self.order(shown).is_some_and(admits),
        }
    }

    fn equals(&self, shown: &Value) -> bool {
        match shown {
            Value::String(text) => *text == self.value || *text == escape(&self.value),
            Value::Bool(flag) => self.value.parse() == Ok(*flag),
            _ => false,
        }
    }

    /// The order between the field and the clause's value. Ids and times, which are numbers in strings,
    /// have one; other text has none.
    fn order(&self, shown: &Value) -> Option<Ordering> {
        let shown: u64 = shown.as_str()?.parse().ok()?;
        Some(shown.cmp(&self.value.parse().ok()?))
    }
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "EQ" => Self::Equal,
            "GT" => Self::Order(Ordering::is_gt),
            "LT" => Self::Order(Ordering::is_lt),
            "GTEQ" => Self::Order(Ordering::is_ge),
            "LTEQ" => Self::Order(Ordering::is_le),
            _ => return None,
        })
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
    fn undocumented_operators_are_refused() {
        for search in ["name+LIKE+a", "wiki", "name+EQ+a+AND+b", "id+NE+5", "+EQ+a"] {
            assert_eq!(clauses(search), None, "{search}");
        }
    }

    #[test]
    fn a_value_may_contain_the_other_separator() {
        let expected = Some(vec![("name".to_owned(), "a+EQ+b".to_owned())]);
        assert_eq!(clauses("name+EQ+a%2BEQ%2Bb"), expected);
        let expected = Some(vec![("name".to_owned(), "R AND D EQ 1".to_owned())]);
        assert_eq!(clauses("name%2BEQ%2BR+AND+D+EQ+1"), expected);
    }

    #[test]
    fn numbers_in_strings_have_an_order_and_text_has_none() {
        let fields = |shown: &str| {
            let fields = serde_json::json!({"id": shown});
            fields.as_object().unwrap().clone()
        };
        let matching =
            |search: &str, shown: &str| Search::parse(search).unwrap().matches(&fields(shown));
        let orders = |operator: &str| {
            ["9", "10", "11", "wiki"].map(|shown| matching(&format!("id {operator} 10"), shown))
        };
        assert_eq!(orders("EQ"), [false, true, false, false]);
        assert_eq!(orders("GT"), [false, false, true, false]);
        assert_eq!(orders("LT"), [true, false, false, false]);
        assert_eq!(orders("GTEQ"), [false, true, true, false]);
        assert_eq!(orders("LTEQ"), [true, true, false, false]);
        assert!(!matching("creationTime GT 0", "10"), "no such field");
    }

    #[test]
    fn pages_out_of_range_are_refused() {
        for query in ["pagesize=501", "pagesize=0", "page=0", "page=x"] {
            assert!(ListQuery::parse(&Pairs::parse(query)).is_err(), "{query}");
        }
        let query = ListQuery::parse(&Pairs::parse("pageSize=7")).unwrap();
        assert_eq!((query.page, query.size), (1, 20));
    }
}
