//! Portal links: single calls, listings and batches.

use serde_json::{Value, json};

use crate::support::served::{BULK, LINKS, link, links, tenant};

#[tokio::test]
async fn a_created_link_gets_server_fields_and_portals() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(1);
    let body = json!({"name": " Wiki * ", "description": "a*b", "link": "10.0.0.1", "linkPath": "/x", "iconText": "",
        "applicationId": 5, "unheardOf": 1, "userPortals": [{"id": portal}]});
    let created = tenant.post(LINKS, body).await;
    assert_eq!(created.status, 201);
    let object = created.body.as_object().unwrap();
    assert_eq!(
        (&object["name"], &object["nameWithoutTrim"]),
        (&json!("Wiki &#x2a;"), &json!(" Wiki * "))
    );
    assert_eq!(
        (&object["description"], &object["applicationId"]),
        (&json!("a&#x2a;b"), &json!("5"))
    );
    assert_eq!(
        object["userPortals"],
        json!([{"id": portal, "enabled": true}])
    );
    assert!(
        ["iconText", "enabled", "unheardOf", "microtenantId"]
            .iter()
            .all(|field| !object.contains_key(*field))
    );
    let digits = |field: &str| object[field].as_str().unwrap().parse::<u64>().is_ok();
    assert!(
        ["id", "creationTime", "modifiedTime", "modifiedBy"]
            .iter()
            .all(|field| digits(field))
    );
    let read = tenant.get(&format!("{LINKS}/{}", created.id())).await;
    assert_eq!(read.body["userPortals"][0]["name"], "Engineering Portal");
    assert_eq!(tenant.stored_links(), [read.body]);
}

#[tokio::test]
async fn a_read_link_has_the_recorded_shape() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["userPortalId"] = json!(portal);
    let created = tenant.post(LINKS, body).await;
    assert!(created.body.get("microtenantName").is_none());
    let read = tenant.get(&format!("{LINKS}/{}", created.id())).await.body;
    let of_portal = tenant.get(&format!("{LINKS}/userPortal/{portal}")).await;
    for shown in [
        &read,
        &tenant.get(LINKS).await.rows()[0],
        &of_portal.rows()[0],
    ] {
        assert_eq!(shown["microtenantName"], "Default");
        assert!(shown.get("nameWithoutTrim").is_none());
        let portal = shown["userPortals"][0].as_object().unwrap();
        for field in ["id", "name", "extLabel", "domain", "extDomainTranslation"] {
            assert!(portal.contains_key(field), "{field}");
        }
        for field in ["extDomain", "extDomainName", "scopeName"] {
            assert!(!portal.contains_key(field), "{field}");
        }
    }
}

#[tokio::test]
async fn portal_ids_may_be_numbers_or_a_single_field() {
    let tenant = tenant("").await;
    let portals = tenant.portals().await;
    let number: u64 = portals[0].parse().unwrap();
    let mut body = link("a");
    body["userPortals"] = json!([{"id": number}, {"id": portals[0]}]);
    assert_eq!(
        tenant.post(LINKS, body).await.body["userPortals"],
        json!([{"id": portals[0], "enabled": true}])
    );
    let mut body = link("b");
    body["userPortalId"] = json!(portals[1]);
    assert_eq!(
        tenant.post(LINKS, body).await.body["userPortals"][0]["id"],
        json!(portals[1])
    );
}

#[tokio::test]
async fn a_wrong_link_is_refused_by_name() {
    let tenant = tenant("").await;
    let cases = [
        (json!({"link": "a.b"}), "required.field.missing"),
        (json!({"name": "x"}), "required.field.missing"),
        (
            json!({"name": "  ", "link": "a.b"}),
            "required.field.missing",
        ),
        (json!({"name": "x", "link": "https://a.b"}), "invalid.link"),
        (json!({"name": "x", "link": "a.b/c"}), "invalid.link"),
        (
            json!({"name": "x", "link": "a.b", "protocol": "https"}),
            "invalid.protocol",
        ),
        (
            json!({"name": "x", "link": "a.b", "enabled": "yes"}),
            "invalid.json",
        ),
        (
            json!({"name": "x", "link": "a.b", "userPortals": [{"id": "5"}]}),
            "resource.not.found",
        ),
    ];
    for (body, id) in cases {
        let reply = tenant.post(LINKS, body.clone()).await;
        assert_eq!(reply.refusal(), (400, id), "{body}");
        let named = body["name"].as_str().is_some_and(|name| !name.is_empty());
        assert_eq!(
            reply.body["params"] == json!([body["name"]]),
            named,
            "{body}"
        );
    }
    assert!(tenant.stored_links().is_empty());
}

