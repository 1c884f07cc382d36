//! User portal links (ZPA API documentation, User Portal Link Management).

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, Route};
use super::collection::{Id, Microtenant, Record};
use super::fields::{self, Object};
use super::http::Answer;
use super::listing::ListQuery;
use super::refusal::Refusal;
use super::scenario::{BadItems, BulkAnswer, BulkOrder};
use super::tenant::Tenant;

/// The calls on links.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        version: "v1",
        path: "userPortalLink",
        handler: list,
    },
    Route {
        method: "POST",
        version: "v1",
        path: "userPortalLink",
        handler: create,
    },
    Route {
        method: "GET",
        version: "v1",
        path: "userPortalLink/userPortal/{portalId}",
        handler: list_of_portal,
    },
    Route {
        method: "GET",
        version: "v1",
        path: "userPortalLink/{id}",
        handler: read,
    },
    Route {
        method: "PUT",
        version: "v1",
        path: "userPortalLink/{id}",
        handler: update,
    },
    Route {
        method: "DELETE",
        version: "v1",
        path: "userPortalLink/{id}",
        handler: delete,
    },
    Route {
        method: "POST",
        version: "v2",
        path: "userPortalLink/bulk",
        handler: create_bulk,
    },
];

/// A link as an answer shows it. `P` is the form of its portals.
#[derive(Serialize)]
struct LinkView<'a, P> {
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

/// A posted link that passed the checks that need no other object.
struct PostedLink {
    name: String,
    fields: Object,
}

/// Every link as `GET` shows it, in order of creation.
pub(super) fn state(tenant: &Tenant) -> Vec<Value> {
    let links = tenant
        .links
        .all_ids()
        .into_iter()
        .filter_map(|id| view(tenant, id));
    links
        .map(|link| serde_json::to_value(link).unwrap_or_default())
        .collect()
}

