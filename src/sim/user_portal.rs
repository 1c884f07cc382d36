//! User portals (ZPA API documentation, Configuring User Portals Using API).
//!
//! Zscaler manages a portal and makes up its domain, or the portal has a certificate and a domain of its
//! own. Answers leave out `managedByZs` and `certManagedByZsRadio`, as the real API does. A body without
//! `managedByZs`, such as an answer sent back, therefore means a managed portal unless it names a
//! certificate.

use serde_json::{Value, json};

use super::call::{Call, Route};
use super::collection::Id;
use super::fields::{self, Object, Posted};
use super::http::Answer;
use super::listing::ListQuery;
use super::refusal::Refusal;
use super::scenario::DeletePortal;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "v1", "userPortal", list),
    Route::new("POST", "v1", "userPortal", create),
    Route::new("GET", "v1", "userPortal/{id}", read),
    Route::new("PUT", "v1", "userPortal/{id}", update),
    Route::new("DELETE", "v1", "userPortal/{id}", delete),
];

const FIRST_NAMES: [&str; 4] = [
    "Employee Portal",
    "Engineering Portal",
    "Contractor Portal",
    "Partner Portal",
];

/// The field that a `GET` shows as the server makes it, and the answer to a `POST` as it was sent.
const ECHOED: &str = "extDomainName";

/// Gives a new tenant the scenario's portals.
pub(super) fn seed(call: &mut Call<'_>) {
    let numbered = (FIRST_NAMES.len() + 1..).map(|number| format!("Portal {number}"));
    let names = FIRST_NAMES
        .iter()
        .map(|name| (*name).to_owned())
        .chain(numbered);
    let count = usize::try_from(call.service.scenario.tenant.portals).unwrap_or(usize::MAX);
    for name in names.take(count) {
        let label = name.to_lowercase().replace(' ', "-");
        let posted = json!({"name": name, "enabled": true, "managedByZs": true, "extLabel": label, "extDomain": "example.com"});
        create_posted(call, &posted);
    }
}

/// Creates a portal that no client posted.
pub(super) fn create_posted(call: &mut Call<'_>, posted: &Value) -> Option<Id> {
    let portal = read_portal(posted.as_object()?).ok()?;
    Some(add(call, portal))
}

fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let portals = &call.tenant.listed().portals;
    let page = ListQuery::parse(&call.query)?.page(portals.ids(call.microtenant), portals);
    Ok(page.answer(|id| portals.fields(id)))
}

fn read(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.portals)?;
    Ok(Answer::json(200, &call.tenant.live.portals.fields(id)))
}

fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.object()?;
    let mut echoed = Object::new();
    fields::copy_text(&body, &[ECHOED], &mut echoed)?;
    let portal = posted_portal(call, &body, None)?;
    let id = add(call, portal);
    let created = call.tenant.live.portals.fields(id);
    let mut answer = created.cloned().unwrap_or_default();
    answer.retain(|field, _| field != ECHOED && field != "scopeName");
    answer.extend(echoed);
    Ok(Answer::json(201, &answer))
}

/// Replaces the whole portal. A field that is left out is removed.
fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.portals)?;
    let mut portal = posted_portal(call, &call.object()?, Some(id))?;
    let old = call.tenant.live.portals.fields(id);
    complete(call, id, &mut portal.fields, old);
    let portals = &mut call.tenant.live.portals;
    portals.replace(id, portal.name, portal.fields);
    Ok(Answer::empty(204))
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let id = call.existing(&call.tenant.live.portals)?;
    remove(call, id)?;
    Ok(Answer::empty(204))
}

/// Removes a portal, unless it has links and the scenario refuses that.
pub(super) fn remove(call: &mut Call<'_>, id: Id) -> Result<(), Refusal> {
    let has_links = !call.tenant.live.attachments.links_of(id).is_empty();
    let refuses = call.service.scenario.user_portals.delete_with_links == DeletePortal::Refuse;
    if refuses && has_links {
        let reason = "The user portal still has links.";
        return Err(Refusal::bad_request("resource.in.use", reason));
    }
    // Links skip portals that do not exist, and ids are never used again: nothing to detach here.
    call.tenant.live.portals.remove(id);
    Ok(())
}

/// Reads and checks the posted portal. `replaced` is the portal that it replaces.
fn posted_portal(call: &Call<'_>, body: &Object, replaced: Option<Id>) -> Result<Posted, Refusal> {
    let portal = read_portal(body).map_err(|refusal| refusal.with_name_of(body))?;
    call.check_name(&call.tenant.live.portals, &portal.name, replaced)?;
    Ok(portal)
}

fn read_portal(body: &Object) -> Result<Posted, Refusal> {
    let name = fields::required(body, "name")?.trim().to_owned();
    check_name(&name)?;
    check_label(fields::text(body, "extLabel")?)?;
    let mut fields = Object::new();
    fields::set(&mut fields, "name", &*name);
    fields::copy_escaped(body, "description", &mut fields)?;
    let texts = ["extLabel", "extDomain", "userNotification", "imageData"];
    fields::copy_text(body, &texts, &mut fields)?;
    fields::copy_flags(body, &["enabled", "userNotificationEnabled"], &mut fields)?;
    add_domain(body, &mut fields)?;
    Ok(Posted { name, fields })
}

