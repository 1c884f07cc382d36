//! Customer domains (ZPA API documentation, Customer Domain Management).
//!
//! Each association type has a list of its own. A domain that is already in the list keeps its id,
//! whatever id is posted.

use serde_json::Value;

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object};
use super::http::Answer;
use super::refusal::Refusal;
use super::scenario::DomainPost;
use super::tenant::{DomainKey, Tenant};

/// The calls on domains.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        version: "v1",
        path: "v2/associationtype/{type}/domains",
        handler: list,
    },
    Route {
        method: "POST",
        version: "v1",
        path: "v2/associationtype/{type}/domains",
        handler: post,
    },
];

/// The association types. A new tenant starts with search suffixes only.
const SEARCH_SUFFIX: &str = "SEARCH_SUFFIX";
const ASSOCIATIONS: [&str; 2] = [SEARCH_SUFFIX, "SHARED"];

/// A posted domain that is well formed.
struct PostedDomain {
    domain: String,
    capture: bool,
    name: Option<String>,
}

/// Every domain as `GET` shows it.
pub(super) fn state(tenant: &Tenant) -> Vec<&Object> {
    tenant.domains.lists.values().flatten().collect()
}

/// Gives a new tenant the scenario's search suffixes.
pub(super) fn seed(call: &mut Call<'_>) {
    let key = (call.microtenant, SEARCH_SUFFIX);
    for domain in call.service.scenario.domains.seed.clone() {
        add(call, key, domain);
    }
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = list_key(call)?;
    let answer = Answer::json(200, &domain_list(call, key));
    call.tenant.domains.reads += 1;
    add_intruder(call, key);
    Ok(answer)
}

/// Adds the domain of another administrator, once, after the reading that the scenario names.
fn add_intruder(call: &mut Call<'_>, key: DomainKey) {
    let rules = &call.service.scenario.domains;
    if call.tenant.domains.reads != rules.intruder_after.get() {
        return;
    }
    if let Some(domain) = rules.intruder.clone() {
        add(call, key, domain);
    }
}

/// Adds a domain that no client posted, unless the list has it already.
fn add(call: &mut Call<'_>, key: DomainKey, domain: String) {
    let mut list = domain_list(call, key).to_vec();
    if position(&list, &domain).is_none() {
        let posted = PostedDomain {
            domain,
            capture: false,
            name: None,
        };
        list.push(complete(call, key, posted, None));
        call.tenant.domains.lists.insert(key, list);
    }
}

/// Replaces the whole list or adds to it, as the scenario says.
fn post(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = list_key(call)?;
    let domains = read_posted(&call.objects()?)?;
    for posted in &domains {
        call.refuse_poisoned(&posted.domain)?;
    }
    let old = domain_list(call, key).to_vec();
    let mut list = match call.service.scenario.domains.post {
        DomainPost::Replace => Vec::new(),
        DomainPost::Add => old.clone(),
    };
    let new = domains
        .iter()
        .filter(|posted| position(&list, &posted.domain).is_none());
    check_room(call, list.len() + new.count())?;
    for posted in domains {
        let known = position(&old, &posted.domain).and_then(|at| old.get(at));
        let place = position(&list, &posted.domain);
        let fields = complete(call, key, posted, known);
        match place.and_then(|at| list.get_mut(at)) {
            Some(slot) => *slot = fields,
            None => list.push(fields),
        }
    }
    call.tenant.domains.lists.insert(key, list);
    Ok(Answer::empty(204))
}

fn check_room(call: &Call<'_>, count: usize) -> Result<(), Refusal> {
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

fn domain_list<'c>(call: &'c Call<'_>, key: DomainKey) -> &'c [Object] {
    let list = call.tenant.domains.lists.get(&key);
    list.map_or(&[], Vec::as_slice)
}

fn read_posted(posted: &[Object]) -> Result<Vec<PostedDomain>, Refusal> {
    let mut domains: Vec<PostedDomain> = Vec::with_capacity(posted.len());
    for object in posted {
        let posted = PostedDomain::read(object)?;
        if domains
            .iter()
            .any(|other| is_same(&other.domain, &posted.domain))
        {
            return Err(Refusal::duplicate(&posted.domain));
        }
        domains.push(posted);
    }
    Ok(domains)
}

impl PostedDomain {
    /// Reads a posted domain. The association type is ignored, because the path names it. A `name` that
    /// is not text is ignored, because a vendor's SDK describes it as an object.
    fn read(object: &Object) -> Result<Self, Refusal> {
        let domain = fields::required(object, "domain")?;
        if !fields::is_domain(domain) {
            let reason = format!("{domain} is not a domain.");
            return Err(Refusal::bad_request("invalid.domain", reason).with_item(domain));
        }
        let name = object.get("name").and_then(Value::as_str);
        Ok(Self {
            domain: domain.to_owned(),
            capture: fields::flag(object, "capture")?.unwrap_or(false),
            name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }
}

/// A domain as answers show it. It keeps the id and the creation time of a `known` one.
fn complete(
    call: &mut Call<'_>,
    key: DomainKey,
    posted: PostedDomain,
    known: Option<&Object>,
) -> Object {
    let mut fields = Object::new();
    fields.insert("domain".to_owned(), posted.domain.into());
    fields.insert("capture".to_owned(), posted.capture.into());
    if let Some(name) = posted.name {
        fields.insert("name".to_owned(), fields::escape(&name).into());
    }
    let (microtenant, association) = key;
    fields.insert("associationType".to_owned(), association.into());
    call.service.add_microtenant(&mut fields, microtenant);
    let was = |field| known.and_then(|known| known.get(field));
    let id = was("id").and_then(Value::as_str).and_then(Id::parse);
    let id = id.unwrap_or_else(|| call.service.ids.next_id());
    let created = was("creationTime").cloned();
    let created = created.unwrap_or_else(|| call.time.to_string().into());
    call.service.stamp(&mut fields, id, created, call.time);
    fields
}

fn position(list: &[Object], domain: &str) -> Option<usize> {
    let shown = |object: &Object| {
        let shown = object.get("domain").and_then(Value::as_str);
        shown.is_some_and(|shown| is_same(shown, domain))
    };
    list.iter().position(shown)
}

/// Compares domains, ignoring case.
fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
