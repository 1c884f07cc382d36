//! The connector schedule: the number of days without contact after which the tenant itself deletes a connector.
//!
//! Rules: "App Connector Management API" of the ZPA API documentation. A microtenant has one such object, or none. The
//! path of the collection answers with the object itself. It is created by POST, replaced by PUT on its id, and cannot
//! be deleted.

use std::borrow::Cow;

use super::action::Action;
use super::part::Part;
use super::schema::{Column, Resource, Shape};
use super::text;
use crate::wire::{FieldValue, Path};

/// The schedule by which the tenant deletes connectors.
#[derive(Debug)]
pub(super) struct ConnectorSchedule;

static COLUMNS: [Column; 4] = [
    Column::checked("frequency_interval", "frequencyInterval", text::interval).also(&["interval"]),
    Column::checked("frequency", "frequency", text::frequency),
    Column::flag("enabled", "enabled"),
    Column::flag("delete_disabled", "deleteDisabled"),
];

impl Resource for ConnectorSchedule {
    fn name(&self) -> &'static str {
        "connector-schedule"
    }

    fn noun(&self) -> &'static str {
        "connector schedule"
    }

    fn shape(&self) -> Shape {
        Shape::Single
    }

    fn collection(&self, _part: Option<&Part>) -> Path {
        Path::from("connectorSchedule")
    }

    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn key(&self) -> Option<&'static str> {
        None
    }

    fn required(&self) -> &'static [&'static str] {
        &["frequencyInterval"]
    }

    fn customer_member(&self) -> Option<&'static str> {
        Some("customerId")
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::Ensure, Action::Create, Action::Update]
    }

    fn defaults(&self) -> &'static [(&'static str, FieldValue<'static>)] {
        const DEFAULTS: [(&str, FieldValue<'static>); 3] = [
            ("frequency", FieldValue::Text(Cow::Borrowed("days"))),
            ("enabled", FieldValue::Flag(true)),
            ("deleteDisabled", FieldValue::Flag(false)),
        ];
        &DEFAULTS
    }
}