/// Gives a new tenant the scenario's links, spread evenly over its portals.
pub(super) fn seed(call: &mut Call<'_>) {
    let portals = call.tenant.portals.ids(call.microtenant).to_vec();
    let mut next_portal = portals.chunks(1).cycle();
    for number in 1..=call.service.scenario.tenant.links {
        let link = format!("seeded-{number:04}.example.com");
        let posted = json!({"name": format!("Seeded Link {number:04}"), "link": link, "protocol": "https://", "enabled": true});
        if let Some(Ok(link)) = posted.as_object().map(PostedLink::read) {
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
    let (tenant, portal) = (&*call.tenant, call.id()?);
    tenant
        .portals
        .find(portal, call.microtenant)
        .ok_or_else(|| Refusal::not_found(call.param))?;
    let ids = tenant.attachments.links_of(portal);
    let page = ListQuery::parse(&call.query)?.page(ids, &tenant.links);
    Ok(page.answer(|id| view(tenant, id)))
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing(call)?;
    Ok(Answer::json(200, &view(call.tenant, id)))
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.object()?;
    let (link, portals) =
        validate(call, &body, None).map_err(|refusal| refusal.with_item(fields::name_of(&body)))?;
    check_limits(call, &portals, 1)?;
    let id = add(call, link, &portals);
    Ok(Answer::json(201, &created_view(call.tenant, id)))
}

/// Replaces the whole link. A field that is left out is removed.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing(call)?;
    let body = call.object()?;
    let (link, portals) = validate(call, &body, Some(id))
        .map_err(|refusal| refusal.with_item(fields::name_of(&body)))?;
    let attached = call.tenant.attachments.portals_of(id);
    let added: Vec<Id> = portals
        .iter()
        .filter(|portal| !attached.contains(portal))
        .copied()
        .collect();
    check_portal_limit(call, &added, 1)?;
    replace_link(call, id, link, &portals);
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = existing(call)?;
    call.tenant.links.remove(id);
    call.tenant.attachments.detach(id);
    Ok(Answer::empty(204))
}

/// Creates many links at once. The call names the portals once, for all of its links.
fn create_bulk(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.object()?;
    let items = batch(&body, call.service.scenario.bulk.max.get())?;
    let portals = portals_of_body(call, &body)?;
    let (links, invalid) = validate_batch(call, items);
    let rules = &call.service.scenario.bulk;
    let invalid = match (invalid, rules.bad_items) {
        (Some(refusal), BadItems::Unnamed) => Some(refusal.without_item()),
        (_, BadItems::Unsaid) => None,
        (invalid, _) => invalid,
    };
    let invalid = match invalid {
        Some(refusal) if rules.atomic => return Err(refusal),
        other => other,
    };
    check_limits(call, &portals, links.len())?;
    let ids: Vec<Id> = links
        .into_iter()
        .map(|link| add(call, link, &portals))
        .collect();
    invalid.map_or_else(|| Ok(bulk_answer(call, ids, &portals)), Err)
}

/// The items of a batch. An empty or too large batch is refused.
fn batch(body: &Object, max: u32) -> Result<&[Value], Refusal> {
    let items = fields::list(body, "userPortalLinks")?;
    if items.is_empty() {
        return Err(Refusal::bad_request(
            "bulk.empty",
            "The field userPortalLinks holds no link.",
        ));
    }
    if u32::try_from(items.len()).is_ok_and(|count| count <= max) {
        return Ok(items);
    }
    Err(Refusal::bad_request(
        "bulk.too.many",
        format!(
            "A call may create {max} links at most, not {}.",
            items.len()
        ),
    ))
}

/// The valid items of a batch, and the refusal of the first invalid one.
fn validate_batch(call: &Call<'_>, items: &[Value]) -> (Vec<PostedLink>, Option<Refusal>) {
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
) -> Result<PostedLink, Refusal> {
    let item = item
        .as_object()
        .ok_or_else(|| fields::wrong_type("userPortalLinks"))?;
    let link =
        PostedLink::read(item).map_err(|refusal| refusal.with_item(fields::name_of(item)))?;
    call.refuse_poisoned(&link.name)?;
    check_name(call, &link.name, None)?;
    if !names.insert(link.name.clone()) && call.service.scenario.bulk.unique_names {
        return Err(Refusal::duplicate(&link.name));
    }
    Ok(link)
}

/// Checks a posted link and its portals. `replaced` is the link that it replaces.
fn validate(
    call: &Call<'_>,
    body: &Object,
    replaced: Option<Id>,
) -> Result<(PostedLink, Vec<Id>), Refusal> {
    let link = PostedLink::read(body)?;
    call.refuse_poisoned(&link.name)?;
    check_name(call, &link.name, replaced)?;
    Ok((link, portals_of_body(call, body)?))
}

impl PostedLink {
    fn read(body: &Object) -> Result<Self, Refusal> {
        let posted = fields::required(body, "name")?;
        check_link(fields::required(body, "link")?)?;
        check_protocol(fields::text(body, "protocol")?)?;
        let name = posted.trim().to_owned();
        let mut fields = Object::new();
        fields.insert("name".to_owned(), fields::escape(&name).into());
        fields.insert("nameWithoutTrim".to_owned(), posted.into());
        if let Some(description) = fields::text(body, "description")? {
            fields.insert("description".to_owned(), fields::escape(description).into());
        }
        fields::copy_text(
            body,
            &["link", "linkPath", "protocol", "iconText"],
            &mut fields,
        )?;
        fields::copy_flags(body, &["enabled"], &mut fields)?;
        if let Some(application) = fields::id(body, "applicationId")? {
            fields.insert("applicationId".to_owned(), application.into());
        }
        Ok(Self { name, fields })
    }
}

/// Refuses a link with a scheme or a path. A link is a host name or an IP address.
fn check_link(link: &str) -> Result<(), Refusal> {
    if link.contains('/') {
        return Err(Refusal::bad_request(
            "invalid.link",
            "The link must be an FQDN or an IP address, without scheme or path.",
        ));
    }
    Ok(())
}

fn check_protocol(protocol: Option<&str>) -> Result<(), Refusal> {
    match protocol {
        None | Some("https://" | "http://") => Ok(()),
        Some(other) => Err(Refusal::bad_request(
            "invalid.protocol",
            format!("The protocol {other} is not supported."),
        )),
    }
}

fn check_name(call: &Call<'_>, name: &str, replaced: Option<Id>) -> Result<(), Refusal> {
    let unique = call.service.scenario.bulk.unique_names;
    if unique
        && call
            .tenant
            .links
            .name_taken(call.microtenant, name, replaced)
    {
        return Err(Refusal::duplicate(name));
    }
    Ok(())
}

/// The portals that a body names, in `userPortals` or `userPortalId`, without repetitions. An unknown
/// portal is refused.
fn portals_of_body(call: &Call<'_>, body: &Object) -> Result<Vec<Id>, Refusal> {
    let mut named = Vec::new();
    for portal in fields::list(body, "userPortals")? {
        let portal = portal
            .as_object()
            .ok_or_else(|| fields::wrong_type("userPortals"))?;
        named.push(fields::id(portal, "id")?.ok_or_else(|| Refusal::missing("userPortals.id"))?);
    }
    named.extend(fields::id(body, "userPortalId")?);
    let mut portals = Vec::with_capacity(named.len());
    for name in named {
        let id = portal_by_id(call, &name)?;
        if !portals.contains(&id) {
            portals.push(id);
        }
    }
    Ok(portals)
}

/// The portal of this id. An unknown portal in a body is 400; in a path it would be 404.
fn portal_by_id(call: &Call<'_>, text: &str) -> Result<Id, Refusal> {
    let id = Id::parse(text).filter(|id| call.tenant.portals.find(*id, call.microtenant).is_some());
    id.ok_or_else(|| {
        Refusal::bad_request(
            "resource.not.found",
            format!("User portal not found: {text}."),
        )
    })
}

/// The link whose id is in the path.
fn existing(call: &Call<'_>) -> Result<Id, Refusal> {
    let id = call.id()?;
    call.tenant
        .links
        .find(id, call.microtenant)
        .map(|_| id)
        .ok_or_else(|| Refusal::not_found(call.param))
}

/// Refuses `count` new links if they would exceed a limit of the tenant or of a portal.
fn check_limits(call: &Call<'_>, portals: &[Id], count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links;
    if !fits(call.tenant.links.len(), count, limit) {
        return Err(Refusal::limit_exceeded(format!(
            "An organization may have {limit} user portal links."
        )));
    }
    check_portal_limit(call, portals, count)
}

fn check_portal_limit(call: &Call<'_>, portals: &[Id], count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links_per_portal;
    let has_room = |portal: &Id| {
        fits(
            call.tenant.attachments.links_of(*portal).len(),
            count,
            limit,
        )
    };
    if portals.iter().all(has_room) {
        return Ok(());
    }
    Err(Refusal::limit_exceeded(format!(
        "A user portal may have {limit} links."
    )))
}

/// Returns true if `count` more fit. No more always fit, even if the tenant started above the limit.
fn fits(present: usize, count: usize, limit: u32) -> bool {
    count == 0 || u32::try_from(present.saturating_add(count)).is_ok_and(|total| total <= limit)
}

fn add(call: &mut Call<'_>, link: PostedLink, portals: &[Id]) -> Id {
    let (id, microtenant) = (call.service.ids.next_id(), call.microtenant);
    let fields = complete(
        call,
        id,
        link.fields,
        call.time.to_string().into(),
        microtenant,
    );
    call.tenant.links.insert(
        id,
        Record {
            microtenant,
            name: link.name,
            fields,
        },
    );
    call.tenant.attachments.attach(id, portals);
    id
}

fn replace_link(call: &mut Call<'_>, id: Id, link: PostedLink, portals: &[Id]) {
    let created = call
        .tenant
        .links
        .record(id)
        .and_then(|record| record.fields.get("creationTime"))
        .cloned();
    let fields = complete(
        call,
        id,
        link.fields,
        created.unwrap_or_default(),
        call.microtenant,
    );
    call.tenant.links.replace(id, link.name, fields);
    call.tenant.attachments.attach(id, portals);
}

fn complete(
    call: &Call<'_>,
    id: Id,
    mut fields: Object,
    created: Value,
    microtenant: Microtenant,
) -> Object {
    call.service.stamp(&mut fields, id, created, call.time);
    call.service.add_microtenant(&mut fields, microtenant);
    fields
}

/// A link as `GET` shows it, with each portal in full.
fn view(tenant: &Tenant, id: Id) -> Option<LinkView<'_, &Object>> {
    let portals = tenant.attachments.portals_of(id).iter();
    let portals = portals
        .filter_map(|portal| tenant.portals.record(*portal))
        .map(|record| &record.fields)
        .collect();
    Some(LinkView {
        fields: &tenant.links.record(id)?.fields,
        portals,
    })
}

