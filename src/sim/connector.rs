//! App connectors (ZPA API documentation, App Connector Management API).
//!
//! Connectors enrol themselves, so the API cannot create any; `connector_seed.rs` adds those of the scenario. A
//! client may write four fields: the name, the description, the enabled flag and the access list.

use std::collections::HashSet;

use serde_json::Value;

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object, Posted};
use super::http::Answer;
use super::listing::ListQuery;
use super::refusal::Refusal;
use super::scenario::Treatment;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "v1", "connector", list),
    Route::new("POST", "v1", "connector/bulkDelete", delete_bulk),
    Route::new("GET", "v1", "connector/{connectorId}", read),
    Route::new("PUT", "v1", "connector/{connectorId}", update),
    Route::new("DELETE", "v1", "connector/{connectorId}", delete),
];

pub(super) const CONNECTED: &str = "ZPN_STATUS_AUTHENTICATED";
pub(super) const DISCONNECTED: &str = "ZPN_STATUS_DISCONNECTED";

/// The fields that a `PUT` replaces.
const WRITABLE: [&str; 4] = ["name", "description", "enabled", "ipAcl"];

/// The fields that protect a connector from changes. It is protected if one of them is true.
pub(super) const READ_ONLY: &str = "readOnly";
pub(super) const ZSCALER_MANAGED: &str = "zscalerManaged";

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let connectors = &call.tenant.listed().connectors;
    let ids = connectors.ids(call.microtenant);
    let page = ListQuery::parse_sorted(&call.query)?.page(ids, connectors);
    let answer = page.answer(|id| connectors.fields(id));
    for id in page.ids {
        reconnect(call, id);
    }
    Ok(answer)
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.connectors)?;
    let answer = Answer::json(200, &call.tenant.live.connectors.fields(id));
    reconnect(call, id);
    Ok(answer)
}

/// Replaces the fields that a client may write. Only the access list may be missing, and is removed then.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing_unprotected(call)?;
    let body = call.object()?;
    let posted = read_connector(&body).map_err(|refusal| refusal.with_name_of(&body))?;
    call.refuse_poisoned(&posted.name)?;
    let old = call.tenant.live.connectors.fields(id);
    let mut fields = old.cloned().unwrap_or_default();
    fields.retain(|field, _| !WRITABLE.contains(&field.as_str()));
    fields.extend(posted.fields);
    call.stamp(&mut fields, id, old);
    call.tenant.live.connectors.replace(id, posted.name, fields);
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
        let Some(id) = call.tenant.live.connectors.find(&text, call.microtenant) else {
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

fn read_connector(body: &Object) -> Result<Posted, Refusal> {
    let name = fields::required(body, "name")?.trim().to_owned();
    // The documentation requires both. An empty description is allowed.
    for field in ["description", "enabled"] {
        if !body.contains_key(field) {
            return Err(Refusal::missing(field));
        }
    }
    let mut fields = Object::new();
    fields::set(&mut fields, "name", fields::escape(&name));
    fields::copy_escaped(body, "description", &mut fields)?;
    fields::copy_flags(body, &["enabled"], &mut fields)?;
    let access = fields::list(body, "ipAcl")?;
    if !access.is_empty() {
        fields::set(&mut fields, "ipAcl", access);
    }
    Ok(Posted { name, fields })
}

/// The connector whose id is in the path, if it is not protected.
fn existing_unprotected(call: &Call<'_>) -> Result<Id, Refusal> {
    let id = call.existing(&call.tenant.live.connectors)?;
    if is_protected(call, id) {
        let reason = "The connector is read-only or managed by Zscaler.";
        return Err(Refusal::bad_request("resource.read.only", reason).with_item(call.param));
    }
    Ok(id)
}

fn is_protected(call: &Call<'_>, id: Id) -> bool {
    let is_true = |field| {
        let fields = call.tenant.live.connectors.fields(id);
        fields.and_then(|fields| fields.get(field)) == Some(&Value::Bool(true))
    };
    is_true(READ_ONLY) || is_true(ZSCALER_MANAGED)
}

/// Connects a connector again that was just read, if the scenario chose it. The time of its last
/// disconnection stays as it is.
fn reconnect(call: &mut Call<'_>, id: Id) {
    if !call.tenant.reconnecting.remove(&id) {
        return;
    }
    if let Some(fields) = call.tenant.live.connectors.fields_mut(id) {
        fields::set(fields, "controlChannelStatus", CONNECTED);
        fields::set(fields, "lastBrokerConnectTime", call.time.to_string());
    }
}

/// Removes a connector. An unknown id is ignored.
pub(super) fn remove(call: &mut Call<'_>, id: Id) {
    call.tenant.live.connectors.remove(id);
    call.tenant.reconnecting.remove(&id);
}
