//! The words that every layer shares: ids, requests and replies, items and their outcomes.
//!
//! Nothing here decides anything, does IO or reads a clock. What is here is plain data, and the few
//! readings of it (an id from a JSON value, an error from an answer) that several layers need alike.

mod call;
mod undo;
mod written;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::call::{Answer, Method, QuotaClass, Reply, Request, Version};
pub use self::undo::{Undo, changed_since};
pub(crate) use self::written::Op;
use crate::resource::{Kind, Scope};

/// A JSON object as the API answers it. Fields that this program does not know are kept.
pub type Object = Map<String, Value>;

/// The id of an object on a tenant: the digits as text, never a number, so that no digit is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Takes an id as text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads an id from a JSON string or integer. The API answers strings, documented requests show
    /// numbers too; a fraction or an empty string is no id.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.is_empty() => Some(Self(text.clone())),
            Value::Number(number) if number.is_u64() => Some(Self(number.to_string())),
            _ => None,
        }
    }

    /// The `id` of an object.
    #[must_use]
    pub fn of(object: &Object) -> Option<Self> {
        object.get("id").and_then(Self::from_value)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an item failed: what the user reads in `errors.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The server's own id of the error (`resource.not.found`), when it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// What happened, in words.
    pub message: String,
    /// The HTTP status, when the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Failure {
    /// A failure that this program found, not the server.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            error_id: None,
            message: message.into(),
            status: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.error_id {
            Some(id) if *id != self.message => write!(f, " ({id})"),
            _ => Ok(()),
        }
    }
}

/// What a row asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Create if absent, update if different, else leave alone.
    #[default]
    Ensure,
    /// Create; fail if it exists.
    Create,
    /// Update; fail if it does not exist.
    Update,
    /// Delete; fine if already gone.
    Delete,
}

impl Action {
    /// Every action with its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("ensure", Self::Ensure),
        ("create", Self::Create),
        ("update", Self::Update),
        ("delete", Self::Delete),
    ];

    /// The action of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, action)| *action)
    }
}

/// What the cells of one row say.
pub trait Cells {
    /// The trimmed text in the column at that position, or `None` where the row says nothing.
    fn cell(&self, column: usize) -> Option<&str>;

    /// The cell exactly as the manifest has it, for the result files.
    fn raw(&self, column: usize) -> &str;
}

/// One row of a manifest: where it stands and what its cells say.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    /// Which of the manifests of this run, from 0.
    pub file: u16,
    /// The row as a spreadsheet numbers it: the header of a CSV is row 1. In JSON Lines, the line.
    pub number: u32,
    /// Its cells.
    pub cells: &'r dyn Cells,
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row {}:{}", self.file, self.number)
    }
}

/// Something wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which of the manifests, from 0.
    pub file: u16,
    /// The row; the header of a CSV is row 1.
    pub row: u32,
    /// The column, as the manifest spells it; none when the row as a whole is meant.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem with one cell.
    pub fn cell(file: u16, row: u32, column: &str, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: Some(column.to_owned()),
            message: message.into(),
        }
    }

    /// A problem with a row as a whole.
    pub fn row(file: u16, row: u32, message: impl Into<String>) -> Self {
        Self {
            file,
            row,
            column: None,
            message: message.into(),
        }
    }

    /// `file:row: column "x": what is wrong`.
    #[must_use]
    pub fn describe(&self, files: &[String]) -> String {
        let file = files
            .get(usize::from(self.file))
            .map_or("?", String::as_str);
        let (row, message) = (self.row, &self.message);
        match &self.column {
            Some(column) => format!("{file}:{row}: column {column:?}: {message}"),
            None => format!("{file}:{row}: {message}"),
        }
    }
}

/// A checked value of one field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FieldValue<'r> {
    /// A boolean.
    Flag(bool),
    /// Text as the API takes it.
    Text(Cow<'r, str>),
    /// References to other objects: ids once resolved.
    Refs(Vec<Reference<'r>>),
}

/// A reference to another object as it stands in a request: `{"id": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference<'r> {
    /// The id.
    pub id: Cow<'r, str>,
}

/// Wire fields with their values, in the order of the resource's table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'r>(pub Vec<(Cow<'r, str>, FieldValue<'r>)>);

impl<'r> Fields<'r> {
    /// The value of the wire field `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&FieldValue<'r>> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The text of the wire field `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.find(name) {
            Some(FieldValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// As a JSON object.
    #[must_use]
    pub fn to_object(&self) -> Object {
        self.0
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_json()))
            .collect()
    }
}

impl FieldValue<'_> {
    /// As a person reads it.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Refs(refs) => {
                let ids: Vec<&str> = refs.iter().map(|r| &*r.id).collect();
                ids.join(";")
            }
        }
    }

    /// As it stands in a request.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Text(text) => Value::String(text.to_string()),
            Self::Refs(refs) => refs
                .iter()
                .map(|r| serde_json::json!({ "id": r.id }))
                .collect(),
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// One field that an update changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The wire name of the field.
    pub field: String,
    /// What it is on the tenant, as a person reads it.
    pub old: String,
    /// What it becomes.
    pub new: String,
}

