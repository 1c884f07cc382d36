//! User portal links (ZPA API documentation, User Portal Link Management).

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object, Posted};
use super::http::Answer;
use super::listing::ListQuery;
use super::refusal::Refusal;
use super::scenario::{BadItems, BulkAnswer, BulkOrder};
use super::tenant::Tenant;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "v1", "userPortalLink", list),
    Route::new("POST", "v1", "userPortalLink", create),
    Route::new(
        "GET",
        "v1",
        "userPortalLink/userPortal/{portalId}",
        list_of_portal,
    ),
    Route::new("GET", "v1", "userPortalLink/{id}", read),
    Route::new("PUT", "v1", "userPortalLink/{id}", update),
    Route::new("DELETE", "v1", "userPortalLink/{id}", delete),
    Route::new("POST", "v2", "userPortalLink/bulk", create_bulk),
];

/// A link as an answer shows it. `P` is the form of its portals.
#[derive(Serialize)]
pub(super) struct LinkView<'a, P> {
    #[serde(flatten)]
    fields: &'a Object,
    #[serde(rename = "userPortals", skip_serializing_if = "Vec::is_empty")]
    portals: Vec<P>,
}

/// A portal as the answer to a `POST` shows it.
#[derive(Serialize)]
struct PortalRef<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<&'a Value>,
}

/// The documented answer to a bulk call: the posted wrapper, with ids.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkBody<'a> {
    user_portal_links: Vec<&'a Object>,
    user_portals: Vec<PortalRef<'a>>,
}

/// Every link as `GET` shows it, in order of creation.
pub(super) fn state(tenant: &Tenant) -> Vec<LinkView<'_, &Object>> {
    let ids = tenant.links.all_ids();
    ids.filter_map(|id| view(tenant, id)).collect()
}

/// Gives a new tenant the scenario's links, spread evenly over its portals.
pub(super) fn seed(call: &mut Call<'_>) {
    let portals = call.tenant.portals.ids(call.microtenant).to_vec();
    let mut next_portal = portals.chunks(1).cycle();
    for number in 1..=call.service.scenario.tenant.links {
        let link = format!("seeded-{number:04}.example.com");
        let posted = json!({"name": format!("Seeded Link {number:04}"), "link": link, "protocol": "https://", "enabled": true});
        if let Some(Ok(link)) = posted.as_object().map(read_link) {
            add(call, link, next_portal.next().unwrap_or_default());
        }
    }
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let tenant = &*call.tenant;
    let ids = tenant.links.ids(call.microtenant);
    let page = ListQuery::parse(&call.query)?.page(ids, &tenant.links);
    Ok(page.answer(|id| view(tenant, id)))
}

/// Lists the links of one portal. A link and its portals are in the same microtenant, so the caller may
/// see all of them.
fn list_of_portal(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let tenant = &*call.tenant;
    let portal = call.existing(&tenant.portals)?;
    let ids = tenant.attachments.links_of(portal);
    let page = ListQuery::parse(&call.query)?.page(ids, &tenant.links);
    Ok(page.answer(|id| view(tenant, id)))
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.links)?;
    Ok(Answer::json(200, &view(call.tenant, id)))
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (link, portals) = posted_link(call, None)?;
    check_limits(call, &portals, 1)?;
    let id = add(call, link, &portals);
    Ok(Answer::json(201, &created_view(call.tenant, id)))
}

/// Replaces the whole link. A field that is left out is removed.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.links)?;
    let (mut link, portals) = posted_link(call, Some(id))?;
    let attached = call.tenant.attachments.portals_of(id);
    let mut added = portals.clone();
    added.retain(|portal| !attached.contains(portal));
    check_portal_limit(call, &added, 1)?;
    call.stamp(&mut link.fields, id, call.tenant.links.fields(id));
    call.tenant.links.replace(id, link.name, link.fields);
    call.tenant.attachments.attach(id, &portals);
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.links)?;
    call.tenant.links.remove(id);
    call.tenant.attachments.detach(id);
    Ok(Answer::empty(204))
}

