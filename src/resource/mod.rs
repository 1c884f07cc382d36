//! What the program knows of each kind of object: columns, natural key, rules, endpoints, and what a
//! comparison with live state ignores. One file a resource, one line in the registry.
//!
//! The rest of the program is the same for every resource and asks these tables. A resource does no
//! IO and holds no state.

pub mod connector;
mod connector_schedule;
mod content;
mod domain;
mod kind;
mod portal_link;
mod scope;
mod text;
mod time;
mod user_portal;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

pub use self::kind::{Kind, live_refs};
pub use self::scope::Scope;
pub use self::text::unescape;
pub use self::time::epoch;
use crate::model::{Action, FieldValue, Fields, Object, Version};

/// Every resource that the program knows.
static REGISTRY: [&dyn Resource; 5] = [
    &portal_link::PortalLink,
    &user_portal::UserPortal,
    &connector::Connector,
    &domain::Domain,
    &connector_schedule::ConnectorSchedule,
];

/// The most rows that one page of a listing may hold: the API's maximum. One listing keeps one size,
/// since mixing sizes skips rows.
pub const PAGE_SIZE: u32 = 500;

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

/// The text of three wire fields that one cell stands for, or what is wrong with it.
pub type SplitText<'r> = Result<[Cow<'r, str>; 3], String>;

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
    const fn text(name: &'static str, wire: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            wire,
            form: Form::Text(text::any),
            escaped: false,
        }
    }

    /// A column of text that `check` has a say in.
    const fn checked(
        name: &'static str,
        wire: &'static str,
        check: for<'r> fn(&'r str) -> text::Checked<'r>,
    ) -> Self {
        Self::text(name, wire).with(Form::Text(check))
    }

    /// A boolean column.
    const fn flag(name: &'static str, wire: &'static str) -> Self {
        Self::text(name, wire).with(Form::Flag)
    }

    /// A column that only the server fills.
    const fn info(name: &'static str, wire: &'static str) -> Self {
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

    const fn with(self, form: Form) -> Self {
        Self { form, ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn escaped(self) -> Self {
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