/// What is to happen to an item's object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change<'r> {
    /// Create it.
    Create {
        /// The whole object.
        body: Fields<'r>,
    },
    /// Read it, put the named fields into what was read, write it back.
    Update {
        /// Its id.
        id: Id,
        /// The fields that the manifest names and that differ.
        set: Fields<'r>,
        /// The same as a person reads it.
        changes: Vec<FieldChange>,
    },
    /// Delete it.
    Delete {
        /// Its id; empty for the one element of a list that has its key.
        id: Id,
        /// What must still hold of it by then, in the words of its resource.
        #[serde(skip_serializing_if = "Option::is_none")]
        condition: Option<Cow<'r, str>>,
    },
    /// Nothing: something that must hold of it no longer does.
    Spared {
        /// Its id.
        id: Id,
        /// What has become of it.
        failure: Failure,
    },
    /// Nothing: it is as asked.
    Unchanged {
        /// Its id; none when what is to be deleted is already gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
    },
    /// Nothing: the row cannot be carried out on the tenant as it is.
    Error {
        /// Why.
        failure: Failure,
    },
}

impl Change<'_> {
    /// The id of the live object that it is about, where it has one.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Update { id, .. } | Self::Delete { id, .. } | Self::Spared { id, .. } => Some(id),
            Self::Unchanged { id } => id.as_ref(),
            Self::Create { .. } | Self::Error { .. } => None,
        }
    }
}

/// The number of an item in its run, from 0, in the order of the rows.
pub type ItemNumber = u32;

/// A number of an item, or of anything else that is counted like it, as an index.
#[must_use]
pub fn index(number: ItemNumber) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One row, checked and compared with the tenant: what is to be done for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "written::Written")]
pub struct Item<'r> {
    /// Its number in the run.
    pub item: ItemNumber,
    /// Which manifest it comes from.
    pub file: u16,
    /// Which row of it.
    pub row: u32,
    /// What kind of object it is about.
    pub resource: Kind,
    /// The object's natural key, as a person knows it.
    pub key: Cow<'r, str>,
    /// The part of its kind's objects that it belongs to, for a kind that falls into several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Cow<'r, str>>,
    /// The microtenant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub microtenant: Option<Id>,
    /// Items of one group may share a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// What is to be done.
    #[serde(flatten)]
    pub change: Change<'r>,
    /// What it takes back, if it belongs to the undo of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Undo<'r>>>,
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

impl Fields<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn to_owned_fields(&self) -> Fields<'static> {
        let value = |value: &FieldValue<'_>| match value {
            FieldValue::Flag(flag) => FieldValue::Flag(*flag),
            FieldValue::Text(text) => FieldValue::Text(owned(text)),
            FieldValue::Refs(refs) => FieldValue::Refs(
                refs.iter()
                    .map(|r| Reference { id: owned(&r.id) })
                    .collect(),
            ),
        };
        Fields(
            self.0
                .iter()
                .map(|(name, v)| (owned(name), value(v)))
                .collect(),
        )
    }
}

impl Item<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn to_owned_item(&self) -> Item<'static> {
        let change = match &self.change {
            Change::Create { body } => Change::Create {
                body: body.to_owned_fields(),
            },
            Change::Update { id, set, changes } => Change::Update {
                id: id.clone(),
                set: set.to_owned_fields(),
                changes: changes.clone(),
            },
            Change::Delete { id, condition } => Change::Delete {
                id: id.clone(),
                condition: condition.as_deref().map(owned),
            },
            Change::Spared { id, failure } => Change::Spared {
                id: id.clone(),
                failure: failure.clone(),
            },
            Change::Unchanged { id } => Change::Unchanged { id: id.clone() },
            Change::Error { failure } => Change::Error {
                failure: failure.clone(),
            },
        };
        Item {
            item: self.item,
            file: self.file,
            row: self.row,
            resource: self.resource,
            key: Cow::Owned(self.key.to_string()),
            part: self.part.as_deref().map(owned),
            microtenant: self.microtenant.clone(),
            group: self.group,
            change,
            undo: (self.undo.as_ref()).map(|undo| Box::new(undo.to_owned_undo())),
        }
    }

    /// Where the object is listed.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            kind: self.resource,
            part: self.part.as_deref().map(str::to_owned),
            microtenant: self.microtenant.clone(),
        }
    }
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Created by this run, confirmed by the server's answer.
    Created,
    /// Updated by this run.
    Updated,
    /// Deleted by this run.
    Deleted,
    /// Carried out by a call of this run whose answer was lost; found on the tenant afterwards.
    Recovered,
    /// There was nothing to do.
    Unchanged,
    /// Left alone after all: something that had to hold of it no longer did.
    Spared,
    /// Not carried out.
    Failed,
}

impl Status {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Recovered => "recovered",
            Self::Unchanged => "unchanged",
            Self::Spared => "spared",
            Self::Failed => "failed",
        }
    }
}

/// The one true end of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which item.
    pub item: ItemNumber,
    /// How it ended.
    pub status: Status,
    /// The object's id, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The call of intents that nobody remembers: a journal lost records, and these items may have been in them.
pub const PRESUMED: u32 = u32::MAX;

/// What is written down of a run as it happens. The ledger is the fold of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A call that changes these items is about to be sent.
    Intent {
        /// The number of the call, or [`PRESUMED`].
        call: u32,
        /// The items it carries.
        items: Vec<ItemNumber>,
    },
    /// That call was certainly not carried out: refused, or never sent.
    Void {
        /// The number of the call.
        call: u32,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// That call, which was to create them together, was refused. Some may have been created before that.
    Refused {
        /// The number of the call.
        call: u32,
        /// The items it carried.
        items: Vec<ItemNumber>,
    },
    /// Items have ended.
    Outcomes(Vec<Outcome>),
    /// What an object was just before this run changed it.
    Before {
        /// The item that changes it.
        item: ItemNumber,
        /// The whole of it, as the API answered it.
        object: Object,
    },
    /// The server takes so many objects in one create, fewer than it was sent.
    #[serde(rename = "batch_size")]
    BatchSize(u32),
}
