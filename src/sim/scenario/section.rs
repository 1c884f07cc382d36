//! A reader for the TOML of a scenario, table by table. A key that nobody reads is an error.

use std::collections::HashMap;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::error::ScenarioError;
use super::form::Form;

/// The line of every key of a scenario, from 1, by the key's path, such as `fault[0].kind`.
type Lines = HashMap<String, usize>;

/// The rules that one table sets.
pub(super) trait Rules {
    /// Reads all keys of the table. A key that is missing leaves its rule as it is.
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError>;
}

/// Declares the rules that a table sets: for each key its field, its default and the form of its values. A check
/// of the keys together may follow the name.
macro_rules! rules {
    ($(#[$about:meta])* $name:ident $(, $check:path)? {
        $($(#[$doc:meta])* $key:ident: $type:ty = $default:expr, $form:expr;)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl Rules for $name {
            fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
                $(section.value(stringify!($key), &mut self.$key, &$form)?;)*
                $($check(self, section)?;)?
                Ok(())
            }
        }
    };
}
pub(super) use rules;

/// One table while it is read: the keys that are left, and the keys that were asked for.
pub(super) struct Section {
    path: String,
    entries: Table,
    asked: Vec<&'static str>,
    lines: Rc<Lines>,
}

impl Section {
    /// Reads the text of a scenario; returns its top level.
    pub(super) fn parse(text: &str) -> Result<Self, ScenarioError> {
        let entries = text
            .parse()
            .map_err(|error: toml::de::Error| ScenarioError {
                line: None,
                message: format!("the scenario is not valid TOML: {error}"),
            })?;
        Ok(Self {
            path: String::new(),
            entries,
            asked: Vec::new(),
            lines: Rc::new(lines(text)),
        })
    }

    /// Reads `key` into `target`, if it is present.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        form: &Form<T>,
    ) -> Result<(), ScenarioError> {
        if let Some(value) = self.optional(key, form)? {
            *target = value;
        }
        Ok(())
    }

    /// Reads `key`; none if it is missing.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        form: &Form<T>,
    ) -> Result<Option<T>, ScenarioError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let read = (form.read)(&value);
        let error = || {
            self.conflict(
                key,
                &format!("cannot be {value}; allowed: {}", form.allowed),
            )
        };
        read.map(Some).ok_or_else(error)
    }

    /// Reads `key`, which may not be missing.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        form: &Form<T>,
    ) -> Result<T, ScenarioError> {
        let read = self.optional(key, form)?;
        read.ok_or_else(|| self.conflict(key, &format!("is missing; allowed: {}", form.allowed)))
    }

    /// Reads the table `key` into `target`, if it is present.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        target: &mut impl Rules,
    ) -> Result<(), ScenarioError> {
        let form = Form::new("a table", |value| value.as_table().cloned());
        let Some(entries) = self.optional(key, &form)? else {
            return Ok(());
        };
        let mut section = self.child(self.path_of(key), entries);
        target.fill(&mut section)?;
        section.finish()
    }

    /// Reads each table under `[[key]]` with `read`, which must read all of its keys.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Self) -> Result<T, ScenarioError>,
    ) -> Result<Vec<T>, ScenarioError> {
        let form: Form<Vec<Table>> = Form::new("tables, each under its own [[…]]", |value| {
            let tables = value.as_array()?.iter();
            tables.map(|table| table.as_table().cloned()).collect()
        });
        let tables = self.optional(key, &form)?.unwrap_or_default();
        let read_one = |(number, entries)| {
            let path = format!("{}[{number}]", self.path_of(key));
            let mut section = self.child(path, entries);
            let one = read(&mut section)?;
            section.finish()?;
            Ok(one)
        };
        tables.into_iter().enumerate().map(read_one).collect()
    }

    /// Returns true if `key` is present and was not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.entries.remove(key)
    }

    fn child(&self, path: String, entries: Table) -> Self {
        Self {
            path,
            entries,
            asked: Vec::new(),
            lines: Rc::clone(&self.lines),
        }
    }

    /// Ends the reading. A key that nobody asked for is an error.
    pub(super) fn finish(self) -> Result<(), ScenarioError> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => {
                let (name, allowed) = (self.display_name(key), self.asked.join(", "));
                let message = format!("unknown key `{name}`; allowed here: {allowed}");
                Err(self.error(key, message))
            }
        }
    }

    /// The error of a `key`. `what` is the end of a sentence that starts with the key.
    pub(super) fn conflict(&self, key: &str, what: &str) -> ScenarioError {
        self.error(key, format!("`{}` {what}", self.display_name(key)))
    }

    /// The error at the line of `key`, or of its table if `key` is missing.
    fn error(&self, key: &str, message: String) -> ScenarioError {
        let line = self.lines.get(&self.path_of(key));
        let line = line.or_else(|| self.lines.get(&self.path));
        ScenarioError {
            line: Some(line.copied().unwrap_or(1)),
            message,
        }
    }

    fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    /// The key with its table, as users write them.
    fn display_name(&self, key: &str) -> String {
        let table = self.path.split_once('[').map_or(&*self.path, |(t, _)| t);
        joined(table, key)
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Finds the line of every key of a scenario. Text that is not TOML has none.
fn lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    if let Ok(table) = DeTable::parse(text) {
        locate(text, "", table.get_ref(), &mut lines);
    }
    lines
}

fn locate(text: &str, path: &str, table: &DeTable<'_>, lines: &mut Lines) {
    for (key, value) in table {
        let place = joined(path, key.get_ref());
        lines.insert(place.clone(), line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => locate(text, &place, inner, lines),
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    locate_item(text, &format!("{place}[{number}]"), item, lines);
                }
            }
            _ => {}
        }
    }
}

fn locate_item(text: &str, place: &str, item: &Spanned<DeValue<'_>>, lines: &mut Lines) {
    if let DeValue::Table(inner) = item.get_ref() {
        lines.insert(place.to_owned(), line_at(text, item.span().start));
        locate(text, place, inner, lines);
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}
