//! App connectors: the machines through which a tenant reaches its applications.
//!
//! Rules: "App Connector Management API" of the ZPA API documentation. A connector enrols itself with a
//! provisioning key, so a deleted connector must be enrolled again.
//!
//! The fields about contact with the service are easily misread. A healthy connector has a disconnect time too: that of
//! its last short interruption. A connector that was never connected has none of the fields.

use jiff::Timestamp;
use serde_json::Value;

use super::action::Action;
use super::part::Part;
use super::schema::{BulkDelete, Column, Form, Resource, facts};
use super::text;
use super::time::{epoch, seconds};
use crate::wire::{Object, Path, quoted};

#[derive(Debug)]
pub(super) struct Connector;

/// The name of the resource in manifests, flags and reports.
pub const NAME: &str = "connector";

/// The column that says since when the connector has been disconnected. A delete spares a connector that was connected
/// after that time.
pub const CONDITION_COLUMN: &str = "disconnected_since";

/// The text in [`CONDITION_COLUMN`] for a connector that has never connected.
pub const NEVER: &str = "never";

static COLUMNS: [Column; 16] = [
    Column::checked("name", "name", text::name).escaped(),
    Column::text("description", "description").escaped(),
    Column::flag("enabled", "enabled"),
    Column::text(CONDITION_COLUMN, "").with(Form::Condition(check_condition)),
    Column::info("status", "controlChannelStatus").also(&["control_channel_status"]),
    Column::info("group", "appConnectorGroupName").also(&["app_connector_group_name"]),
    Column::info("group_id", "appConnectorGroupId").also(&["app_connector_group_id"]),
    Column::info("last_connected", "lastBrokerConnectTime").also(&["last_broker_connect_time"]),
    Column::info("last_disconnected", "lastBrokerDisconnectTime")
        .also(&["last_broker_disconnect_time"]),
    Column::info("created", "creationTime").also(&["creation_time"]),
    Column::info("version", "currentVersion").also(&["current_version"]),
    Column::info("platform", "platform"),
    Column::info("private_ip", "privateIp"),
    Column::info("public_ip", "publicIp"),
    Column::info("location", "location"),
    Column::info("read_only", "readOnly"),
];

/// The contact of a connector with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The connector is connected.
    Connected,
    /// The connector has been disconnected since this time.
    LostAt(Timestamp),
    /// The connector is disconnected, and the time of the disconnection is unknown.
    Lost,
    /// The connector was never connected.
    Never,
    /// The answer does not say.
    Unknown,
}

const CONNECTED: &str = "ZPN_STATUS_AUTHENTICATED";

const DISCONNECTED: &str = "ZPN_STATUS_DISCONNECTED";

impl Contact {
    /// Reads the contact from a live connector. A missing or unreadable time never counts as old (`zpa-api.md`,
    /// section 3).
    #[must_use]
    pub fn of(live: &Object) -> Self {
        let lost_at = live.get("lastBrokerDisconnectTime").and_then(epoch);
        match live.get("controlChannelStatus").and_then(Value::as_str) {
            Some(CONNECTED) => Self::Connected,
            Some(DISCONNECTED) => {
                // A disconnect time before the last connect time belongs to an earlier disconnection.
                let connected_at = live.get("lastBrokerConnectTime").and_then(epoch);
                let lost_at = lost_at.filter(|lost| connected_at.is_none_or(|at| at <= *lost));
                lost_at.map_or(Self::Lost, Self::LostAt)
            }
            None | Some("") => {
                let times = ["lastBrokerConnectTime", "lastBrokerDisconnectTime"];
                if times.iter().any(|wire| is_present(live.get(*wire))) {
                    Self::Unknown
                } else {
                    Self::Never
                }
            }
            Some(_) => Self::Unknown,
        }
    }
}

/// Returns the time at which the connector was enrolled, if the answer has one that can be read.
#[must_use]
pub fn created(live: &Object) -> Option<Timestamp> {
    live.get("creationTime").and_then(epoch)
}

/// Returns the id of the connector's group, or its name if the answer has no id. Returns an empty text if it has neither.
#[must_use]
pub fn group(live: &Object) -> &str {
    let text = |wire: &str| live.get(wire).and_then(Value::as_str);
    text("appConnectorGroupId")
        .or_else(|| text("appConnectorGroupName"))
        .unwrap_or_default()
}

