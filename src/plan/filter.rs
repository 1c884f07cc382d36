//! Filters that choose live objects by the values of their fields.
//!
//! The current time is passed in. All comparisons ignore case.

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use wildmatch::WildMatch;

use super::flags::flag;
use super::wording::similar;
use crate::pacer::parse_duration;
use crate::resource::{Column, Form, Kind, epoch, fold};
use crate::wire::Object;

/// An expression that is not a filter, or not one for the kind of the objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

/// A filter expression: `FIELD=VALUE`, `FIELD!=VALUE`, `FIELD~GLOB`, `FIELD older-than 30d` or
/// `FIELD younger-than 30d`.
#[derive(Clone, Debug)]
pub struct Filter {
    field: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    IsNot(String),
    Like(WildMatch),
    OlderThan(Duration),
    YoungerThan(Duration),
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(expression: &str) -> Result<Self, FilterError> {
        let operator = expression.find(['=', '!', '~']).unwrap_or(expression.len());
        let (before, rest) = expression.split_at(operator);
        let (field, test) = match age_test(before, expression) {
            Some((field, test)) => (field, test?),
            None => (
                before,
                comparison(rest).ok_or_else(|| not_a_filter(expression))?,
            ),
        };
        let field = field.trim().to_owned();
        if field.is_empty() {
            return Err(not_a_filter(expression));
        }
        Ok(Self { field, test })
    }
}

/// Splits an expression about age into its field and its test. Returns `None` for any other expression.
///
/// `before` is `expression` up to the first `=`, `!` or `~`. The operator `older-than` or `younger-than` must be in it.
fn age_test<'t>(
    before: &'t str,
    expression: &'t str,
) -> Option<(&'t str, Result<Test, FilterError>)> {
    const OLDER: &str = " older-than ";
    const YOUNGER: &str = " younger-than ";
    let mut operators = [OLDER, YOUNGER].into_iter();
    let operator = operators.find(|operator| before.contains(operator))?;
    let (field, span) = expression.split_once(operator)?;
    let test = match parse_duration(span) {
        Some(span) if operator == OLDER => Ok(Test::OlderThan(span)),
        Some(span) => Ok(Test::YoungerThan(span)),
        None => Err(FilterError(format!(
            "{span:?} is not a duration: write a whole number with s, m, h, d or w, like 30d"
        ))),
    };
    Some((field, test))
}

fn comparison(rest: &str) -> Option<Test> {
    let value = |text: &str| text.trim().to_lowercase();
    if let Some(rest) = rest.strip_prefix("!=") {
        Some(Test::IsNot(value(rest)))
    } else if let Some(rest) = rest.strip_prefix('=') {
        Some(Test::Is(value(rest)))
    } else {
        let glob = rest.strip_prefix('~')?.trim();
        Some(Test::Like(WildMatch::new_case_insensitive(glob)))
    }
}

fn not_a_filter(text: &str) -> FilterError {
    FilterError(format!(
        "{text:?} is not a filter: write FIELD=VALUE, FIELD!=VALUE, FIELD~GLOB, \"FIELD older-than 30d\" or \
         \"FIELD younger-than 30d\""
    ))
}

impl Filter {
    /// Applies the filter to a kind. Its field must be a column, a wire field of the kind, or a field of one of `objects`.
    ///
    /// # Errors
    /// [`FilterError`] if there is no such field, or if the filter is about age and the field is not a time.
    pub fn on<'o>(
        &self,
        kind: Kind,
        objects: impl IntoIterator<Item = &'o Object>,
    ) -> Result<Condition, FilterError> {
        let column = known_column(kind, &self.field);
        let wire = match (column, known_wire(kind, &self.field)) {
            (Some(column), _) => column.wire.to_owned(),
            (None, Some(wire)) => wire.to_owned(),
            (None, None) => self.wire_among(kind, objects)?,
        };
        // The names of all time fields of the API end like this.
        let is_time = wire.ends_with("Time");
        if matches!(self.test, Test::OlderThan(_) | Test::YoungerThan(_)) && !is_time {
            return Err(FilterError(format!("{:?} is not a time", self.field)));
        }
        let test = match &self.test {
            Test::Is(value) => Test::Is(self.meant(kind, &wire, column, value)?),
            Test::IsNot(value) => Test::IsNot(self.meant(kind, &wire, column, value)?),
            other => other.clone(),
        };
        Ok(Condition {
            kind,
            wire,
            column,
            test,
        })
    }

    /// Returns the live text that a word of a manifest means.
    fn meant(
        &self,
        kind: Kind,
        wire: &str,
        column: Option<&'static Column>,
        value: &str,
    ) -> Result<String, FilterError> {
        let refused = |why: String| FilterError(format!("{}: {why}", self.field));
        let words = kind.words().iter().filter(|(of, ..)| *of == wire);
        let words: Vec<(&str, &str)> = words.map(|(_, word, api)| (*word, *api)).collect();
        if value.is_empty() {
            return Ok(String::new());
        }
        if !words.is_empty() {
            let is = |text: &str| text.eq_ignore_ascii_case(value);
            if words.iter().any(|(word, api)| is(word) || is(api)) {
                return Ok(value.to_owned());
            }
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            return Err(refused(format!(
                "{value:?} is not one of {}",
                known.join(", ")
            )));
        }
        match column.map(|column| column.form) {
            Some(Form::Flag) => flag(value).map(|flag| flag.to_string()).map_err(refused),
            Some(Form::Part) => kind.part(value).map(str::to_lowercase).map_err(refused),
            // A live text may be one that a manifest could not have.
            Some(Form::Text(check)) => {
                Ok(check(value).map_or(value.into(), |text| text.to_lowercase()))
            }
            Some(Form::Split(_, split)) => {
                Ok(split(value).map_or(value.into(), |parts| parts.concat().to_lowercase()))
            }
            _ => Ok(value.to_owned()),
        }
    }

    fn wire_among<'o>(
        &self,
        kind: Kind,
        objects: impl IntoIterator<Item = &'o Object>,
    ) -> Result<String, FilterError> {
        let wanted = fold(&self.field);
        let mut fields = objects.into_iter().flat_map(Object::keys);
        if let Some(wire) = fields.find(|wire| fold(wire) == wanted) {
            return Ok(wire.clone());
        }
        let known: Vec<&str> = filterable(kind).map(|column| column.name).collect();
        let hint = match similar(&self.field, known.iter().copied()).first() {
            Some(likely) => format!("did you mean {likely:?}?"),
            None => format!("known are id, {}", known.join(", ")),
        };
        let noun = kind.indefinite();
        Err(FilterError(format!(
            "{noun} has no field {:?}; {hint}",
            self.field
        )))
    }
}

