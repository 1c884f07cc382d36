//! App connectors (ZPA API documentation, App Connector Management API).
//!
//! Connectors enrol themselves, so the API cannot create any; `connector_seed.rs` adds those of the scenario. A
//! client may write four fields: the name, the description, the enabled flag and the access list.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::call::{Call, Route};
use super::collection::{Id, Record};
use super::fields::{self, Object};
use super::http::Answer;
use super::listing::ListQuery;
use super::refusal::Refusal;
use super::scenario::Treatment;
use super::tenant::Tenant;

/// The calls on connectors.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        version: "v1",
        path: "connector",
        handler: list,
    },
    Route {
        method: "POST",
        version: "v1",
        path: "connector/bulkDelete",
        handler: delete_bulk,
    },
    Route {
        method: "GET",
        version: "v1",
        path: "connector/{connectorId}",
        handler: read,
    },
    Route {
        method: "PUT",
        version: "v1",
        path: "connector/{connectorId}",
        handler: update,
    },
    Route {
        method: "DELETE",
        version: "v1",
        path: "connector/{connectorId}",
        handler: delete,
    },
];

/// The values of `controlChannelStatus`.
pub(super) const CONNECTED: &str = "ZPN_STATUS_AUTHENTICATED";
pub(super) const DISCONNECTED: &str = "ZPN_STATUS_DISCONNECTED";

/// The fields that a `PUT` replaces.
const WRITABLE: [&str; 4] = ["name", "description", "enabled", "ipAcl"];

/// The fields that protect a connector from changes. It is protected if one of them is true.
pub(super) const READ_ONLY: &str = "readOnly";
pub(super) const ZSCALER_MANAGED: &str = "zscalerManaged";

/// Every connector as `GET` shows it, in order of creation.
pub(super) fn state(tenant: &Tenant) -> Vec<&Object> {
    let ids = tenant.connectors.all_ids().into_iter();
    ids.filter_map(|id| shown(tenant, id)).collect()
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let tenant = &*call.tenant;
    let ids = tenant.connectors.ids(call.microtenant);
    let page = ListQuery::parse_sorted(&call.query)?.page(ids, &tenant.connectors);
    let answer = page.answer(|id| shown(tenant, id));
    for id in page.ids {
        reconnect(call, id);
    }
    Ok(answer)
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing(call)?;
    let answer = Answer::json(200, &shown(call.tenant, id));
    reconnect(call, id);
    Ok(answer)
}

/// Replaces the fields that a client may write. Only the access list may be missing, and is removed then.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing_unprotected(call)?;
    let body = call.object()?;
    let (name, written) =
        read_body(&body).map_err(|refusal| refusal.with_item(fields::name_of(&body)))?;
    call.refuse_poisoned(&name)?;
    let mut fields = shown(call.tenant, id).cloned().unwrap_or_default();
    fields.retain(|field, _| !WRITABLE.contains(&field.as_str()));
    fields.extend(written);
    let created = fields.get("creationTime").cloned().unwrap_or_default();
    call.service.stamp(&mut fields, id, created, call.time);
    call.tenant.connectors.replace(id, name, fields);
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing_unprotected(call)?;
    remove(call, id);
    Ok(Answer::empty(204))
}

/// Deletes many connectors at once. The answer has no body, so it does not say which ones.
fn delete_bulk(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.object()?;
    for id in to_delete(call, &body)? {
        remove(call, id);
    }
    Ok(Answer::empty(200))
}

/// The connectors that a bulk call deletes.
///
/// # Errors
/// Refuses the whole call if it has an id that the scenario does not ignore.
fn to_delete(call: &Call<'_>, body: &Object) -> Result<HashSet<Id>, Refusal> {
    let items = fields::list(body, "ids")?;
    if items.is_empty() {
        return Err(Refusal::missing("ids"));
    }
    let rules = &call.service.scenario.bulk_delete;
    let mut to_delete = HashSet::new();
    for item in items {
        let text = fields::id_text(item).ok_or_else(|| fields::wrong_type("ids"))?;
        let id = Id::parse(&text).filter(|id| exists(call, *id));
        let Some(id) = id else {
            refuse_unless_ignored(rules.unknown_ids, "resource.not.found", &text)?;
            continue;
        };
        if is_protected(call, id) {
            refuse_unless_ignored(rules.read_only, "resource.read.only", &text)?;
        } else if !to_delete.insert(id) {
            refuse_unless_ignored(rules.repeated_ids, "duplicate.id", &text)?;
        }
    }
    Ok(to_delete)
}

