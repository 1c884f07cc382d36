//! User portal links (ZPA API documentation, User Portal Link Management).

use std::collections::{BTreeMap, HashSet};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object, Posted};
use super::http::Answer;
use super::listing::ListQuery;
use super::objects::Objects;
use super::refusal::Refusal;
use super::scenario::{BadItems, BulkAnswer, BulkOrder, ItemPortals};
use super::tenant::DEFAULT_NAME;

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

/// The fields of a portal that a link does not show.
const NOT_IN_LINK: [&str; 3] = ["extDomain", "extDomainName", "scopeName"];

/// A posted link that passed the checks that need no other object.
struct NewLink {
    posted: Posted,
    /// The name as it was posted.
    untrimmed: String,
    /// The portals of its own that stand with it in a batch, if the scenario honours them.
    own_portals: Option<Vec<Id>>,
}

/// A link that a call created.
struct Created {
    id: Id,
    untrimmed: String,
    own_portals: Option<Vec<Id>>,
}

/// A link as a `GET` shows it. Unlike other objects it names the Default microtenant too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkView<'a> {
    #[serde(flatten)]
    fields: &'a Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    microtenant_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_portals: Vec<PortalInLink<'a>>,
}

/// A link as the answer to a `POST` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedView<'a> {
    #[serde(flatten)]
    fields: &'a Object,
    name_without_trim: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_portals: Vec<PortalRef<'a>>,
}

/// A portal as a `GET` of its link shows it.
struct PortalInLink<'a>(&'a Object);

impl Serialize for PortalInLink<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_shown = |field: &str| !NOT_IN_LINK.contains(&field);
        serializer.collect_map(self.0.iter().filter(|(field, _)| is_shown(field)))
    }
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
    user_portal_links: Vec<CreatedView<'a>>,
    user_portals: Vec<PortalRef<'a>>,
}

/// Every link as `GET` shows it, in order of creation.
pub(super) fn state(objects: &Objects) -> Vec<LinkView<'_>> {
    let ids = objects.links.all_ids();
    ids.filter_map(|id| view(objects, id)).collect()
}

/// Gives a new tenant the scenario's links, spread evenly over its portals.
pub(super) fn seed(call: &mut Call<'_>) {
    let mut portals = call.tenant.live.portals.ids(call.microtenant).to_vec();
    portals.retain(|portal| !call.tenant.is_guest(*portal));
    let mut next_portal = portals.chunks(1).cycle();
    for number in 1..=call.service.scenario.tenant.links {
        let link = format!("seeded-{number:04}.example.com");
        let posted = json!({"name": format!("Seeded Link {number:04}"), "link": link, "protocol": "https://", "enabled": true});
        create_posted(call, &posted, next_portal.next().unwrap_or_default());
    }
}

/// Creates a link that no client posted.
pub(super) fn create_posted(call: &mut Call<'_>, posted: &Value, portals: &[Id]) -> Option<Id> {
    let link = read_link(posted.as_object()?).ok()?;
    Some(add(call, link, portals).id)
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let listed = call.tenant.listed();
    let ids = listed.links.ids(call.microtenant);
    let page = ListQuery::parse(&call.query)?.page(ids, &listed.links);
    Ok(page.answer(|id| view(listed, id)))
}

/// Lists the links of one portal. A link and its portals are in the same microtenant, so the caller may
/// see all of them.
fn list_of_portal(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let portal = call.existing(&call.tenant.live.portals)?;
    let listed = call.tenant.listed();
    let ids = listed.attachments.links_of(portal);
    let page = ListQuery::parse(&call.query)?.page(ids, &listed.links);
    Ok(page.answer(|id| view(listed, id)))
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.links)?;
    Ok(Answer::json(200, &view(&call.tenant.live, id)))
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (link, portals) = posted_link(call, None)?;
    check_limits(call, &[&portals])?;
    let created = add(call, link, &portals);
    let portals = portal_refs(&call.tenant.live, &portals);
    Ok(Answer::json(201, &created_view(call, &created, portals)))
}

