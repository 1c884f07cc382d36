//! The schema of a resource: its columns, its natural key, its rules and its endpoints.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde_json::Value;

use super::action::Action;
use super::text::{self, SplitText};
use crate::wire::{FieldValue, Fields, Object, Version};

/// What a cell must look like, and what the API is sent for it.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Text; the function refuses what cannot be right and may normalise.
    Text(for<'r> fn(&'r str) -> Result<Cow<'r, str>, String>),
    /// A boolean: `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`, in any case.
    Flag,
    /// Objects of that kind, by id or name, several separated by `;`.
    Refs(Kind),
    /// One cell that stands for three wire fields.
    Split([&'static str; 3], for<'r> fn(&'r str) -> SplitText<'r>),
    /// Which of [`Resource::parts`] the object belongs to, in any case.
    Part,
    /// What must still hold of an object when it is deleted; the function refuses what says nothing.
    Condition(fn(&str) -> Result<(), String>),
    /// What the server alone sets: exported and filtered by, and passed over in a manifest.
    Info,
}

/// A column of a manifest and the wire field that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name that documentation and messages use. Manifests may spell it in any case and with
    /// spaces, `_` or `-` anywhere.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// The field in requests and answers; for [`Form::Split`] the one that must not be empty.
    pub wire: &'static str,
    /// What a cell must look like.
    pub form: Form,
    /// Whether answers carry this field with HTML entities in place of some characters.
    pub escaped: bool,
}

impl Column {
    /// A column of plain text under the names that manifest and wire have for it.
    pub(super) const fn text(name: &'static str, wire: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            wire,
            form: Form::Text(text::any),
            escaped: false,
        }
    }

    /// A column of text that `check` has a say in.
    pub(super) const fn checked(
        name: &'static str,
        wire: &'static str,
        check: for<'r> fn(&'r str) -> text::Checked<'r>,
    ) -> Self {
        Self::text(name, wire).with(Form::Text(check))
    }

    /// A boolean column.
    pub(super) const fn flag(name: &'static str, wire: &'static str) -> Self {
        Self::text(name, wire).with(Form::Flag)
    }

    /// A column that only the server fills.
    pub(super) const fn info(name: &'static str, wire: &'static str) -> Self {
        Self::text(name, wire).with(Form::Info)
    }

    /// The wire fields that it stands for.
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

    pub(super) const fn escaped(self) -> Self {
        Self {
            escaped: true,
            ..self
        }
    }
}

/// How a resource takes several new objects in one call.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// The version in the path.
    pub version: Version,
    /// The path below the customer.
    pub path: &'static str,
    /// The member of request and answer that lists the objects.
    pub list: &'static str,
    /// The member that belongs to the call and applies to every object in it.
    pub shared: &'static str,
}

/// How a resource takes several deletes in one call.
#[derive(Clone, Copy, Debug)]
pub struct BulkDelete {
    /// The path below the customer.
    pub path: &'static str,
    /// The member of the request that lists the ids.
    pub list: &'static str,
}

/// How the objects of a resource are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A collection, listed page by page, whose objects are written one by one.
    Collection,
    /// One object, or none: the collection's path answers it, a write goes to its id.
    Single,
    /// A list that is read and written as a whole, as a bare array.
    List,
}

/// One kind of object on a tenant.
pub trait Resource: fmt::Debug + Sync {
    /// Its name in manifests, flags and reports.
    fn name(&self) -> &'static str;

    /// What one of them is called in a sentence.
    fn noun(&self) -> &'static str;

    /// How its objects are read and written.
    fn shape(&self) -> Shape {
        Shape::Collection
    }

    /// The path below the customer at which its objects are listed, or those of one `part`.
    fn collection(&self, part: Option<&str>) -> Cow<'static, str>;