impl Resource for Connector {
    facts! {
        name: &'static str = NAME;
        noun: &'static str = "app connector";
        columns: &'static [Column] = &COLUMNS;
        required: &'static [&'static str] = &["name"];
        actions: &'static [Action] = &[Action::Ensure, Action::Update, Action::Delete];
        uncreatable: Option<&'static str> =
            Some("a connector enrols itself with a provisioning key and cannot be created here");
        bulk_delete: Option<BulkDelete> = Some(BulkDelete {
            path: "connector/bulkDelete",
            list: "ids",
        });
        unechoed: &'static [&'static str] = &["description"];
        words: &'static [(&'static str, &'static str, &'static str)] = &[
            ("controlChannelStatus", "connected", CONNECTED),
            ("controlChannelStatus", "disconnected", DISCONNECTED),
        ];
    }

    fn collection(&self, _part: Option<&Part>) -> Path {
        Path::from("connector")
    }

    /// Fills in an empty description: a write must have one, and answers leave an empty one out.
    fn inferred(&self, wire: &str, live: &Object) -> Option<Value> {
        let absent = wire == "description" && !live.contains_key(wire);
        absent.then(|| Value::String(String::new()))
    }

    fn group<'o>(&self, live: &'o Object) -> Option<&'o str> {
        Some(group(live))
    }

    fn immutable(&self, live: &Object) -> Option<&'static str> {
        let is = |wire: &str| match live.get(wire) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        };
        if is("zscalerManaged") {
            Some("it is managed by Zscaler")
        } else if is("readOnly") {
            Some("it is read-only")
        } else if live.get("restrictionType").and_then(Value::as_str) == Some("DECEPTION") {
            Some("it is managed by Deception")
        } else {
            None
        }
    }

    fn condition_holds(&self, live: &Object, condition: &str) -> Result<(), String> {
        let contact = Contact::of(live);
        let holds = match (condition, contact) {
            (NEVER, Contact::Never) => true,
            (NEVER, _) => false,
            (since, Contact::LostAt(at)) => instant(since).is_some_and(|since| at <= since),
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(match contact {
            Contact::Connected => "it is connected again".to_owned(),
            Contact::LostAt(at) => format!("it was connected again until {at}"),
            Contact::Never | Contact::Lost | Contact::Unknown => {
                "the time of its disconnection is no longer known".to_owned()
            }
        })
    }
}

fn check_condition(text: &str) -> Result<(), String> {
    if text == NEVER || instant(text).is_some() {
        return Ok(());
    }
    Err(format!(
        "{} is not a time; write seconds since 1970, a time like 2026-01-31T12:00:00Z, or {NEVER}",
        quoted(text)
    ))
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| seconds(text))
}

fn is_present(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !matches!(text.as_str(), "" | "0"),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contact(value: &Value) -> Contact {
        Contact::of(value.as_object().unwrap())
    }

    #[test]
    fn lost_at_needs_a_disconnected_status_and_a_time() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let times = json!({"lastBrokerConnectTime": "1690000000", "lastBrokerDisconnectTime": "1700000000"});
        let with = |status: Value, disconnect: Value| {
            let mut live = times.clone();
            live["controlChannelStatus"] = status;
            live["lastBrokerDisconnectTime"] = disconnect;
            contact(&live)
        };
        let (up, down) = (
            json!("ZPN_STATUS_AUTHENTICATED"),
            json!("ZPN_STATUS_DISCONNECTED"),
        );
        assert_eq!(with(up, json!("1700000000")), Contact::Connected);
        assert_eq!(with(down.clone(), json!("1700000000")), Contact::LostAt(at));
        assert_eq!(
            with(down.clone(), json!(1_700_000_000)),
            Contact::LostAt(at)
        );
        for unreadable in [
            json!(null),
            json!(""),
            json!("0"),
            json!("-5"),
            json!("soon"),
            json!(1.5),
        ] {
            assert_eq!(
                with(down.clone(), unreadable.clone()),
                Contact::Lost,
                "{unreadable}"
            );
        }
        assert_eq!(
            with(json!("ZPN_STATUS_NEW"), json!("1700000000")),
            Contact::Unknown
        );
        let mut newer = times.clone();
        newer["controlChannelStatus"] = json!("ZPN_STATUS_DISCONNECTED");
        newer["lastBrokerConnectTime"] = json!("1700000001");
        assert_eq!(
            contact(&newer),
            Contact::Lost,
            "it connected after that time"
        );
        assert_eq!(contact(&times), Contact::Unknown);
        assert_eq!(contact(&json!({"name": "fresh"})), Contact::Never);
    }

    #[test]
    fn a_write_has_the_description_that_answers_leave_out() {
        let kind = crate::resource::Kind::connector();
        let body = |live: Value| {
            let live = live.as_object().unwrap().clone();
            Value::Object(kind.merge(&live, &crate::wire::Fields::default()))
        };
        let empty = json!({"name": "c", "enabled": true});
        assert_eq!(
            body(empty),
            json!({"name": "c", "enabled": true, "description": ""})
        );
        let full = json!({"name": "c", "description": "R&amp;D"});
        assert_eq!(body(full), json!({"name": "c", "description": "R&D"}));
    }

    #[test]
    fn a_condition_fails_once_a_connector_connects_again() {
        let live = |status: &str, at: &str| {
            let live = json!({"controlChannelStatus": status, "lastBrokerDisconnectTime": at});
            live.as_object().unwrap().clone()
        };
        let down = live("ZPN_STATUS_DISCONNECTED", "1700000000");
        for (condition, holds) in [
            ("1700000000", true),
            ("2023-11-14T22:13:20Z", true),
            ("1699999999", false),
            (NEVER, false),
        ] {
            let held = Connector.condition_holds(&down, condition);
            assert_eq!(held.is_ok(), holds, "{condition}: {held:?}");
        }
        let up = live("ZPN_STATUS_AUTHENTICATED", "1700000000");
        assert!(Connector.condition_holds(&up, "1700000000").is_err());
        assert!(Connector.condition_holds(&Object::new(), NEVER).is_ok());
    }
}
