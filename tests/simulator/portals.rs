//! User portals.

use serde_json::json;

use crate::support::served::{LINKS, PORTALS, link, tenant};

#[tokio::test]
async fn a_new_tenant_has_named_and_numbered_portals() {
    let tenant = tenant("tenant = { portals = 5 }").await;
    let expected = [
        "Employee Portal",
        "Engineering Portal",
        "Contractor Portal",
        "Partner Portal",
        "Portal 5",
    ];
    assert_eq!(tenant.get(PORTALS).await.names(), expected);
}

#[tokio::test]
async fn a_managed_portal_gets_its_domain_from_the_server() {
    let tenant = tenant("").await;
    let body = json!({"name": "New", "managedByZs": true, "extLabel": "new", "extDomain": "corp.com", "enabled": false});
    let created = tenant.post(PORTALS, body).await;
    assert_eq!(
        (created.status, &created.body["domain"]),
        (201, &json!("new-corp-com.p.zscalerportal.net"))
    );
    assert!(created.body.get("managedByZs").is_none());
    let path = format!("{PORTALS}/{}", created.id());
    let mut read = tenant.get(&path).await.body;
    assert_eq!(
        (&read["extDomainName"], &read["scopeName"]),
        (&json!("corp-com.p.zscalerportal.net"), &json!("Default"))
    );
    read["description"] = json!("changed");
    assert_eq!(tenant.put(&path, read.clone()).await.status, 204);
    let again = tenant.get(&path).await.body;
    assert_eq!(
        (&again["description"], &again["domain"]),
        (&json!("changed"), &read["domain"])
    );
}

#[tokio::test]
async fn a_created_portal_echoes_its_external_domain() {
    let tenant = tenant("").await;
    let body = |name: &str| json!({"name": name, "managedByZs": true, "extLabel": "new", "extDomain": "corp.com"});
    let silent = tenant.post(PORTALS, body("a")).await;
    assert!(silent.body.get("extDomainName").is_none());
    let mut sent = body("b");
    sent["extDomainName"] = json!("-corp-com.p.zscalerportal.net");
    let created = tenant.post(PORTALS, sent.clone()).await;
    assert_eq!(created.body["extDomainName"], sent["extDomainName"]);
    let read = tenant.get(&format!("{PORTALS}/{}", created.id())).await;
    assert_eq!(read.body["extDomainName"], "corp-com.p.zscalerportal.net");
    sent["name"] = json!("c");
    sent["extDomainName"] = json!(5);
    let refused = tenant.post(PORTALS, sent).await;
    assert_eq!(refused.refusal(), (400, "invalid.json"));
    assert_eq!(tenant.portals().await.len(), 6);
}

#[tokio::test]
async fn a_portal_with_links_cannot_be_deleted() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["userPortalId"] = json!(portal);
    let link = tenant.post(LINKS, body).await.id();
    let path = format!("{PORTALS}/{portal}");
    assert_eq!(
        tenant.delete(&path).await.refusal(),
        (400, "resource.in.use")
    );
    tenant.delete(&format!("{LINKS}/{link}")).await;
    assert_eq!(tenant.delete(&path).await.status, 204);
    assert_eq!(
        tenant.get(&path).await.refusal(),
        (404, "resource.not.found")
    );
}

#[tokio::test]
async fn a_portal_of_a_wrong_or_taken_name_is_refused() {
    let tenant = tenant("").await;
    let body = |name: &str| json!({"name": name, "extLabel": "abc", "extDomain": "corp.com"});
    assert_eq!(
        tenant.post(PORTALS, body("a*b")).await.refusal(),
        (400, "invalid.name")
    );
    assert_eq!(
        tenant.post(PORTALS, body("Partner Portal")).await.refusal(),
        (400, "resource.already.exist")
    );
}

#[tokio::test]
async fn links_of_a_deleted_portal_stay_if_configured() {
    let tenant = tenant("user_portals = { delete_with_links = \"detach\" }").await;
    let portals = tenant.portals().await;
    let mut body = link("a");
    body["userPortals"] = json!([{"id": portals[0]}, {"id": portals[1]}]);
    let path = format!("{LINKS}/{}", tenant.post(LINKS, body).await.id());
    let deleted = tenant.delete(&format!("{PORTALS}/{}", portals[0])).await;
    assert_eq!(deleted.status, 204);
    let left = tenant.get(&path).await.body["userPortals"].clone();
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["id"], json!(portals[1]));
}

#[tokio::test]
async fn a_portal_with_its_own_certificate_needs_a_domain() {
    let tenant = tenant("").await;
    let body = json!({"name": "Own", "managedByZs": false, "certificateId": "5"});
    let refused = tenant.post(PORTALS, body.clone()).await;
    assert_eq!(refused.refusal(), (400, "required.field.missing"));
    let mut body = body;
    body["domain"] = json!("https://portal.example.com");
    body["certManagedByZsRadio"] = json!("custom");
    let created = tenant.post(PORTALS, body.clone()).await;
    assert_eq!(created.status, 201);
    let read = tenant
        .get(&format!("{PORTALS}/{}", created.id()))
        .await
        .body;
    assert_eq!(read["domain"], body["domain"]);
    for object in [&created.body, &read] {
        let echoed = ["managedByZs", "certManagedByZsRadio"];
        assert!(echoed.iter().all(|field| object.get(field).is_none()));
    }
}