/// Creates many links at once. The call names the portals once, for all of its links.
fn create_bulk(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.object()?;
    let items = batch(&body, call.service.scenario.bulk.max.get())?;
    let portals = portals_of_body(call, &body)?;
    let (links, refusal) = validate_batch(call, items);
    let rules = &call.service.scenario.bulk;
    let refusal = match rules.bad_items {
        BadItems::Named => refusal,
        BadItems::Unnamed => refusal.map(Refusal::without_item),
        BadItems::Unsaid => None,
    };
    if rules.atomic
        && let Some(refusal) = refusal
    {
        return Err(refusal);
    }
    check_limits(call, &portals, links.len())?;
    let links = links.into_iter();
    let ids = links.map(|link| add(call, link, &portals)).collect();
    refusal.map_or_else(|| Ok(bulk_answer(call, ids, &portals)), Err)
}

/// The items of a batch. An empty or too large batch is refused.
fn batch(body: &Object, max: u32) -> Result<&[Value], Refusal> {
    let items = fields::list(body, "userPortalLinks")?;
    if items.is_empty() {
        let reason = "The field userPortalLinks holds no link.";
        return Err(Refusal::bad_request("bulk.empty", reason));
    }
    let count = items.len();
    if !fits(0, count, max) {
        let reason = format!("A call may create {max} links at most, not {count}.");
        return Err(Refusal::bad_request("bulk.too.many", reason));
    }
    Ok(items)
}

/// The valid items of a batch, and the refusal of the first invalid one.
fn validate_batch(call: &Call<'_>, items: &[Value]) -> (Vec<Posted>, Option<Refusal>) {
    let mut names = HashSet::new();
    let (mut valid, mut invalid) = (Vec::with_capacity(items.len()), None);
    for item in items {
        match validate_item(call, item, &mut names) {
            Ok(link) => valid.push(link),
            Err(refusal) => invalid = invalid.or(Some(refusal)),
        }
    }
    (valid, invalid)
}

/// Checks one item of a batch. `names` are those of the valid items before it.
fn validate_item(
    call: &Call<'_>,
    item: &Value,
    names: &mut HashSet<String>,
) -> Result<Posted, Refusal> {
    let item = item.as_object();
    let item = item.ok_or_else(|| fields::wrong_type("userPortalLinks"))?;
    let link = read_link(item).map_err(|refusal| refusal.with_name_of(item))?;
    call.check_name(&call.tenant.links, &link.name, None)?;
    if !names.insert(link.name.clone()) && call.service.scenario.bulk.unique_names {
        return Err(Refusal::duplicate(&link.name));
    }
    Ok(link)
}

/// Reads and checks the posted link and its portals. `replaced` is the link that it replaces.
fn posted_link(call: &Call<'_>, replaced: Option<Id>) -> Result<(Posted, Vec<Id>), Refusal> {
    let body = call.object()?;
    let checked = read_link(&body).and_then(|link| {
        call.check_name(&call.tenant.links, &link.name, replaced)?;
        Ok((link, portals_of_body(call, &body)?))
    });
    checked.map_err(|refusal| refusal.with_name_of(&body))
}

fn read_link(body: &Object) -> Result<Posted, Refusal> {
    let posted = fields::required(body, "name")?;
    check_link(fields::required(body, "link")?)?;
    check_protocol(fields::text(body, "protocol")?)?;
    let name = posted.trim().to_owned();
    let mut fields = Object::new();
    fields::set(&mut fields, "name", fields::escape(&name));
    fields::set(&mut fields, "nameWithoutTrim", posted);
    fields::copy_escaped(body, "description", &mut fields)?;
    let texts = ["link", "linkPath", "protocol", "iconText"];
    fields::copy_text(body, &texts, &mut fields)?;
    fields::copy_flags(body, &["enabled"], &mut fields)?;
    if let Some(application) = fields::id(body, "applicationId")? {
        fields::set(&mut fields, "applicationId", application);
    }
    Ok(Posted { name, fields })
}

/// Refuses a link with a scheme or a path. A link is a host name or an IP address.
fn check_link(link: &str) -> Result<(), Refusal> {
    if link.contains('/') {
        let reason = "The link must be an FQDN or an IP address, without scheme or path.";
        return Err(Refusal::bad_request("invalid.link", reason));
    }
    Ok(())
}

fn check_protocol(protocol: Option<&str>) -> Result<(), Refusal> {
    match protocol {
        None | Some("https://" | "http://") => Ok(()),
        Some(other) => {
            let reason = format!("The protocol {other} is not supported.");
            Err(Refusal::bad_request("invalid.protocol", reason))
        }
    }
}

