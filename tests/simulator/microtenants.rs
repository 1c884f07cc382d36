//! Microtenants: every object belongs to one, and is seen from there alone.

use serde_json::{Value, json};

use crate::support::api::text;
use crate::support::served::{
    BULK_DELETE, CONNECTORS, LINKS, PORTALS, SCHEDULE, SUFFIXES, Tenant, link, tenant,
};

const TWO: &str =
    "microtenants = { names = [\"North\", \"South\"] }\ndomains = { seed = [\"a.example.com\"] }";

/// The path as a caller in a microtenant sends it.
fn within(path: &str, microtenant: &str) -> String {
    format!("{path}?microtenantId={microtenant}")
}

/// A tenant with two microtenants and their ids.
async fn divided() -> (Tenant, String, String) {
    let tenant = tenant(TWO).await;
    let [north, south] = tenant.microtenants().try_into().unwrap();
    (tenant, north, south)
}

fn of(microtenant: &str, objects: &Value) -> usize {
    let objects = objects.as_array().unwrap().iter();
    let own = |object: &&Value| object["microtenantId"].as_str().unwrap_or("0") == microtenant;
    objects.filter(own).count()
}

#[tokio::test]
async fn the_state_names_them_before_any_call() {
    let (tenant, north, south) = divided().await;
    let named = &tenant.server.state()["microtenants"];
    let expected = json!([{"id": north, "name": "North"}, {"id": south, "name": "South"}]);
    assert_eq!(*named, expected);
    assert_eq!((north.len(), south.len()), (18, 18));
    assert_ne!(north, south);
}

#[tokio::test]
async fn each_starts_with_what_the_default_one_starts_with() {
    let (tenant, north, south) = divided().await;
    tenant.get(LINKS).await;
    for id in [north.as_str(), south.as_str(), "0"] {
        for (kind, count) in [("user_portals", 4), ("connectors", 19), ("domains", 1)] {
            assert_eq!(of(id, &tenant.stored(kind)), count, "{kind} of {id}");
        }
    }
    let listed = tenant.get(&within(CONNECTORS, &north)).await;
    let one = &listed.rows()[0];
    assert_eq!(
        (text(one, "microtenantId"), text(one, "microtenantName")),
        (north.as_str(), "North")
    );
    let portals = tenant.get(&within(PORTALS, &south)).await;
    assert_eq!(text(&portals.rows()[0], "scopeName"), "South");
}

#[tokio::test]
async fn seeded_links_are_on_portals_of_their_own() {
    let tenant = tenant(&format!("{TWO}\ntenant = {{ links = 5 }}")).await;
    tenant.get(LINKS).await;
    let links = tenant.stored_links();
    assert_eq!(links.len(), 15);
    for link in links {
        let portals = link["userPortals"].as_array().unwrap();
        assert_eq!(portals.len(), 1);
        assert_eq!(portals[0].get("microtenantId"), link.get("microtenantId"));
    }
}

#[tokio::test]
async fn zero_and_nothing_mean_the_default_one() {
    let (tenant, north, _) = divided().await;
    for path in [PORTALS, CONNECTORS] {
        let bare = tenant.get(path).await;
        assert_eq!(tenant.get(&within(path, "0")).await.body, bare.body);
        assert_ne!(tenant.get(&within(path, &north)).await.body, bare.body);
        assert!(
            bare.rows()
                .iter()
                .all(|row| row.get("microtenantId").is_none())
        );
    }
}

#[tokio::test]
async fn an_unknown_one_is_refused_for_every_resource() {
    let (tenant, ..) = divided().await;
    for path in [LINKS, PORTALS, CONNECTORS, SCHEDULE, SUFFIXES] {
        let unknown = tenant.get(&within(path, "9")).await;
        assert_eq!(unknown.refusal(), (400, "invalid.microtenant"), "{path}");
        let word = tenant.get(&within(path, "North")).await;
        assert_eq!(word.refusal(), (400, "invalid.query.parameter"), "{path}");
    }
    let written = tenant.post(&within(LINKS, "9"), link("a")).await;
    assert_eq!(written.status, 400);
    assert!(tenant.stored_links().is_empty());
}