/// Replaces the whole link. A field that is left out is removed.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.links)?;
    let (link, portals) = posted_link(call, Some(id))?;
    let attached = call.tenant.live.attachments.portals_of(id);
    let mut added = portals.clone();
    added.retain(|portal| !attached.contains(portal));
    check_portal_limit(call, &added, 1)?;
    let Posted { name, mut fields } = link.posted;
    call.stamp(&mut fields, id, call.tenant.live.links.fields(id));
    call.tenant.live.links.replace(id, name, fields);
    call.tenant.live.attachments.attach(id, &portals);
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.links)?;
    remove(call, id);
    Ok(Answer::empty(204))
}

/// Removes a link. An unknown id is ignored.
pub(super) fn remove(call: &mut Call<'_>, id: Id) {
    call.tenant.live.links.remove(id);
    call.tenant.live.attachments.detach(id);
}

/// Creates many links at once. The call names the portals once, for all of its links. Where the scenario says so, a link may
/// name portals of its own.
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
    let added = links.iter().map(|link| link.own_portals.as_ref());
    let added: Vec<&[Id]> = added.map(|own| &**own.unwrap_or(&portals)).collect();
    check_limits(call, &added)?;
    let created = links.into_iter().map(|link| {
        let own = link.own_portals.clone();
        add(call, link, own.as_ref().unwrap_or(&portals))
    });
    let created = created.collect();
    refusal.map_or_else(|| Ok(bulk_answer(call, created, &portals)), Err)
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
fn validate_batch(call: &Call<'_>, items: &[Value]) -> (Vec<NewLink>, Option<Refusal>) {
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
) -> Result<NewLink, Refusal> {
    let item = item.as_object();
    let item = item.ok_or_else(|| fields::wrong_type("userPortalLinks"))?;
    let mut link = read_link(item).map_err(|refusal| refusal.with_name_of(item))?;
    let has_own = item.contains_key("userPortals") || item.contains_key("userPortalId");
    if has_own && call.service.scenario.bulk.item_portals == ItemPortals::Honoured {
        link.own_portals = Some(portals_of_body(call, item)?);
    }
    let name = &link.posted.name;
    call.check_name(&call.tenant.live.links, name, None)?;
    if !names.insert(name.clone()) && call.service.scenario.bulk.unique_names {
        return Err(Refusal::duplicate(name));
    }
    Ok(link)
}

/// Reads and checks the posted link and its portals. `replaced` is the link that it replaces.
fn posted_link(call: &Call<'_>, replaced: Option<Id>) -> Result<(NewLink, Vec<Id>), Refusal> {
    let body = call.object()?;
    let checked = read_link(&body).and_then(|link| {
        call.check_name(&call.tenant.live.links, &link.posted.name, replaced)?;
        Ok((link, portals_of_body(call, &body)?))
    });
    checked.map_err(|refusal| refusal.with_name_of(&body))
}

fn read_link(body: &Object) -> Result<NewLink, Refusal> {
    let untrimmed = fields::required(body, "name")?.to_owned();
    check_link(fields::required(body, "link")?)?;
    check_protocol(fields::text(body, "protocol")?)?;
    let name = untrimmed.trim().to_owned();
    let mut fields = Object::new();
    fields::set(&mut fields, "name", fields::escape(&name));
    fields::copy_escaped(body, "description", &mut fields)?;
    let texts = ["link", "linkPath", "protocol", "iconText"];
    fields::copy_text(body, &texts, &mut fields)?;
    fields::copy_flags(body, &["enabled"], &mut fields)?;
    if let Some(application) = fields::id(body, "applicationId")? {
        fields::set(&mut fields, "applicationId", application);
    }
    let posted = Posted { name, fields };
    Ok(NewLink {
        posted,
        untrimmed,
        own_portals: None,
    })
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
        let Some(id) = call.tenant.live.portals.find(&text, call.microtenant) else {
            let reason = format!("User portal not found: {text}.");
            return Err(Refusal::bad_request("resource.not.found", reason));
        };
        if !portals.contains(&id) {
            portals.push(id);
        }
    }
    Ok(portals)
}

