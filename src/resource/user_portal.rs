//! User portals: the pages on which employees find their links.
//!
//! Rules: "Configuring User Portals Using API" of the ZPA API documentation. A portal's certificate is either managed by
//! Zscaler or the organization's own. A request says which with `managedByZs`; answers never have that field. The server
//! rewrites the domain of a portal whose certificate Zscaler manages.

use std::borrow::Cow;

use serde_json::Value;

use super::part::Part;
use super::schema::{Column, Resource, facts};
use super::text;
use crate::wire::{FieldValue, Fields, Object, Path};

#[derive(Debug)]
pub(super) struct UserPortal;

const MANAGED: &str = "managedByZs";

static COLUMNS: [Column; 12] = [
    Column::checked("name", "name", text::portal_name).escaped(),
    Column::text("description", "description").escaped(),
    Column::flag("enabled", "enabled"),
    Column::flag("managed_by_zs", MANAGED),
    Column::text("cert_managed_by_zs_radio", "certManagedByZsRadio"),
    Column::checked("certificate_id", "certificateId", text::digits).numeric(),
    Column::checked("domain", "domain", text::https_host),
    Column::checked("ext_label", "extLabel", text::label),
    Column::text("ext_domain", "extDomain"),
    Column::text("user_notification", "userNotification").escaped(),
    Column::flag("user_notification_enabled", "userNotificationEnabled"),
    Column::text("image_data", "imageData"),
];