#[tokio::test]
async fn a_put_replaces_all_but_id_and_creation_time() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["description"] = json!("old");
    body["userPortals"] = json!([{"id": portal}]);
    let created = tenant.post(LINKS, body).await;
    let path = format!("{LINKS}/{}", created.id());
    let replaced = tenant
        .put(&path, json!({"name": "b", "link": "new.example.com"}))
        .await;
    assert_eq!((replaced.status, replaced.body), (204, Value::Null));
    let read = tenant.get(&path).await.body;
    assert_eq!(
        (&read["name"], &read["link"]),
        (&json!("b"), &json!("new.example.com"))
    );
    assert_eq!(
        (&read["id"], &read["creationTime"]),
        (&created.body["id"], &created.body["creationTime"])
    );
    assert!(
        ["description", "protocol", "enabled", "userPortals"]
            .iter()
            .all(|field| read.get(field).is_none())
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}/userPortal/{portal}"))
            .await
            .body["totalCount"],
        "0"
    );
}

#[tokio::test]
async fn a_deleted_link_is_not_found() {
    let tenant = tenant("").await;
    let path = format!("{LINKS}/{}", tenant.post(LINKS, link("a")).await.id());
    assert_eq!(tenant.delete(&path).await.status, 204);
    for reply in [
        tenant.delete(&path).await,
        tenant.get(&path).await,
        tenant.put(&path, link("a")).await,
    ] {
        assert_eq!(reply.refusal(), (404, "resource.not.found"));
    }
    assert_eq!(
        tenant.post(LINKS, link("a")).await.status,
        201,
        "the name is free again"
    );
}