/// The portals that a body names, in `userPortals` or `userPortalId`, without repetitions. An unknown
/// portal is refused with 400, though it would be 404 in a path.
fn portals_of_body(call: &Call<'_>, body: &Object) -> Result<Vec<Id>, Refusal> {
    let mut named = Vec::new();
    for portal in fields::list(body, "userPortals")? {
        let portal = portal.as_object();
        let portal = portal.ok_or_else(|| fields::wrong_type("userPortals"))?;
        named.push(fields::id(portal, "id")?.ok_or_else(|| Refusal::missing("userPortals.id"))?);
    }
    named.extend(fields::id(body, "userPortalId")?);
    let mut portals = Vec::with_capacity(named.len());
    for text in named {
        let Some(id) = call.tenant.portals.find(&text, call.microtenant) else {
            let reason = format!("User portal not found: {text}.");
            return Err(Refusal::bad_request("resource.not.found", reason));
        };
        if !portals.contains(&id) {
            portals.push(id);
        }
    }
    Ok(portals)
}

/// Refuses `count` new links if they would exceed a limit of the tenant or of a portal.
fn check_limits(call: &Call<'_>, portals: &[Id], count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links;
    if !fits(call.tenant.links.len(), count, limit) {
        let reason = format!("An organization may have {limit} user portal links.");
        return Err(Refusal::limit_exceeded(reason));
    }
    check_portal_limit(call, portals, count)
}

fn check_portal_limit(call: &Call<'_>, portals: &[Id], count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links_per_portal;
    let attachments = &call.tenant.attachments;
    let has_room = |portal: &Id| fits(attachments.links_of(*portal).len(), count, limit);
    if !portals.iter().all(has_room) {
        let reason = format!("A user portal may have {limit} links.");
        return Err(Refusal::limit_exceeded(reason));
    }
    Ok(())
}

/// Returns true if `count` more fit. No more always fit, even if the tenant started above the limit.
fn fits(present: usize, count: usize, limit: u32) -> bool {
    count == 0 || u32::try_from(present.saturating_add(count)).is_ok_and(|total| total <= limit)
}

fn add(call: &mut Call<'_>, mut link: Posted, portals: &[Id]) -> Id {
    let id = call.service.ids.next_id();
    call.stamp(&mut link.fields, id, None);
    let links = &mut call.tenant.links;
    links.insert(id, call.microtenant, link.name, link.fields);
    call.tenant.attachments.attach(id, portals);
    id
}

/// A link as `GET` shows it, with each portal in full.
fn view(tenant: &Tenant, id: Id) -> Option<LinkView<'_, &Object>> {
    let portals = tenant.attachments.portals_of(id).iter();
    Some(LinkView {
        fields: tenant.links.fields(id)?,
        portals: portals
            .filter_map(|id| tenant.portals.fields(*id))
            .collect(),
    })
}

/// A link as the answer to its `POST` shows it, with the id and the enabled flag of each portal.
fn created_view(tenant: &Tenant, id: Id) -> Option<LinkView<'_, PortalRef<'_>>> {
    Some(LinkView {
        fields: tenant.links.fields(id)?,
        portals: portal_refs(tenant, tenant.attachments.portals_of(id)),
    })
}

fn bulk_answer(call: &Call<'_>, mut links: Vec<Id>, portals: &[Id]) -> Answer {
    let (tenant, rules) = (&*call.tenant, &call.service.scenario.bulk);
    if rules.order == BulkOrder::Reversed {
        links.reverse();
    }
    let links = links.iter().filter_map(|id| tenant.links.fields(*id));
    let body = BulkBody {
        user_portal_links: links.collect(),
        user_portals: portal_refs(tenant, portals),
    };
    match rules.answer {
        BulkAnswer::Empty => Answer::empty(201),
        BulkAnswer::List => Answer::json(201, &body.user_portal_links),
        BulkAnswer::Wrapper => Answer::json(201, &body),
    }
}

fn portal_refs<'t>(tenant: &'t Tenant, portals: &[Id]) -> Vec<PortalRef<'t>> {
    let portal_ref = |id: &Id| PortalRef {
        id: id.to_string(),
        enabled: tenant
            .portals
            .fields(*id)
            .and_then(|fields| fields.get("enabled")),
    };
    portals.iter().map(portal_ref).collect()
}
