//! The schema of a resource: its columns, its natural key, its rules and its endpoints.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;

use super::action::Action;
use super::part::Part;
use super::text::{self, SplitText};
use crate::wire::{FieldValue, Fields, Id, Object, Path, Version, quoted};

/// The form of a column's cells, and the value that the API is sent for them.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Text. The function refuses text that cannot be right and may normalise the rest.
    Text(for<'r> fn(&'r str) -> Result<Cow<'r, str>, String>),
    /// A boolean: `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`, in any case.
    Flag,
    /// References to objects of the given kind, by id or name, separated by `;`.
    Refs(Kind),
    /// One cell that stands for three wire fields.
    Split([&'static str; 3], for<'r> fn(&'r str) -> SplitText<'r>),
    /// One of [`Resource::parts`], in upper or lower case.
    Part,
    /// A condition that must still hold when the object is deleted. The function refuses text that is not a condition.
    Condition(fn(&str) -> Result<(), String>),
    /// A value that only the server sets. Exports and filters have the column; manifests may have it, and it is ignored.
    Info,
}

/// A column of a manifest and the wire field that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name in documentation and messages. Manifests may spell it in upper or lower case, and with spaces, `_` or `-`
    /// anywhere.
    pub name: &'static str,
    /// Other names that manifests may use.
    pub aliases: &'static [&'static str],
    /// The field in requests and answers. For [`Form::Split`], the one of the fields that must not be empty.
    pub wire: &'static str,
    /// The form of the column's cells.
    pub form: Form,
    /// True if answers have HTML entities in place of some characters of this field.
    pub escaped: bool,
    /// True if the text is a whole number, so that a number in a workbook stands for it.
    pub numeric: bool,
}

impl Column {
    /// Makes a column of any text, from its name in manifests and its name on the wire.
    pub(super) const fn text(name: &'static str, wire: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            wire,
            form: Form::Text(text::any),
            escaped: false,
            numeric: false,
        }
    }

    /// Makes a column of text that `check` accepts and may normalise.
    pub(super) const fn checked(
        name: &'static str,
        wire: &'static str,
        check: for<'r> fn(&'r str) -> text::Checked<'r>,
    ) -> Self {
        Self::text(name, wire).with(Form::Text(check))
    }

    /// Makes a boolean column.
    pub(super) const fn flag(name: &'static str, wire: &'static str) -> Self {
        Self::text(name, wire).with(Form::Flag)
    }

    /// Makes a column that only the server fills.
    pub(super) const fn info(name: &'static str, wire: &'static str) -> Self {
        Self::text(name, wire).with(Form::Info)
    }

    /// Returns the wire fields that the column stands for: three for [`Form::Split`], else one.
    #[must_use]
    pub fn wires(&self) -> &[&'static str] {
        match &self.form {
            Form::Split(wires, _) => wires,
            _ => std::slice::from_ref(&self.wire),
        }
    }

    pub(super) const fn with(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(super) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn numeric(self) -> Self {
        Self {
            numeric: true,
            ..self
        }
    }

    pub(super) const fn escaped(self) -> Self {
        Self {
            escaped: true,
            ..self
        }
    }
}

/// The call that creates several objects of a resource together.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// The version in the path.
    pub version: Version,
    /// The path below the customer.
    pub path: &'static str,
    /// The member of the request and of the answer that lists the objects.
    pub list: &'static str,
    /// The member of the request that applies to every object in the list.
    pub shared: &'static str,
}

/// The call that deletes several objects of a resource together.
#[derive(Clone, Copy, Debug)]
pub struct BulkDelete {
    /// The path below the customer.
    pub path: &'static str,
    /// The member of the request that lists the ids.
    pub list: &'static str,
}

/// The way in which the API reads and writes the objects of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A collection that is listed page by page. Each object is written by itself.
    Collection,
    /// One object, or none. The path of the collection answers with the object, and a write goes to the object's id.
    Single,
    /// A list that is read and written as a whole, as a JSON array.
    List,
}

/// Declares methods that return one value each: the facts of a resource, as a table.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$doc])* fn $name(&self) -> $type { $value })*
    };
}
pub(super) use facts;

/// One kind of object on a tenant.
pub trait Resource: fmt::Debug + Sync {
    /// Returns the name of the resource in manifests, flags and reports.
    fn name(&self) -> &'static str;

    /// Returns the word for one object in a sentence, without an article.
    fn noun(&self) -> &'static str;

    /// Returns the path below the customer at which all objects, or those of one `part`, are listed.
    fn collection(&self, part: Option<&Part>) -> Path;

    /// Returns the columns that a manifest may have.
    fn columns(&self) -> &'static [Column];

