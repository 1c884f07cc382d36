//! Customer domains.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::api::{Reply, text};
use crate::support::served::{Offline, SHARED, SUFFIXES, Tenant, tenant};

fn domains(reply: &Reply) -> Vec<&str> {
    let list = reply.body.as_array().unwrap();
    list.iter().map(|one| text(one, "domain")).collect()
}

fn list(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"domain": name})).collect()
}

/// The list of search suffixes after posting these.
async fn posted(tenant: &Tenant, names: &[&str]) -> Reply {
    assert_eq!(tenant.post(SUFFIXES, list(names)).await.status, 204);
    tenant.get(SUFFIXES).await
}

const SEEDED: &str = "seed = [\"a.example.com\", \"b.example.com\"]";

#[tokio::test]
async fn a_tenant_starts_with_its_suffixes_in_an_array() {
    let bare = tenant("").await;
    for path in [SUFFIXES, SHARED] {
        let reply = bare.get(path).await;
        assert_eq!((reply.status, reply.body), (200, json!([])));
    }
    let seeded = tenant(&format!("domains = {{ {SEEDED} }}")).await;
    let reply = seeded.get(SUFFIXES).await;
    assert_eq!(domains(&reply), ["a.example.com", "b.example.com"]);
    assert_eq!(seeded.stored("domains"), reply.body);
    let one = reply.body[0].as_object().unwrap();
    assert_eq!(one["associationType"], "SEARCH_SUFFIX");
    assert_eq!(one["capture"], false);
    for field in ["id", "creationTime", "modifiedTime", "modifiedBy"] {
        assert!(one[field].as_str().unwrap().parse::<u64>().is_ok());
    }
    assert_eq!(text(&reply.body[0], "id").len(), 18);
    assert_eq!(seeded.get(SHARED).await.body, json!([]));
}

#[tokio::test]
async fn a_list_replaces_or_adds_as_the_scenario_says() {
    let cases: [(&str, &[&str]); 3] = [
        ("", &["b.example.com", "c.example.com"]),
        ("post = \"replace\",", &["b.example.com", "c.example.com"]),
        (
            "post = \"add\",",
            &["a.example.com", "b.example.com", "c.example.com"],
        ),
    ];
    for (post, expected) in cases {
        let tenant = tenant(&format!("domains = {{ {post} {SEEDED} }}")).await;
        let reply = posted(&tenant, &["B.example.com", "c.example.com"]).await;
        let lower: Vec<String> = domains(&reply).iter().map(|d| d.to_lowercase()).collect();
        assert_eq!(lower, expected, "{post}");
    }
}

#[tokio::test]
async fn an_empty_list_removes_all_where_lists_replace() {
    let replacing = tenant(&format!("domains = {{ {SEEDED} }}")).await;
    assert!(domains(&posted(&replacing, &[]).await).is_empty());
    let adding = tenant(&format!("domains = {{ post = \"add\", {SEEDED} }}")).await;
    assert_eq!(domains(&posted(&adding, &[]).await).len(), 2);
}

#[tokio::test]
async fn a_known_domain_keeps_its_id_and_a_new_one_gets_one() {
    for post in ["replace", "add"] {
        let tenant = tenant(&format!("domains = {{ post = \"{post}\", {SEEDED} }}")).await;
        let before = tenant.get(SUFFIXES).await.body;
        let mut body = before.clone();
        body[0]["capture"] = json!(true);
        body[0]["name"] = json!("Head *office*");
        // Read from there: an id is not what a domain is recognised by.
        body[1]["id"] = json!("5");
        body.as_array_mut().unwrap().push(
            json!({"domain": "c.example.com", "capture": false, "name": {}, "associationType": "SHARED"}),
        );
        assert_eq!(tenant.post(SUFFIXES, body).await.status, 204);
        let after = tenant.get(SUFFIXES).await.body;
        assert_eq!(
            (&after[0]["id"], &after[1]["id"]),
            (&before[0]["id"], &before[1]["id"])
        );
        assert_eq!(
            (&after[0]["capture"], &after[0]["name"]),
            (&json!(true), &json!("Head &#x2a;office&#x2a;"))
        );
        assert_eq!(after[2]["associationType"], "SEARCH_SUFFIX");
        assert!(after[2].get("name").is_none());
        let ids: BTreeMap<&str, &str> = after
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(one, "id"), text(one, "domain")))
            .collect();
        assert_eq!(ids.len(), 3, "{ids:?}");
        assert_eq!(tenant.get(SHARED).await.body, json!([]));
    }
}

#[tokio::test]
async fn a_wrong_list_is_refused_and_changes_nothing() {
    let tenant = tenant(&format!("domains = {{ {SEEDED} }}")).await;
    let cases = [
        (json!({"domain": "a.com"}), "invalid.json"),
        (json!("a.com"), "invalid.json"),
        (Value::Null, "invalid.json"),
        (json!(["a.com"]), "invalid.json"),
        (json!([{"name": "a.com"}]), "required.field.missing"),
        (
            json!([{"domain": "a.com", "capture": "yes"}]),
            "invalid.json",
        ),
        (
            json!([{"domain": "c.com"}, {"domain": "C.com"}]),
            "resource.already.exist",
        ),
        (list(&["c.com", "http://d.com"]), "invalid.domain"),
        (list(&["d..com"]), "invalid.domain"),
        (list(&[".com"]), "invalid.domain"),
        (list(&["-d.com"]), "invalid.domain"),
        (list(&["d_d.com"]), "invalid.domain"),
        (list(&["*.com"]), "invalid.domain"),
        (
            list(&[&format!("{}.com", "d".repeat(64))]),
            "invalid.domain",
        ),
    ];
    for (body, id) in cases {
        let reply = tenant.post(SUFFIXES, body.clone()).await;
        assert_eq!(reply.refusal(), (400, id), "{body}");
    }
    let empty = tenant.call(Method::POST, SUFFIXES, None).await;
    assert_eq!(empty.status, 400);
    assert_eq!(domains(&tenant.get(SUFFIXES).await).len(), 2);
}