/// Refuses new links on these portals, each with its own, if they would exceed a limit of the tenant or of a portal.
fn check_limits(call: &Call<'_>, added: &[&[Id]]) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links;
    if !fits(call.tenant.live.links.len(), added.len(), limit) {
        let reason = format!("An organization may have {limit} user portal links.");
        return Err(Refusal::limit_exceeded(reason));
    }
    let mut counts: BTreeMap<Id, usize> = BTreeMap::new();
    for portal in added.iter().copied().flatten() {
        *counts.entry(*portal).or_default() += 1;
    }
    let mut counts = counts.into_iter();
    counts.try_for_each(|(portal, count)| check_portal_limit(call, &[portal], count))
}

fn check_portal_limit(call: &Call<'_>, portals: &[Id], count: usize) -> Result<(), Refusal> {
    let limit = call.service.scenario.limits.links_per_portal;
    let attachments = &call.tenant.live.attachments;
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

fn add(call: &mut Call<'_>, link: NewLink, portals: &[Id]) -> Created {
    let id = call.service.ids.next_id();
    let Posted { name, mut fields } = link.posted;
    call.stamp(&mut fields, id, None);
    let links = &mut call.tenant.live.links;
    links.insert(id, call.microtenant, name, fields);
    call.tenant.live.attachments.attach(id, portals);
    Created {
        id,
        untrimmed: link.untrimmed,
        own_portals: link.own_portals,
    }
}

fn view(objects: &Objects, id: Id) -> Option<LinkView<'_>> {
    let fields = objects.links.fields(id)?;
    let is_named = fields.contains_key("microtenantName");
    let portals = objects.attachments.portals_of(id).iter();
    let portals = portals.filter_map(|id| objects.portals.fields(*id));
    Some(LinkView {
        fields,
        microtenant_name: (!is_named).then_some(DEFAULT_NAME),
        user_portals: portals.map(PortalInLink).collect(),
    })
}

fn created_view<'c>(
    call: &'c Call<'_>,
    created: &'c Created,
    portals: Vec<PortalRef<'c>>,
) -> Option<CreatedView<'c>> {
    Some(CreatedView {
        fields: call.tenant.live.links.fields(created.id)?,
        name_without_trim: &created.untrimmed,
        user_portals: portals,
    })
}

/// The answer to a bulk call. The portals stand beside the links; a link's own portals stand in it.
fn bulk_answer(call: &Call<'_>, mut created: Vec<Created>, portals: &[Id]) -> Answer {
    let rules = &call.service.scenario.bulk;
    if rules.order == BulkOrder::Reversed {
        created.reverse();
    }
    let links = created.iter();
    let own = |link: &Created| {
        let own = link.own_portals.as_deref().unwrap_or_default();
        portal_refs(&call.tenant.live, own)
    };
    let links = links.filter_map(|link| created_view(call, link, own(link)));
    let body = BulkBody {
        user_portal_links: links.collect(),
        user_portals: portal_refs(&call.tenant.live, portals),
    };
    match rules.answer {
        BulkAnswer::Empty => Answer::empty(201),
        BulkAnswer::List => Answer::json(201, &body.user_portal_links),
        BulkAnswer::Wrapper => Answer::json(201, &body),
    }
}

fn portal_refs<'o>(objects: &'o Objects, portals: &[Id]) -> Vec<PortalRef<'o>> {
    let portal_ref = |id: &Id| PortalRef {
        id: id.to_string(),
        enabled: objects
            .portals
            .fields(*id)
            .and_then(|fields| fields.get("enabled")),
    };
    portals.iter().map(portal_ref).collect()
}
