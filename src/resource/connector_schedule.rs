//! The connector schedule: the number of days without contact after which the tenant itself deletes a connector.
//!
//! Rules: "App Connector Management API" of the ZPA API documentation. A microtenant has one such object, or none. The
//! path of the collection answers with the object itself. It is created by POST, replaced by PUT on its id, and cannot
//! be deleted.

use std::borrow::Cow;

use super::action::Action;
use super::part::Part;
use super::schema::{Column, Resource, Shape, facts};
use super::text;
use crate::wire::{FieldValue, Path};

#[derive(Debug)]
pub(super) struct ConnectorSchedule;

static COLUMNS: [Column; 4] = [
    Column::checked("frequency_interval", "frequencyInterval", text::interval)
        .numeric()
        .also(&["interval"]),
    Column::checked("frequency", "frequency", text::frequency),
    Column::flag("enabled", "enabled"),
    Column::flag("delete_disabled", "deleteDisabled"),
];

/// The values of fields that a manifest does not name.
const DEFAULTS: [(&str, FieldValue<'static>); 3] = [
    ("frequency", FieldValue::Text(Cow::Borrowed("days"))),
    ("enabled", FieldValue::Flag(true)),
    ("deleteDisabled", FieldValue::Flag(false)),
];

impl Resource for ConnectorSchedule {
    facts! {
        name: &'static str = "connector-schedule";
        noun: &'static str = "connector schedule";
        shape: Shape = Shape::Single;
        columns: &'static [Column] = &COLUMNS;
        key: Option<&'static str> = None;
        required: &'static [&'static str] = &["frequencyInterval"];
        customer_member: Option<&'static str> = Some("customerId");
        actions: &'static [Action] = &[Action::Ensure, Action::Create, Action::Update];
        defaults: &'static [(&'static str, FieldValue<'static>)] = &DEFAULTS;
    }

    fn collection(&self, _part: Option<&Part>) -> Path {
        Path::from("connectorSchedule")
    }
}