#[tokio::test]
async fn a_refused_domain_is_named_in_the_documented_form() {
    let tenant = tenant("").await;
    let reply = tenant.post(SUFFIXES, list(&["a b.com"])).await;
    assert_eq!(
        reply.body,
        json!({"id": "invalid.domain", "reason": "a b.com is not a domain.", "params": ["a b.com"],
            "exception": "invalid.domain"})
    );
}

#[tokio::test]
async fn unknown_types_and_methods_are_refused() {
    let tenant = tenant("").await;
    let other = SUFFIXES.replace("SEARCH_SUFFIX", "OTHER");
    assert_eq!(
        tenant.get(&other).await.refusal(),
        (400, "invalid.association.type")
    );
    assert_eq!(tenant.delete(SUFFIXES).await.status, 405);
}

#[tokio::test]
async fn a_list_may_be_as_long_as_the_limit_says() {
    let names: Vec<String> = (1..=51).map(|n| format!("d{n}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for post in ["replace", "add"] {
        let plain = tenant(&format!("domains = {{ post = \"{post}\" }}")).await;
        assert_eq!(
            plain.post(SUFFIXES, list(&names)).await.refusal(),
            (403, "LIMIT_EXCEEDED")
        );
        assert_eq!(plain.post(SUFFIXES, list(&names[..50])).await.status, 204);
        assert_eq!(plain.post(SUFFIXES, list(&names[..50])).await.status, 204);
        assert_eq!(plain.post(SHARED, list(&names[50..])).await.status, 204);
    }
    let scenario = "domains = { post = \"add\" }\nlimits = { domains = 2 }";
    let small = tenant(scenario).await;
    assert_eq!(small.post(SUFFIXES, list(&names[..2])).await.status, 204);
    assert_eq!(small.post(SUFFIXES, list(&names[2..3])).await.status, 403);
    assert_eq!(domains(&small.get(SUFFIXES).await), names[..2]);
}

#[tokio::test]
async fn another_administrator_adds_a_domain_once() {
    let scenario =
        |after: &str| format!("domains = {{ {SEEDED}, intruder = \"late.example.com\"{after} }}");
    let first = tenant(&scenario("")).await;
    assert_eq!(domains(&first.get(SUFFIXES).await).len(), 2);
    let reply = first.get(SUFFIXES).await;
    assert_eq!(domains(&reply)[2], "late.example.com");
    assert_eq!(
        domains(&posted(&first, &["a.example.com"]).await),
        ["a.example.com"],
        "only once"
    );
    assert_eq!(domains(&first.get(SUFFIXES).await).len(), 1);

    let second = tenant(&scenario(", intruder_after = 2")).await;
    for expected in [2, 2, 3] {
        assert_eq!(domains(&second.get(SUFFIXES).await).len(), expected);
    }
}

/// The elements of a list after a post, by the rule of the scenario, in no order.
fn model(
    post: &str,
    before: &BTreeMap<String, bool>,
    posted: &BTreeMap<String, bool>,
) -> BTreeMap<String, bool> {
    let mut after = match post {
        "add" => before.clone(),
        _ => BTreeMap::new(),
    };
    after.extend(posted.clone());
    after
}

proptest! {
    #[test]
    fn posts_follow_the_rule_and_domains_keep_their_ids(
        post in prop_oneof![Just("add"), Just("replace")],
        posts in vec(btree_map("[a-e]", any::<bool>(), 0..5), 1..8),
    ) {
        let mut tenant = Offline::new(&format!("domains = {{ post = \"{post}\" }}"), 1);
        let (mut expected, mut ids) = (BTreeMap::new(), BTreeMap::<String, String>::new());
        for posted in posts {
            expected = model(post, &expected, &posted);
            let body = posted.iter().map(|(domain, capture)| json!({"domain": domain, "capture": capture}));
            let (status, _) = tenant.call("POST", SUFFIXES, Some(&body.collect()));
            prop_assert_eq!(status, 204);
            let (_, list) = tenant.call("GET", SUFFIXES, None);
            let list = list.as_array().unwrap();
            let shown = list.iter().map(|one| (text(one, "domain").to_owned(), one["capture"] == true));
            prop_assert_eq!(&shown.collect::<BTreeMap<_, _>>(), &expected);
            prop_assert_eq!(list.len(), expected.len());
            let now: BTreeMap<String, String> = list
                .iter()
                .map(|one| (text(one, "domain").to_owned(), text(one, "id").to_owned()))
                .collect();
            prop_assert!(now.iter().all(|(domain, id)| ids.get(domain).is_none_or(|old| old == id)));
            let different: BTreeSet<&String> = now.values().collect();
            prop_assert_eq!(different.len(), now.len());
            ids = now;
        }
    }
}