/// A link as the answer to its `POST` shows it, with the id and the enabled flag of each portal.
fn created_view(tenant: &Tenant, id: Id) -> Option<LinkView<'_, PortalRef<'_>>> {
    let portals = portal_refs(tenant, tenant.attachments.portals_of(id));
    Some(LinkView {
        fields: &tenant.links.record(id)?.fields,
        portals,
    })
}

fn bulk_answer(call: &Call<'_>, mut links: Vec<Id>, portals: &[Id]) -> Answer {
    let (tenant, rules) = (&*call.tenant, &call.service.scenario.bulk);
    if rules.order == BulkOrder::Reversed {
        links.reverse();
    }
    let links = links
        .iter()
        .filter_map(|id| tenant.links.record(*id))
        .map(|record| &record.fields);
    let user_portal_links: Vec<&Object> = links.collect();
    match rules.answer {
        BulkAnswer::Empty => Answer::empty(201),
        BulkAnswer::List => Answer::json(201, &user_portal_links),
        BulkAnswer::Wrapper => Answer::json(
            201,
            &BulkBody {
                user_portal_links,
                user_portals: portal_refs(tenant, portals),
            },
        ),
    }
}

fn portal_refs<'a>(tenant: &'a Tenant, portals: &[Id]) -> Vec<PortalRef<'a>> {
    let enabled = |id: &Id| {
        tenant
            .portals
            .record(*id)
            .and_then(|record| record.fields.get("enabled"))
    };
    portals
        .iter()
        .map(|id| PortalRef {
            id: id.to_string(),
            enabled: enabled(id),
        })
        .collect()
}