/// Returns the columns of a kind that live objects have values for.
fn filterable(kind: Kind) -> impl Iterator<Item = &'static Column> {
    let columns = kind.columns().iter();
    columns.filter(|column| !matches!(column.form, Form::Condition(_)))
}

fn known_column(kind: Kind, field: &str) -> Option<&'static Column> {
    let wanted = fold(field);
    let named = |name: &&str| fold(name) == wanted;
    let by_name =
        filterable(kind).find(|column| named(&column.name) || column.aliases.iter().any(named));
    let is_split = |column: &&Column| matches!(column.form, Form::Split(..));
    by_name.or_else(|| filterable(kind).find(|column| !is_split(column) && named(&column.wire)))
}

fn known_wire(kind: Kind, field: &str) -> Option<&'static str> {
    let wanted = fold(field);
    let others = kind.server_fields().iter().copied().chain(["id"]);
    others.into_iter().find(|name| fold(name) == wanted)
}

/// A [`Filter`] that was applied to a kind, with its field found.
#[derive(Clone, Debug)]
pub struct Condition {
    kind: Kind,
    wire: String,
    column: Option<&'static Column>,
    test: Test,
}

impl Condition {
    /// Says whether the filter chooses a live object. `part` is the part of its kind in which it was listed.
    ///
    /// A time that is missing or cannot be read is neither old nor young.
    #[must_use]
    pub fn holds(&self, part: Option<&str>, live: &Object, now: Timestamp) -> bool {
        match &self.test {
            Test::Is(value) => self.is(value, part, live),
            Test::IsNot(value) => !self.is(value, part, live),
            Test::Like(glob) => self.texts(part, live).iter().any(|text| glob.matches(text)),
            Test::OlderThan(span) => self.age(live, now).is_some_and(|age| age >= signed(*span)),
            Test::YoungerThan(span) => self.age(live, now).is_some_and(|age| age < signed(*span)),
        }
    }

    fn is(&self, value: &str, part: Option<&str>, live: &Object) -> bool {
        let is_whole = self
            .column
            .is_some_and(|column| matches!(column.form, Form::Split(..)));
        let comparable = |text: &str| {
            if is_whole {
                return text.trim().to_lowercase();
            }
            self.kind.normalise(&self.wire, text.trim()).to_lowercase()
        };
        let value = comparable(value);
        self.texts(part, live)
            .iter()
            .any(|text| comparable(text) == value)
    }

    fn texts(&self, part: Option<&str>, live: &Object) -> Vec<String> {
        match (self.column, part) {
            (Some(column), Some(part)) if matches!(column.form, Form::Part) => {
                vec![part.to_owned()]
            }
            (Some(column), _) if matches!(column.form, Form::Split(..)) => {
                vec![self.kind.cell(column, live)]
            }
            _ => self.kind.texts(&self.wire, live),
        }
    }

    fn age(&self, live: &Object, now: Timestamp) -> Option<SignedDuration> {
        Some(now.duration_since(live.get(&self.wire).and_then(epoch)?))
    }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn chosen(kind: &str, expression: &str, live: &Value) -> Result<bool, FilterError> {
        let kind = Kind::from_name(kind).unwrap();
        let live = live.as_object().unwrap();
        let filter: Filter = expression.parse()?;
        let condition = filter.on(kind, [live])?;
        let now = Timestamp::from_second(NOW).unwrap();
        Ok(condition.holds(kind.parts().last().copied(), live, now))
    }