    /// Returns the wire fields that a new object must have.
    fn required(&self) -> &'static [&'static str];

    facts! {
        /// Says how the API reads and writes the objects. Default: [`Shape::Collection`].
        shape: Shape = Shape::Collection;

        /// Returns the parts into which the objects fall. Each part has a listing of its own, and a row that names no part
        /// means the first. Default: no parts.
        parts: &'static [&'static str] = &[];

        /// Returns the wire field of the natural key, or `None` if there is only one object. Default: `name`.
        key: Option<&'static str> = Some("name");

        /// Returns the actions that a row may ask for. Default: all.
        actions: &'static [Action] = &[
            Action::Ensure,
            Action::Create,
            Action::Update,
            Action::Delete,
        ];

        /// Returns the reason why objects of this kind cannot be created, or `None` if they can. Default: `None`.
        ///
        /// An undo cannot bring such objects back, so their deletes are limited more strictly.
        uncreatable: Option<&'static str> = None;

        /// Returns the values that a new object gets in fields that the manifest does not name. Default: none.
        defaults: &'static [(&'static str, FieldValue<'static>)] = &[];

        /// Returns the fields that only the server sets. They are never sent.
        server_fields: &'static [&'static str] = &["creationTime", "modifiedTime", "modifiedBy"];

        /// Returns the member of a new object that must hold the customer id. Default: `None`.
        customer_member: Option<&'static str> = None;

        /// Returns the call that creates several objects together, if there is one. Default: `None`.
        bulk: Option<Bulk> = None;

        /// Returns the call that deletes several objects together, if there is one. Default: `None`.
        bulk_delete: Option<BulkDelete> = None;

        /// Returns the fields that every write must have and answers leave out. Their values are [inferred](Self::inferred).
        unechoed: &'static [&'static str] = &[];

        /// Returns the flags that every write must have and answers may leave out. A write without such a flag may change it.
        kept_flags: &'static [&'static str] = &["enabled"];

        /// Returns readable words for values of the API that are made for machines: the wire field, the word, and the value.
        words: &'static [(&'static str, &'static str, &'static str)] = &[];
    }

    /// Checks the fields of a row taken together. `creates` is true if the object may have to be created.
    ///
    /// # Errors
    /// The wire field at fault, and a message for the user.
    fn check(&self, _values: &Fields<'_>, _creates: bool) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    /// Normalises the text of a field, so that two values are equal if and only if their texts are.
    fn normalise<'v>(&self, _wire: &str, text: &'v str) -> Cow<'v, str> {
        Cow::Borrowed(text)
    }

    /// Infers the value of a field that answers leave out from the rest of the object, if that is possible.
    fn inferred(&self, _wire: &str, _live: &Object) -> Option<Value> {
        None
    }

    /// Brings the body that replaces an object into the form that the API documents.
    fn finish(&self, _body: &mut Object) {}

    /// Says whether the server replaces the value of the field in `row` by a value of its own. Such values are not
    /// compared.
    fn rewritten(&self, _wire: &str, _live: &Object, _row: &Fields<'_>) -> bool {
        false
    }

    /// Returns the part that has all objects that refer to the object with that id. Default: there is no such part, and
    /// all objects of the kind have to be listed.
    fn part_referring_to(&self, _id: &Id) -> Option<Part> {
        None
    }

    /// Returns the group of the live object, if the kind has groups that must keep some of their objects.
    fn group<'o>(&self, _live: &'o Object) -> Option<&'o str> {
        None
    }

    /// Returns the reason why the live object cannot be changed or deleted, or `None` if it can.
    fn immutable(&self, _live: &Object) -> Option<&'static str> {
        None
    }

    /// Checks whether the condition of a row, from its [`Form::Condition`] column, still holds for the live object.
    ///
    /// # Errors
    /// A message that says why the condition no longer holds. Then the object is not deleted.
    fn condition_holds(&self, _live: &Object, _condition: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Folds a name as manifests spell it: to lower case, without spaces, `_` and `-`.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-' | '\u{a0}'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A kind of objects: one resource of the registry. Serialized as its name.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Resource);

impl Kind {
    /// Returns the kind that a resource describes.
    pub(super) const fn of(resource: &'static dyn Resource) -> Self {
        Self(resource)
    }

    /// Returns the column with the given name or alias, ignoring case, spaces, `_` and `-`.
    #[must_use]
    pub fn column(self, name: &str) -> Option<&'static Column> {
        let wanted = fold(name);
        self.columns().iter().find(|column| {
            fold(column.name) == wanted || column.aliases.iter().any(|alias| fold(alias) == wanted)
        })
    }

    /// Returns the column that stands for the wire field alone, if there is one.
    pub(super) fn column_of_wire(self, wire: &str) -> Option<&'static Column> {
        self.columns()
            .iter()
            .find(|c| c.wire == wire && !matches!(c.form, Form::Split(..)))
    }

    /// Returns the wire field of the natural key. The text is empty for a kind of which there is only one object.
    #[must_use]
    pub fn key_field(self) -> &'static str {
        self.key().unwrap_or_default()
    }

    /// Returns the noun with its indefinite article.
    #[must_use]
    pub fn indefinite(self) -> String {
        // "User portal" begins with the sound of a consonant.
        let article = if self.noun().starts_with(['a', 'e', 'i', 'o']) {
            "an"
        } else {
            "a"
        };
        format!("{article} {}", self.noun())
    }

    /// Returns the part that a manifest calls `text`, ignoring case, spaces, `_` and `-`.
    ///
    /// # Errors
    /// A message that names the parts, if none of them is called `text`.
    pub fn part(self, text: &str) -> Result<&'static str, String> {
        let parts = self.parts().iter();
        let found = parts.clone().find(|part| fold(part) == fold(text));
        found.copied().ok_or_else(|| {
            if self.parts().is_empty() {
                return format!("{} has no parts", self.indefinite());
            }
            let known: Vec<&str> = parts.copied().collect();
            format!("{} is not one of {}", quoted(text), known.join(", "))
        })
    }
}

impl Deref for Kind {
    type Target = dyn Resource;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.name(), other.name());
        // Each row compares kinds several times, and mostly the names are one and the same text in memory.
        std::ptr::eq(own, other) || own == other
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
