//! Customer domains (ZPA API documentation, Customer Domain Management).
//!
//! Each association type has a list of its own. A domain that is already in the list keeps its id,
//! whatever id is posted.

use serde_json::Value;

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object};
use super::http::Answer;
use super::objects::DomainKey;
use super::refusal::Refusal;
use super::scenario::DomainPost;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "v1", "v2/associationtype/{type}/domains", list),
    Route::new("POST", "v1", "v2/associationtype/{type}/domains", post),
];

/// The association types. A new tenant starts with search suffixes only.
const SEARCH_SUFFIX: &str = "SEARCH_SUFFIX";
const ASSOCIATIONS: [&str; 2] = [SEARCH_SUFFIX, "SHARED"];

/// Gives a new tenant the scenario's search suffixes.
pub(super) fn seed(call: &mut Call<'_>) {
    let key = (call.microtenant, SEARCH_SUFFIX);
    for domain in call.service.scenario.domains.seed.clone() {
        add(call, key, domain);
    }
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = list_key(call)?;
    let answer = Answer::json(200, &call.tenant.listed().domains.list(key));
    call.tenant.domain_reads += 1;
    add_intruder(call, key);
    Ok(answer)
}

/// Adds the domain of another administrator, once, after the reading that the scenario names.
fn add_intruder(call: &mut Call<'_>, key: DomainKey) {
    let rules = &call.service.scenario.domains;
    if call.tenant.domain_reads != rules.intruder_after.get() {
        return;
    }
    if let Some(domain) = rules.intruder.clone() {
        add(call, key, domain);
    }
}

/// Adds a domain that no client posted, unless the list has it already.
fn add(call: &mut Call<'_>, key: DomainKey, domain: String) {
    let mut fields = Object::new();
    fields::set(&mut fields, "domain", domain);
    fields::set(&mut fields, "capture", false);
    let mut list = call.tenant.live.domains.list(key).to_vec();
    if position(&list, &fields).is_none() {
        list.push(complete(call, key, fields, None));
        call.tenant.live.domains.replace(key, list);
    }
}

/// Replaces the whole list or adds to it, as the scenario says.
fn post(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = list_key(call)?;
    let posted = read_posted(&call.objects()?)?;
    for fields in &posted {
        call.refuse_poisoned(domain_of(fields))?;
    }
    let old = call.tenant.live.domains.list(key).to_vec();
    let mut list = match call.service.scenario.domains.post {
        DomainPost::Replace => Vec::new(),
        DomainPost::Add => old.clone(),
    };
    let is_new = |fields: &&Object| position(&list, fields).is_none();
    check_limit(call, list.len() + posted.iter().filter(is_new).count())?;
    for fields in posted {
        let known = position(&old, &fields).and_then(|at| old.get(at));
        let place = position(&list, &fields);
        let fields = complete(call, key, fields, known);
        match place.and_then(|at| list.get_mut(at)) {
            Some(slot) => *slot = fields,
            None => list.push(fields),
        }
    }
    call.tenant.live.domains.replace(key, list);
    Ok(Answer::empty(204))
}

fn check_limit(call: &Call<'_>, count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.domains;
    if u32::try_from(count).is_ok_and(|count| count <= limit) {
        return Ok(());
    }
    let reason = format!("A customer may have {limit} domains of a type, not {count}.");
    Err(Refusal::limit_exceeded(reason))
}

/// The list whose type is in the path.
fn list_key(call: &Call<'_>) -> Result<DomainKey, Refusal> {
    let mut known = ASSOCIATIONS.into_iter();
    let association = known.find(|name| *name == call.param).ok_or_else(|| {
        let reason = format!("There is no association type {}.", call.param);
        Refusal::bad_request("invalid.association.type", reason)
    })?;
    Ok((call.microtenant, association))
}

/// Reads posted domains; a domain that occurs twice is refused.
fn read_posted(posted: &[Object]) -> Result<Vec<Object>, Refusal> {
    let mut domains = Vec::with_capacity(posted.len());
    for object in posted {
        let fields = read_domain(object)?;
        if position(&domains, &fields).is_some() {
            return Err(Refusal::duplicate(domain_of(&fields)));
        }
        domains.push(fields);
    }
    Ok(domains)
}

/// Reads a posted domain. The association type is ignored, because the path names it. A `name` that
/// is not text is ignored, because a vendor's SDK describes it as an object.
fn read_domain(object: &Object) -> Result<Object, Refusal> {
    let domain = fields::required(object, "domain")?;
    if !fields::is_domain(domain) {
        let reason = format!("{domain} is not a domain.");
        return Err(Refusal::bad_request("invalid.domain", reason).with_item(domain));
    }
    let capture = fields::flag(object, "capture")?.unwrap_or(false);
    let name = object.get("name").and_then(Value::as_str);
    let mut fields = Object::new();
    fields::set(&mut fields, "domain", domain);
    fields::set(&mut fields, "capture", capture);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        fields::set(&mut fields, "name", fields::escape(name));
    }
    Ok(fields)
}

/// Fills in the fields that only the server sets. A `known` domain keeps its id and creation time.
fn complete(
    call: &mut Call<'_>,
    key: DomainKey,
    mut fields: Object,
    known: Option<&Object>,
) -> Object {
    let id = known.and_then(|known| Id::parse(known.get("id")?.as_str()?));
    let id = id.unwrap_or_else(|| call.service.ids.next_id());
    let (_, association) = key;
    fields::set(&mut fields, "associationType", association);
    call.stamp(&mut fields, id, known);
    fields
}

/// The position of a domain in a list. The case of domains does not matter.
fn position(list: &[Object], fields: &Object) -> Option<usize> {
    let domain = domain_of(fields);
    let is_same = |other: &Object| domain_of(other).eq_ignore_ascii_case(domain);
    list.iter().position(is_same)
}

fn domain_of(fields: &Object) -> &str {
    let domain = fields.get("domain").and_then(Value::as_str);
    domain.unwrap_or_default()
}