fn add_domain(body: &Object, fields: &mut Object) -> Result<(), Refusal> {
    let certificate = fields::id(body, "certificateId")?;
    let managed = fields::flag(body, "managedByZs")?.unwrap_or(certificate.is_none());
    if managed {
        add_managed_domain(body, fields)
    } else {
        add_own_domain(body, certificate, fields)
    }
}

/// Derives the domain from `extLabel` and `extDomain`. A posted domain or certificate is ignored.
fn add_managed_domain(body: &Object, fields: &mut Object) -> Result<(), Refusal> {
    let label = fields::required(body, "extLabel")?;
    let domain = fields::required(body, "extDomain")?;
    let managed_domain = format!("{}.p.zscalerportal.net", domain.replace('.', "-"));
    fields::set(fields, "domain", format!("{label}-{managed_domain}"));
    fields::set(fields, ECHOED, managed_domain);
    fields::set(fields, "extDomainTranslation", domain);
    Ok(())
}

fn add_own_domain(
    body: &Object,
    certificate: Option<String>,
    fields: &mut Object,
) -> Result<(), Refusal> {
    let certificate = certificate.ok_or_else(|| Refusal::missing("certificateId"))?;
    let domain = fields::required(body, "domain")?;
    if !is_https_fqdn(domain) {
        let reason = "The domain must be an FQDN served over HTTPS.";
        return Err(Refusal::bad_request("invalid.domain", reason));
    }
    fields::set(fields, "domain", domain);
    let name = format!("Certificate {certificate}");
    fields::set(fields, "certificateName", name);
    fields::set(fields, "certificateId", certificate);
    Ok(())
}

/// Returns true for a fully qualified name, alone or after `https://`.
fn is_https_fqdn(domain: &str) -> bool {
    let host = domain.strip_prefix("https://").unwrap_or(domain);
    host.contains('.') && fields::is_domain(host)
}

/// Allows letters, digits, space, `.`, `-` and `_`.
fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_alphanumeric() || " .-_".contains(c);
    if !name.chars().all(allowed) {
        let reason = "A name may hold letters, digits, space, period, hyphen and underscore.";
        return Err(Refusal::bad_request("invalid.name", reason));
    }
    Ok(())
}

/// Allows 3 to 31 lower-case letters, digits and hyphens.
fn check_label(label: Option<&str>) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = |label: &str| (3..=31).contains(&label.len()) && label.bytes().all(allowed);
    if !label.is_none_or(fits) {
        let reason = "The extLabel must be 3 to 31 lower-case letters, digits or hyphens.";
        return Err(Refusal::bad_request("invalid.extLabel", reason));
    }
    Ok(())
}

fn add(call: &mut Call<'_>, mut portal: Posted) -> Id {
    let id = call.service.ids.next_id();
    complete(call, id, &mut portal.fields, None);
    let portals = &mut call.tenant.live.portals;
    portals.insert(id, call.microtenant, portal.name, portal.fields);
    id
}

/// Fills in the fields that only the server sets.
fn complete(call: &Call<'_>, id: Id, fields: &mut Object, old: Option<&Object>) {
    call.stamp(fields, id, old);
    let scope = call.service.scope_name(call.microtenant);
    fields::set(fields, "scopeName", scope);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Object, u16> {
        read_portal(body.as_object().unwrap())
            .map(|portal| portal.fields)
            .map_err(|refusal| refusal.into_answer().status)
    }

    #[test]
    fn a_managed_domain_is_derived_from_the_label() {
        let body = json!({"name": "P", "managedByZs": true, "extLabel": "web", "extDomain": "corp.example.com",
            "domain": "https://mine.example.com", "certificateId": "5", "certManagedByZsRadio": "managed"});
        let fields = read(&body).unwrap();
        let expected = json!({"name": "P", "extLabel": "web", "extDomain": "corp.example.com",
            "domain": "web-corp-example-com.p.zscalerportal.net",
            "extDomainName": "corp-example-com.p.zscalerportal.net", "extDomainTranslation": "corp.example.com"});
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn an_own_domain_needs_a_certificate_and_https() {
        let body = |domain: &str| json!({"name": "P", "managedByZs": false, "certificateId": 5, "domain": domain});
        assert_eq!(
            read(&body("https://portal.example.com")).unwrap()["certificateId"],
            "5"
        );
        for domain in [
            "",
            "http://portal.example.com",
            "portal",
            "https://portal..com",
        ] {
            assert_eq!(read(&body(domain)), Err(400), "{domain}");
        }
        let without = json!({"name": "P", "managedByZs": false, "domain": "portal.example.com"});
        assert_eq!(read(&without), Err(400));
    }

    #[test]
    fn names_and_labels_are_held_to_their_alphabet() {
        let body = |name: &str, label: &str| json!({"name": name, "extLabel": label, "extDomain": "example.com"});
        assert!(read(&body("My Portal-1_a.b", "abc")).is_ok());
        let wrong = [("a*b", "abc"), ("ok", "ab"), ("ok", "Abc"), ("ok", "a_bc")];
        assert!(
            wrong
                .iter()
                .all(|(name, label)| read(&body(name, label)) == Err(400))
        );
        assert_eq!(read(&body("ok", &"a".repeat(32))), Err(400));
    }
}