    fn connector(expression: &str) -> bool {
        let live = json!({
            "id": "72057594037927936", "name": "HQ &#x2a; 1", "enabled": true, "readOnly": "true",
            "controlChannelStatus": "ZPN_STATUS_DISCONNECTED", "fingerprint": "ab=cd",
            "lastBrokerDisconnectTime": (NOW - 40 * 86_400).to_string(), "creationTime": "soon",
            "upgradeCount": 3, "serverGroups": [{"id": "7", "name": "East"}, {"id": "8"}],
        });
        chosen("connector", expression, &live).unwrap()
    }

    #[test]
    fn fields_are_compared_as_people_read_them() {
        for expression in [
            "status=disconnected",
            "Status = Disconnected",
            "control_channel_status=zpn_status_disconnected",
            "status!=connected",
            "status~dis*",
            "name=hq * 1",
            "name=HQ &#x2a; 1",
            "name~hq*1",
            "name~HQ ? 1",
            "enabled=true",
            "enabled!=false",
            "read_only=TRUE",
            "id=72057594037927936",
            "description=",
            "name!=",
            "fingerprint=ab=cd",
            "upgrade-count=3",
            "server groups=8",
            "server groups~ea*",
            "last_disconnected older-than 30d",
            "lastBrokerDisconnectTime older-than 40d",
            "last_disconnected younger-than 41d",
        ] {
            assert!(connector(expression), "{expression}");
        }
        for expression in [
            "status=connected",
            "status!=disconnected",
            "name!=hq * 1",
            "name~hq",
            "enabled=false",
            "description!=",
            "description~?*",
            "server groups=9",
            "last_disconnected older-than 41d",
            "last_disconnected younger-than 40d",
        ] {
            assert!(!connector(expression), "{expression}");
        }
    }

    #[test]
    fn an_unreadable_time_is_neither_old_nor_young() {
        for field in ["created", "last_connected", "modifiedTime"] {
            assert!(!connector(&format!("{field} older-than 0s")), "{field}");
            assert!(
                !connector(&format!("{field} younger-than 9999w")),
                "{field}"
            );
        }
    }

    #[test]
    fn a_filter_knows_parts_and_equal_spellings() {
        let live = json!({"domain": "Corp.Example"});
        assert!(chosen("domain", "association_type=shared", &live).unwrap());
        assert!(!chosen("domain", "type=search_suffix", &live).unwrap());
        assert!(chosen("domain", "domain=corp.example.", &live).unwrap());
    }

    #[test]
    fn a_wrong_filter_is_refused_with_a_suggestion() {
        let live = json!({"name": "a"});
        for (expression, said) in [
            ("stauts=connected", "did you mean \"status\"?"),
            ("zebra=1", "known are id, name, "),
            ("disconnected_since=never", "has no field"),
            ("", "is not a filter"),
            ("=x", "is not a filter"),
            ("name", "is not a filter"),
            ("name!x", "is not a filter"),
            ("created older-than", "is not a filter"),
            ("created older-than soon", "\"soon\" is not a duration"),
            ("created older-than 5d=", "\"5d=\" is not a duration"),
            ("version older-than 5d", "\"version\" is not a time"),
        ] {
            let error = chosen("connector", expression, &live).unwrap_err();
            assert!(error.to_string().contains(said), "{expression}: {error}");
        }
        let live = json!({"enabled": true, "controlChannelStatus": "ZPN_STATUS_CONNECTED"});
        for (expression, said) in [
            ("enabled=flase", "\"flase\" is neither true nor false"),
            (
                "status=lost",
                "\"lost\" is not one of connected, disconnected",
            ),
        ] {
            let error = chosen("connector", expression, &live).unwrap_err();
            assert!(error.to_string().contains(said), "{expression}: {error}");
        }
    }

    #[test]
    fn filters_take_the_words_of_a_manifest() {
        let live = json!({"protocol": "https://", "link": "Wiki.example", "linkPath": "/a", "enabled": false});
        for expression in [
            "enabled=no",
            "enabled=OFF",
            "enabled!=yes",
            "url=https://wiki.example/a",
            "url=HTTPS://WIKI.example/A",
            "url~*wiki*",
            "address!=https://wiki.example/b",
            "protocol=https",
            "link=wiki.example",
        ] {
            assert_eq!(
                chosen("portal-link", expression, &live),
                Ok(true),
                "{expression}"
            );
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            "[0-9]{0,20}".prop_map(Value::from),
            prop::collection::vec(".{0,3}", 0..3).prop_map(|ids| json!([{ "id": ids }])),
        ]
    }

    proptest! {
        #[test]
        fn no_expression_and_no_object_makes_it_panic(
            expression in "(name|created|status|x)?( older-than | younger-than |!=|=|~|!)?.{0,8}",
            name in any_value(),
            created in any_value(),
        ) {
            let live = json!({"name": name, "creationTime": created, "controlChannelStatus": name});
            for kind in Kind::all() {
                let _ = chosen(kind.name(), &expression, &live);
            }
        }
    }
}