/// The values of fields that a manifest does not name.
const DEFAULTS: [(&str, FieldValue<'static>); 2] = [
    ("enabled", FieldValue::Flag(true)),
    (MANAGED, FieldValue::Flag(true)),
];

impl Resource for UserPortal {
    facts! {
        name: &'static str = "user-portal";
        noun: &'static str = "user portal";
        columns: &'static [Column] = &COLUMNS;
        required: &'static [&'static str] = &["name"];
        defaults: &'static [(&'static str, FieldValue<'static>)] = &DEFAULTS;
        server_fields: &'static [&'static str] = &[
            "creationTime",
            "modifiedTime",
            "modifiedBy",
            "extDomainName",
            "extDomainTranslation",
            "certificateName",
            "getcName",
            "scopeName",
            "microtenantName",
        ];
        unechoed: &'static [&'static str] = &[MANAGED];
    }

    fn collection(&self, _part: Option<&Part>) -> Path {
        Path::from("userPortal")
    }

    /// Checks the certificate: a portal with a certificate of its own needs the certificate's id and a domain.
    fn check(&self, values: &Fields<'_>, creates: bool) -> Result<(), (&'static str, String)> {
        let given = |wire: &str| values.text(wire).is_some_and(|text| !text.is_empty());
        match values.find(MANAGED) {
            Some(FieldValue::Flag(false)) => {
                let lacking = ["certificateId", "domain"].into_iter();
                match lacking.filter(|_| creates).find(|wire| !given(wire)) {
                    Some(wire) => Err((
                        wire,
                        "a portal whose certificate Zscaler does not manage needs it".to_owned(),
                    )),
                    None => Ok(()),
                }
            }
            Some(FieldValue::Flag(true)) if given("certificateId") => Err((
                "certificateId",
                "a portal whose certificate Zscaler manages has none of its own".to_owned(),
            )),
            None if creates && given("certificateId") => Err((
                MANAGED,
                "write false here for a portal with a certificate of its own".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn normalise<'v>(&self, wire: &str, text: &'v str) -> Cow<'v, str> {
        match wire {
            "domain" | "extDomain" => {
                let text = text.to_ascii_lowercase();
                let host = text.strip_prefix("https://").unwrap_or(&text);
                Cow::Owned(host.trim_end_matches('/').to_owned())
            }
            _ => Cow::Borrowed(text),
        }
    }

    fn inferred(&self, wire: &str, live: &Object) -> Option<Value> {
        (wire == MANAGED).then(|| Value::Bool(is_managed(live)))
    }

    /// Empties certificate and domain of a portal whose certificate Zscaler manages, like the documented example. The
    /// server makes the domain itself.
    fn finish(&self, body: &mut Object) {
        if body.get(MANAGED) == Some(&Value::Bool(true)) {
            for wire in ["certificateId", "domain"] {
                body.insert(wire.to_owned(), Value::String(String::new()));
            }
        }
    }

    fn rewritten(&self, wire: &str, live: &Object, row: &Fields<'_>) -> bool {
        let managed = match row.find(MANAGED) {
            Some(FieldValue::Flag(managed)) => *managed,
            _ => is_managed(live),
        };
        match wire {
            "domain" => managed,
            // The chosen kind of certificate, which answers leave out.
            "certManagedByZsRadio" => !live.contains_key(wire),
            _ => false,
        }
    }
}

/// Says whether Zscaler manages the certificate of a live portal: it does if the portal has none of its own.
fn is_managed(live: &Object) -> bool {
    match live.get("certificateId") {
        Some(Value::String(id)) => id.is_empty() || id == "0",
        Some(Value::Number(id)) => id.as_u64() == Some(0),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::*;
    use crate::wire::Id;

    fn kind() -> Kind {
        Kind::user_portal()
    }

    fn fields(pairs: &[(&'static str, FieldValue<'static>)]) -> Fields<'static> {
        let owned = |(wire, value): &(&'static str, FieldValue<'static>)| {
            (Cow::Borrowed(*wire), value.clone())
        };
        Fields(pairs.iter().map(owned).collect())
    }

    fn live(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn values_that_the_server_rewrites_do_not_differ() {
        let managed = live(&json!({
            "id": "1", "name": "Staff", "domain": "staff-acme-com.p.zscalerportal.net",
            "extDomainName": "acme-com.p.zscalerportal.net",
        }));
        let row = fields(&[
            (MANAGED, FieldValue::Flag(true)),
            ("domain", FieldValue::Text("staff.acme.com".into())),
            ("certManagedByZsRadio", FieldValue::Text("managed".into())),
        ]);
        assert_eq!(kind().differing(&managed, row), Fields::default());
    }

    #[test]
    fn a_change_of_who_manages_the_certificate_is_seen() {
        let managed = live(&json!({"id": "1", "domain": "x.p.zscalerportal.net"}));
        let own = live(&json!({"id": "1", "domain": "portal.acme.com", "certificateId": "7"}));
        let to_own = fields(&[
            (MANAGED, FieldValue::Flag(false)),
            (
                "domain",
                FieldValue::Text("https://Portal.acme.com/".into()),
            ),
            ("certificateId", FieldValue::Text("7".into())),
        ]);
        assert_eq!(kind().differing(&managed, to_own.clone()), to_own);
        assert_eq!(kind().differing(&own, to_own), Fields::default());
        let to_managed = fields(&[(MANAGED, FieldValue::Flag(true))]);
        assert_eq!(kind().differing(&own, to_managed.clone()), to_managed);
    }

    #[test]
    fn a_replacement_says_who_manages_the_certificate() {
        let own = live(&json!({"id": "1", "name": "Staff", "certificateId": "7"}));
        let set = fields(&[("description", FieldValue::Text("new".into()))]);
        let request = kind().replace(&Id::from(1), None, &own, &set);
        let body = request.body.unwrap();
        assert_eq!(body["managedByZs"], json!(false));
        assert_eq!(body["certificateId"], json!("7"));
    }

    #[test]
    fn a_portal_that_becomes_managed_loses_its_own_domain() {
        let own = live(
            &json!({"id": "1", "name": "Staff", "certificateId": "7", "domain": "a.acme.com"}),
        );
        let set = fields(&[(MANAGED, FieldValue::Flag(true))]);
        let body = kind().replace(&Id::from(1), None, &own, &set).body.unwrap();
        assert_eq!(
            (&body["certificateId"], &body["domain"]),
            (&json!(""), &json!(""))
        );
    }

    #[test]
    fn an_own_certificate_needs_its_id_and_its_domain() {
        let custom = |extra: &[(&'static str, FieldValue<'static>)]| {
            let mut all = vec![(MANAGED, FieldValue::Flag(false))];
            all.extend_from_slice(extra);
            UserPortal
                .check(&fields(&all), true)
                .map_err(|(wire, _)| wire)
        };
        let id = ("certificateId", FieldValue::Text("7".into()));
        let domain = ("domain", FieldValue::Text("portal.acme.com".into()));
        assert_eq!(custom(&[]), Err("certificateId"));
        assert_eq!(custom(std::slice::from_ref(&id)), Err("domain"));
        assert_eq!(custom(&[id.clone(), domain]), Ok(()));
        assert!(UserPortal.check(&fields(&[id]), true).is_err());
    }
}
