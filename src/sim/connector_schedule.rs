//! The schedule that deletes disconnected connectors (ZPA API documentation, App Connector Management
//! API). A microtenant has at most one. The simulator stores it, but deletes nothing by it.

use serde_json::{Value, json};

use super::call::{Call, Route};
use super::collection::{Id, Microtenant};
use super::fields::{self, Object};
use super::http::Answer;
use super::refusal::Refusal;
use super::scenario::{AbsentSchedule, NumberForm};
use super::tenant::{Schedule, Tenant};

/// The calls on the schedule. There is no `DELETE`.
pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "v1", "connectorSchedule", read),
    Route::new("POST", "v1", "connectorSchedule", create),
    Route::new("PUT", "v1", "connectorSchedule/{id}", update),
];

/// The shortest interval that is accepted, in days.
const SHORTEST_INTERVAL: u64 = 5;

/// The schedule of the Default microtenant as `GET` shows it.
pub(super) fn state(tenant: &Tenant) -> Option<&Object> {
    let schedule = tenant.schedules.get(&Microtenant::DEFAULT);
    schedule.map(|schedule| &schedule.fields)
}

pub(super) fn microtenant_state(tenant: &Tenant) -> Vec<&Object> {
    let schedules = tenant.schedules.iter();
    let others = schedules.filter(|(microtenant, _)| **microtenant != Microtenant::DEFAULT);
    others.map(|(_, schedule)| &schedule.fields).collect()
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    match call.tenant.schedules.get(&call.microtenant) {
        Some(schedule) => Ok(Answer::json(200, &schedule.fields)),
        None => match call.service.scenario.connector_schedule.absent {
            AbsentSchedule::NotFound => Err(Refusal::not_found("connectorSchedule")),
            AbsentSchedule::Empty => Ok(Answer::json(200, &json!({}))),
        },
    }
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = read_body(&call.object()?)?;
    if call.tenant.schedules.contains_key(&call.microtenant) {
        return Err(Refusal::duplicate("connectorSchedule"));
    }
    let id = call.service.ids.next_id();
    store(call, id, fields);
    Ok(Answer::empty(204))
}

/// Replaces the whole schedule. A field that is left out is removed.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let schedule = call.tenant.schedules.get(&call.microtenant);
    let id = schedule.map(|schedule| schedule.id);
    let Some(id) = id.filter(|id| Id::parse(call.param) == Some(*id)) else {
        return Err(Refusal::not_found(call.param));
    };
    let fields = read_body(&call.object()?)?;
    store(call, id, fields);
    Ok(Answer::empty(204))
}

/// Reads a posted schedule. A posted customer id is ignored, because the path names the customer.
fn read_body(body: &Object) -> Result<Object, Refusal> {
    let frequency = fields::required(body, "frequency")?;
    if frequency != "days" {
        let reason = format!("The frequency {frequency} is not supported.");
        return Err(Refusal::bad_request("invalid.frequency", reason));
    }
    let interval = fields::id(body, "frequencyInterval")?
        .ok_or_else(|| Refusal::missing("frequencyInterval"))?;
    let days: Option<u64> = interval
        .parse()
        .ok()
        .filter(|days| *days >= SHORTEST_INTERVAL);
    let days = days.ok_or_else(|| {
        let reason = format!("The frequencyInterval must be at least {SHORTEST_INTERVAL}.");
        Refusal::bad_request("invalid.frequency.interval", reason)
    })?;
    let mut fields = Object::new();
    fields::set(&mut fields, "frequency", frequency);
    fields::set(&mut fields, "frequencyInterval", days.to_string());
    fields::copy_flags(body, &["enabled", "deleteDisabled"], &mut fields)?;
    Ok(fields)
}

fn store(call: &mut Call<'_>, id: Id, mut fields: Object) {
    fields::set(&mut fields, "id", id.to_string());
    fields::set(&mut fields, "customerId", call.customer);
    call.service.add_microtenant(&mut fields, call.microtenant);
    if call.service.scenario.connector_schedule.numbers == NumberForm::Numbers {
        for field in ["id", "customerId", "frequencyInterval"] {
            make_number(&mut fields, field);
        }
    }
    let schedule = Schedule { id, fields };
    call.tenant.schedules.insert(call.microtenant, schedule);
}

fn make_number(fields: &mut Object, field: &str) {
    let text = fields.get(field).and_then(Value::as_str);
    let number: Option<u64> = text.and_then(|text| text.parse().ok());
    if let Some(number) = number {
        fields::set(fields, field, number);
    }
}