    /// The parts into which its objects fall, each with a listing of its own; the first is meant where
    /// nothing is said. None for most.
    fn parts(&self) -> &'static [&'static str] {
        &[]
    }

    /// The columns of its manifests.
    fn columns(&self) -> &'static [Column];

    /// The wire field of the natural key; `None` where there is but one object to be meant.
    fn key(&self) -> Option<&'static str> {
        Some("name")
    }

    /// The wire fields that an object cannot be created without.
    fn required(&self) -> &'static [&'static str];

    /// What a row may ask for.
    fn actions(&self) -> &'static [Action] {
        &[
            Action::Ensure,
            Action::Create,
            Action::Update,
            Action::Delete,
        ]
    }

    /// Why objects of this kind cannot be created, if they cannot. What cannot be created cannot be got back
    /// either, so its deletes are guarded more closely.
    fn uncreatable(&self) -> Option<&'static str> {
        None
    }

    /// What a new object gets in a field that the manifest does not name.
    fn defaults(&self) -> &'static [(&'static str, FieldValue<'static>)] {
        &[]
    }

    /// Fields that the server alone sets; never sent.
    fn server_fields(&self) -> &'static [&'static str] {
        &["creationTime", "modifiedTime", "modifiedBy"]
    }

    /// The member of a new object that holds the customer id, if one does.
    fn customer_member(&self) -> Option<&'static str> {
        None
    }

    /// How several are created in one call, if they can be.
    fn bulk(&self) -> Option<Bulk> {
        None
    }

    /// How several are deleted in one call, if they can be.
    fn bulk_delete(&self) -> Option<BulkDelete> {
        None
    }

    /// Checks the fields of a row taken together. `creates` says that the object may have to be created.
    ///
    /// # Errors
    /// The wire field at fault, and what is wrong.
    fn check(&self, _values: &Fields<'_>, _creates: bool) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    /// Brings the text of a field into the form in which two equal values are the same text.
    fn normalise<'v>(&self, _wire: &str, text: &'v str) -> Cow<'v, str> {
        Cow::Borrowed(text)
    }

    /// The value of a field that answers leave out, as far as the rest of the object tells it.
    fn inferred(&self, _wire: &str, _live: &Object) -> Option<Value> {
        None
    }

    /// Fields that are inferred and must be in every write.
    fn unechoed(&self) -> &'static [&'static str] {
        &[]
    }

    /// Flags that a write must have and that answers may leave out: a write without one may change it.
    fn kept_flags(&self) -> &'static [&'static str] {
        &["enabled"]
    }

    /// Brings what replaces an object into the form that is documented for it.
    fn finish(&self, _body: &mut Object) {}

    /// Whether the server puts a value of its own in the place of the one in `row`, so that comparing them
    /// says nothing.
    fn rewritten(&self, _wire: &str, _live: &Object, _row: &Fields<'_>) -> bool {
        false
    }

    /// Words for what a field may say, where the API's own are for machines: wire field, word, what the API
    /// says.
    fn words(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[]
    }

    /// The group that the live object belongs to, for a kind of which a group must keep some.
    fn group<'o>(&self, _live: &'o Object) -> Option<&'o str> {
        None
    }

    /// Why the live object cannot be changed, if it cannot.
    fn immutable(&self, _live: &Object) -> Option<&'static str> {
        None
    }

    /// Why the live object is not to be deleted after all, when a row's [`Form::Condition`] says under which
    /// condition it is.
    ///
    /// # Errors
    /// What has become of the object.
    fn condition_holds(&self, _live: &Object, _condition: &str) -> Result<(), String> {
        Ok(())
    }
}

/// A name without what manifests may spell freely: case, spaces, `_` and `-`.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-' | '\u{a0}'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A kind of object: a resource of the registry. Written as its name.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Resource);

impl Kind {
    /// The kind that a resource describes.
    pub(super) const fn of(resource: &'static dyn Resource) -> Self {
        Self(resource)
    }

    /// The column that is written `name` in a manifest, ignoring case, spaces, `_` and `-`.
    #[must_use]
    pub fn column(self, name: &str) -> Option<&'static Column> {
        let wanted = fold(name);
        self.columns().iter().find(|column| {
            fold(column.name) == wanted || column.aliases.iter().any(|alias| fold(alias) == wanted)
        })
    }

    /// The column for a wire field, as far as one stands for it alone.
    pub(super) fn column_of_wire(self, wire: &str) -> Option<&'static Column> {
        self.columns()
            .iter()
            .find(|c| c.wire == wire && !matches!(c.form, Form::Split(..)))
    }

    /// The wire field of the natural key; empty for a kind of which there is one object, which needs none.
    #[must_use]
    pub fn key_field(self) -> &'static str {
        self.key().unwrap_or_default()
    }

    /// One of it with its article, as a sentence has it.
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

    /// The part that is written `text` in a manifest, in any case.
    ///
    /// # Errors
    /// What parts there are.
    pub fn part(self, text: &str) -> Result<&'static str, String> {
        let parts = self.parts().iter();
        let found = parts.clone().find(|part| fold(part) == fold(text));
        found.copied().ok_or_else(|| {
            if self.parts().is_empty() {
                return format!("{} has no parts", self.indefinite());
            }
            let known: Vec<&str> = parts.copied().collect();
            format!("{text:?} is none of {}", known.join(", "))
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
        // Kinds are compared several times a row, and mostly are the same one.
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