#[tokio::test]
async fn a_second_link_of_a_name_is_refused_if_configured() {
    let unique = tenant("").await;
    let first = unique.post(LINKS, link("a")).await.id();
    assert_eq!(
        unique.post(LINKS, link("a ")).await.refusal(),
        (400, "resource.already.exist")
    );
    assert_eq!(
        unique
            .put(&format!("{LINKS}/{first}"), link("a"))
            .await
            .status,
        204,
        "its own name is no obstacle"
    );
    let other = unique.post(LINKS, link("b")).await.id();
    assert_eq!(
        unique
            .put(&format!("{LINKS}/{other}"), link("a"))
            .await
            .refusal()
            .1,
        "resource.already.exist"
    );
    let free = tenant("bulk = { unique_names = false }").await;
    free.post(LINKS, link("a")).await;
    assert_eq!(free.post(LINKS, link("a")).await.status, 201);
    assert_eq!(
        free.post(BULK, json!({"userPortalLinks": links(&["a", "a"])}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn exceeding_a_limit_is_forbidden() {
    let tenant = tenant("limits = { links = 3, links_per_portal = 1 }").await;
    let portal = tenant.portals().await.remove(0);
    let mut body = link("a");
    body["userPortalId"] = json!(portal);
    assert_eq!(tenant.post(LINKS, body.clone()).await.status, 201);
    body["name"] = json!("b");
    assert_eq!(
        tenant.post(LINKS, body.clone()).await.refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    let loose = tenant.post(LINKS, link("b")).await.id();
    assert_eq!(
        tenant
            .put(&format!("{LINKS}/{loose}"), body)
            .await
            .refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    let batch = json!({"userPortalLinks": links(&["c", "d"])});
    assert_eq!(
        tenant.post(BULK, batch).await.refusal(),
        (403, "LIMIT_EXCEEDED")
    );
    assert_eq!(tenant.stored_links().len(), 2);
}

// Listings

#[tokio::test]
async fn a_listing_is_paged_in_order_of_creation() {
    let tenant = tenant("tenant = { links = 45 }").await;
    let first = tenant.get(LINKS).await;
    assert_eq!(
        (&first.body["totalPages"], &first.body["totalCount"]),
        (&json!("3"), &json!("45"))
    );
    assert_eq!(
        (first.names().len(), first.names()[0]),
        (20, "Seeded Link 0001")
    );
    let last = tenant.get(&format!("{LINKS}?page=3&pagesize=20")).await;
    assert_eq!(
        last.names(),
        (41..=45)
            .map(|n| format!("Seeded Link {n:04}"))
            .collect::<Vec<_>>()
    );
    assert!(
        tenant
            .get(&format!("{LINKS}?page=4"))
            .await
            .names()
            .is_empty()
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}?pagesize=500"))
            .await
            .names()
            .len(),
        45
    );
    assert_eq!(
        tenant.get(&format!("{LINKS}?pagesize=501")).await.status,
        400
    );
}

#[tokio::test]
async fn seeded_links_are_listed_by_portal() {
    let tenant = tenant("tenant = { portals = 2, links = 5 }").await;
    let portals = tenant.portals().await;
    let reply = tenant
        .get(&format!("{LINKS}/userPortal/{}", portals[0]))
        .await;
    assert_eq!(
        reply.names(),
        ["Seeded Link 0001", "Seeded Link 0003", "Seeded Link 0005"]
    );
    assert_eq!(
        tenant.get(&format!("{LINKS}/userPortal/5")).await.refusal(),
        (404, "resource.not.found")
    );
}

#[tokio::test]
async fn html_is_escaped_again_when_it_is_sent_back() {
    let tenant = tenant("").await;
    let created = tenant.post(LINKS, link("<R&D> \"a\" 'b' *")).await;
    let shown = "&lt;R&amp;D&gt; &quot;a&quot; &#x27;b&#x27; &#x2a;";
    assert_eq!(created.body["name"], shown);
    let path = format!("{LINKS}/{}", created.id());
    tenant.put(&path, created.body.clone()).await;
    let twice = tenant.get(&path).await;
    assert_eq!(twice.body["name"], shown.replace('&', "&amp;"));
}

#[tokio::test]
async fn a_search_finds_a_name_in_either_encoding() {
    let tenant = tenant("").await;
    tenant.post(LINKS, link("Service Edge")).await;
    tenant.post(LINKS, link("a*b")).await;
    for search in [
        "name%2BEQ%2BService+Edge",
        "name+EQ+Service+Edge+AND+enabled+EQ+true",
    ] {
        assert_eq!(
            tenant
                .get(&format!("{LINKS}?search={search}"))
                .await
                .names(),
            ["Service Edge"]
        );
    }
    let escaped = tenant.get(&format!("{LINKS}?search=name+EQ+a*b")).await;
    assert_eq!(
        (escaped.names(), &escaped.body["totalCount"]),
        (vec!["a&#x2a;b"], &json!("1"))
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}?search=name+LIKE+a"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_search_takes_every_documented_operator() {
    let tenant = tenant("tenant = { links = 3 }").await;
    let listed = tenant.get(LINKS).await;
    let ids: Vec<&str> = listed.body["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["id"].as_str().unwrap())
        .collect();
    let seeded = |numbers: &[u8]| -> Vec<String> {
        numbers
            .iter()
            .map(|number| format!("Seeded Link {number:04}"))
            .collect()
    };
    let expected = [
        ("GT", seeded(&[3])),
        ("LT", seeded(&[1])),
        ("GTEQ", seeded(&[2, 3])),
        ("LTEQ", seeded(&[1, 2])),
        ("EQ", seeded(&[2])),
    ];
    for (operator, names) in expected {
        for plus in ["+", "%2B"] {
            let search = format!("id{plus}{operator}{plus}{}", ids[1]);
            let reply = tenant.get(&format!("{LINKS}?search={search}")).await;
            assert_eq!(reply.names(), names, "{search}");
        }
    }
    let both = format!("id%2BGT%2B{}%2BAND%2Bid%2BLT%2B{}", ids[0], ids[2]);
    let reply = tenant.get(&format!("{LINKS}?search={both}")).await;
    assert_eq!(reply.names(), seeded(&[2]));
}

// Bulk

#[tokio::test]
async fn a_bulk_call_puts_every_link_on_every_portal() {
    let tenant = tenant("").await;
    let portals = tenant.portals().await;
    let body = json!({"userPortalLinks": links(&["a", "b"]), "userPortals": [{"id": portals[0]}, {"id": portals[1]}]});
    let reply = tenant.post(BULK, body).await;
    assert_eq!(reply.status, 201);
    let created = reply.body["userPortalLinks"].as_array().unwrap();
    assert_eq!(
        created
            .iter()
            .map(|link| link["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(reply.body["userPortals"][1]["id"], json!(portals[1]));
    for link in created {
        assert_eq!(link["nameWithoutTrim"], link["name"]);
        assert!(link.get("userPortals").is_none());
        let read = tenant
            .get(&format!("{LINKS}/{}", link["id"].as_str().unwrap()))
            .await;
        assert_eq!(read.body["userPortals"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_atomic_batch_names_its_first_bad_link() {
    let tenant = tenant("").await;
    tenant.post(LINKS, link("taken")).await;
    let mut items = links(&["a", "bad", "taken"]);
    items[1]["link"] = json!("https://x");
    let reply = tenant.post(BULK, json!({"userPortalLinks": items})).await;
    assert_eq!(reply.refusal(), (400, "invalid.link"));
    assert_eq!(
        (&reply.body["params"], &reply.body["exception"]),
        (&json!(["bad"]), &json!("invalid.link"))
    );
    assert_eq!(tenant.stored_links().len(), 1);
}

#[tokio::test]
async fn a_loose_batch_creates_its_good_links_with_a_400() {
    let tenant = tenant("bulk = { atomic = false }").await;
    let reply = tenant
        .post(
            BULK,
            json!({"userPortalLinks": links(&["a", "b", "a", "c"])}),
        )
        .await;
    assert_eq!(reply.refusal(), (400, "resource.already.exist"));
    let stored = tenant.stored_links();
    assert_eq!(
        stored
            .iter()
            .map(|link| link["name"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn a_malformed_batch_is_refused() {
    let tenant = tenant("bulk = { max = 2, atomic = false }").await;
    let refusal = |body: Value| async { tenant.post(BULK, body).await.refusal().0 };
    assert_eq!(refusal(json!({"userPortalLinks": []})).await, 400);
    assert_eq!(refusal(json!({})).await, 400);
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a", "b", "c"])})).await,
        400
    );
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a"]), "userPortals": [{"id": "5"}]})).await,
        400
    );
    assert!(tenant.stored_links().is_empty());
    assert_eq!(
        refusal(json!({"userPortalLinks": links(&["a", "b"])})).await,
        201
    );
}