/// Refuses an id that cannot be deleted, unless the scenario ignores it.
fn refuse_unless_ignored(
    treatment: Treatment,
    refusal: &'static str,
    item: &str,
) -> Result<(), Refusal> {
    match treatment {
        Treatment::Ignore => Ok(()),
        Treatment::Refuse => {
            let reason = format!("The connector {item} cannot be deleted; none was.");
            Err(Refusal::bad_request(refusal, reason).with_item(item))
        }
    }
}

/// Reads a posted connector: its name, and its fields as answers show them.
fn read_body(body: &Object) -> Result<(String, Object), Refusal> {
    let name = fields::required(body, "name")?.trim().to_owned();
    // The documentation requires both. An empty description is allowed.
    if let Some(missing) = ["description", "enabled"]
        .into_iter()
        .find(|field| !body.contains_key(*field))
    {
        return Err(Refusal::missing(missing));
    }
    let mut written = Map::new();
    written.insert("name".to_owned(), fields::escape(&name).into());
    if let Some(description) = fields::text(body, "description")? {
        let shown = fields::escape(description).into();
        written.insert("description".to_owned(), shown);
    }
    fields::copy_flags(body, &["enabled"], &mut written)?;
    let access = fields::list(body, "ipAcl")?;
    if !access.is_empty() {
        written.insert("ipAcl".to_owned(), access.into());
    }
    Ok((name, written))
}

/// The connector whose id is in the path.
fn existing(call: &Call<'_>) -> Result<Id, Refusal> {
    let id = call.id()?;
    let known = exists(call, id).then_some(id);
    known.ok_or_else(|| Refusal::not_found(call.param))
}

/// The connector whose id is in the path, if it is not protected.
fn existing_unprotected(call: &Call<'_>) -> Result<Id, Refusal> {
    let id = existing(call)?;
    if is_protected(call, id) {
        let reason = "The connector is read-only or managed by Zscaler.";
        return Err(Refusal::bad_request("resource.read.only", reason).with_item(call.param));
    }
    Ok(id)
}

fn exists(call: &Call<'_>, id: Id) -> bool {
    let found = call.tenant.connectors.find(id, call.microtenant);
    found.is_some()
}

fn is_protected(call: &Call<'_>, id: Id) -> bool {
    let is_true =
        |fields: &Object, protection: &str| fields.get(protection) == Some(&Value::Bool(true));
    shown(call.tenant, id)
        .is_some_and(|fields| is_true(fields, READ_ONLY) || is_true(fields, ZSCALER_MANAGED))
}

/// Connects a connector again that was just read, if the scenario chose it. The time of its last
/// disconnection stays as it is.
fn reconnect(call: &mut Call<'_>, id: Id) {
    if !call.tenant.reconnecting.remove(&id) {
        return;
    }
    let Some(record) = call.tenant.connectors.record(id) else {
        return;
    };
    let (name, mut fields) = (record.name.clone(), record.fields.clone());
    fields.insert("controlChannelStatus".to_owned(), CONNECTED.into());
    let now = call.time.to_string();
    fields.insert("lastBrokerConnectTime".to_owned(), now.into());
    call.tenant.connectors.replace(id, name, fields);
}

fn remove(call: &mut Call<'_>, id: Id) {
    call.tenant.connectors.remove(id);
    call.tenant.reconnecting.remove(&id);
}

/// Adds a connector that has enrolled.
pub(super) fn add(call: &mut Call<'_>, id: Id, name: String, fields: Object) {
    let microtenant = call.microtenant;
    let record = Record {
        microtenant,
        name,
        fields,
    };
    call.tenant.connectors.insert(id, record);
}

fn shown(tenant: &Tenant, id: Id) -> Option<&Object> {
    tenant.connectors.record(id).map(|record| &record.fields)
}