#[tokio::test]
async fn links_and_portals_are_seen_from_their_own_only() {
    let (tenant, north, _) = divided().await;
    let portal = tenant.portals().await.remove(0);
    let created = tenant.post(&within(LINKS, &north), link("a")).await;
    assert_eq!(text(&created.body, "microtenantName"), "North");
    assert_eq!(
        tenant.post(&within(LINKS, "0"), link("a")).await.status,
        201
    );
    for microtenant in ["0", &north] {
        let listed = tenant.get(&within(LINKS, microtenant)).await;
        assert_eq!(listed.body["totalCount"], "1");
    }
    let path = format!("{LINKS}/{}", created.id());
    assert_eq!(tenant.get(&path).await.status, 404);
    assert_eq!(tenant.delete(&path).await.status, 404);
    let portal_path = within(&format!("{PORTALS}/{portal}"), &north);
    assert_eq!(tenant.get(&portal_path).await.status, 404);
    let mut across = link("b");
    across["userPortals"] = json!([{"id": portal}]);
    let refused = tenant.post(&within(LINKS, &north), across).await;
    assert_eq!(refused.refusal(), (400, "resource.not.found"));
    assert_eq!(tenant.stored_links().len(), 2);
}

#[tokio::test]
async fn connectors_are_reached_from_their_own_only() {
    let scenario = format!("{TWO}\nbulk_delete = {{ unknown_ids = \"ignore\" }}");
    let tenant = tenant(&scenario).await;
    let north = tenant.microtenants().remove(0);
    let listed = tenant.get(&within(CONNECTORS, &north)).await;
    let id = text(&listed.rows()[0], "id");
    let path = format!("{CONNECTORS}/{id}");
    assert_eq!(tenant.get(&path).await.status, 404);
    assert_eq!(tenant.put(&path, json!({"name": "a"})).await.status, 404);
    assert_eq!(tenant.delete(&path).await.status, 404);
    assert_eq!(
        tenant.post(BULK_DELETE, json!({"ids": [id]})).await.status,
        200
    );
    assert_eq!(of(&north, &tenant.stored("connectors")), 19);
    let own = tenant
        .post(&within(BULK_DELETE, &north), json!({"ids": [id]}))
        .await;
    assert_eq!(own.status, 200);
    assert_eq!(of(&north, &tenant.stored("connectors")), 18);
}

#[tokio::test]
async fn domains_and_schedules_are_kept_apart() {
    let (tenant, north, south) = divided().await;
    let list = json!([{"domain": "north.example.com"}]);
    assert_eq!(
        tenant.post(&within(SUFFIXES, &north), list).await.status,
        204
    );
    let domain = async |microtenant: &str| {
        let body = tenant.get(&within(SUFFIXES, microtenant)).await.body;
        text(&body[0], "domain").to_owned()
    };
    assert_eq!(domain(&north).await, "north.example.com");
    assert_eq!(
        (domain(&south).await, domain("0").await),
        ("a.example.com".to_owned(), "a.example.com".to_owned())
    );

    let schedule = json!({"frequency": "days", "frequencyInterval": 7});
    for microtenant in [&north, &south] {
        let posted = tenant
            .post(&within(SCHEDULE, microtenant), schedule.clone())
            .await;
        assert_eq!(posted.status, 204);
    }
    assert_eq!(tenant.get(SCHEDULE).await.status, 404);
    let id = tenant.get(&within(SCHEDULE, &north)).await.id();
    let path = within(&format!("{SCHEDULE}/{id}"), &south);
    assert_eq!(tenant.put(&path, schedule).await.status, 404);
    assert_eq!(tenant.stored("connector_schedule"), Value::Null);
    assert_eq!(
        of(&north, &tenant.stored("microtenant_connector_schedules")),
        1
    );
}
