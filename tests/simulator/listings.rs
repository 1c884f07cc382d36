//! Listings that differ from the objects as they are.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::api::text;
use crate::support::served::{
    BULK, BULK_DELETE, CONNECTORS, LINKS, Offline, PORTALS, SUFFIXES, link, links,
};

const LAG: Duration = Duration::from_secs(3);

const LAGGING: &str = "listing = { lag = \"3s\" }\n";

/// What every tenant of these tests starts with.
const START: &str = "tenant = { links = 3 }\nuser_portals = { delete_with_links = \"detach\" }\n\
                     limits = { links = 1000 }\ndomains = { seed = [\"a.example.com\"] }\n\
                     connectors = { live = 1, stale = 2, never_connected = 1, read_only = 0 }\n";

fn rows(body: &Value) -> Vec<Value> {
    let rows = body.get("list").unwrap_or(body);
    rows.as_array().unwrap().clone()
}

fn names(body: &Value) -> Vec<String> {
    let rows = rows(body);
    rows.iter()
        .map(|row| text(row, "name").to_owned())
        .collect()
}

#[test]
fn a_change_is_listed_after_the_lag_and_read_at_once() {
    let mut tenant = Offline::new(&format!("{START}{LAGGING}"), 1);
    let before = tenant.get(LINKS);
    let [first, second, _] = rows(&before).try_into().unwrap();
    tenant.pass(Duration::from_secs(10));
    let path = |link: &Value| format!("{LINKS}/{}", text(link, "id"));
    let (status, created) = tenant.call("POST", LINKS, Some(&link("new")));
    assert_eq!(status, 201);
    tenant.call("PUT", &path(&first), Some(&link("renamed")));
    tenant.call("DELETE", &path(&second), None);

    assert_eq!(tenant.get(&path(&first))["name"], "renamed");
    assert_eq!(tenant.get(&path(&created))["name"], "new");
    assert_eq!(tenant.call("GET", &path(&second), None).0, 404);
    tenant.pass(Duration::from_millis(2999));
    assert_eq!(tenant.get(LINKS), before);
    let search = format!("{LINKS}?search=name+EQ+new");
    assert_eq!(tenant.get(&search)["totalCount"], "0");

    tenant.pass(Duration::from_millis(1));
    let after = tenant.get(LINKS);
    assert_eq!(names(&after), ["renamed", "Seeded Link 0003", "new"]);
    assert_eq!(after["totalCount"], "3");
    assert_eq!(tenant.get(&search)["totalCount"], "1");
}

#[test]
fn a_taken_name_is_refused_before_it_is_listed() {
    let mut tenant = Offline::new(LAGGING, 1);
    tenant.call("POST", LINKS, Some(&link("a")));
    let (status, refused) = tenant.call("POST", LINKS, Some(&link("a")));
    assert_eq!(
        (status, &refused["id"]),
        (400, &json!("resource.already.exist"))
    );
    assert_eq!(tenant.get(LINKS)["totalCount"], "0");
}

/// One change, on one of the objects that there are.
#[derive(Debug, Clone)]
struct Step {
    pause: Duration,
    kind: usize,
    pick: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u64..2500, 0_usize..10, any::<prop::sample::Index>());
    let step = step.prop_map(|(pause, kind, pick)| Step {
        pause: Duration::from_millis(pause),
        kind,
        pick: pick.index(1000),
    });
    vec(step, 1..40)
}

impl Step {
    /// The call, on a tenant with these listings.
    fn call(&self, number: usize, seen: &Listings) -> (&'static str, String, Value) {
        let [links_now, portals, connectors, ..] = seen;
        let pick = |of: &Value| {
            let rows = rows(of);
            let picked = rows.get(self.pick % rows.len().max(1));
            picked.map_or("5", |row| text(row, "id")).to_owned()
        };
        let name = format!("n{number}");
        let mut new_link = link(&name);
        new_link["userPortals"] = json!([{ "id": pick(portals) }]);
        let portal = json!({"name": name, "extLabel": "abc", "extDomain": "example.com"});
        let connector = json!({"name": name, "description": "", "enabled": true});
        let batch = json!({ "userPortalLinks": links(&[&name, &format!("{name}b")]) });
        let domains = json!([{ "domain": format!("{name}.example.com") }]);
        match self.kind {
            0 => ("POST", LINKS.to_owned(), new_link),
            1 => ("POST", BULK.to_owned(), batch),
            2 => ("PUT", format!("{LINKS}/{}", pick(links_now)), new_link),
            3 => (
                "DELETE",
                format!("{LINKS}/{}", pick(links_now)),
                Value::Null,
            ),
            4 => ("POST", PORTALS.to_owned(), portal),
            5 => ("PUT", format!("{PORTALS}/{}", pick(portals)), portal),
            6 => (
                "DELETE",
                format!("{PORTALS}/{}", pick(portals)),
                Value::Null,
            ),
            7 => (
                "PUT",
                format!("{CONNECTORS}/{}", pick(connectors)),
                connector,
            ),
            8 => (
                "POST",
                BULK_DELETE.to_owned(),
                json!({ "ids": [pick(connectors)] }),
            ),
            _ => ("POST", SUFFIXES.to_owned(), domains),
        }
    }
}

/// All listings: links, portals, connectors, domains and the links of one portal.
type Listings = [Value; 5];

fn listings(tenant: &mut Offline, portal: &str) -> Listings {
    let of_portal = format!("{LINKS}/userPortal/{portal}");
    let mut get = |path: &str| tenant.get(&format!("{path}?pagesize=500"));
    [
        get(LINKS),
        get(PORTALS),
        get(CONNECTORS),
        get(SUFFIXES),
        get(&of_portal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_listing_is_that_of_the_lag_ago(steps in steps()) {
        let mut exact = Offline::new(START, 1);
        let mut lagging = Offline::new(&format!("{START}{LAGGING}"), 1);
        let portal = text(&rows(&exact.get(PORTALS))[0], "id").to_owned();
        let mut now = Duration::ZERO;
        let mut past = vec![(now, listings(&mut exact, &portal))];
        listings(&mut lagging, &portal);
        for (number, step) in steps.iter().enumerate() {
            now += step.pause;
            exact.pass(step.pause);
            lagging.pass(step.pause);
            let (_, seen) = past.last().unwrap();
            let (method, path, body) = step.call(number, seen);
            // The portal whose links are listed stays.
            if method == "DELETE" && path.ends_with(&portal) {
                continue;
            }
            let body = Some(&body).filter(|body| !body.is_null());
            let done = exact.call(method, &path, body);
            prop_assert_eq!(&lagging.call(method, &path, body), &done);
            past.push((now, listings(&mut exact, &portal)));
            let shown = listings(&mut lagging, &portal);
            let (_, then) = past.iter().rfind(|(at, _)| *at + LAG <= now).unwrap_or(&past[0]);
            prop_assert_eq!(&shown, then);
        }
    }
}

// Churn between pages

/// A scenario in which the listings of these resources change before every later page.
fn churning(of: &str, rest: &str) -> Offline {
    let listing = format!("listing = {{ churn = 1.0, churn_of = [{of}], churn_rows = 2 }}\n");
    Offline::new(&format!("{listing}{rest}"), 1)
}

fn page(tenant: &mut Offline, path: &str, number: usize, size: usize) -> Value {
    tenant.get(&format!("{path}?page={number}&pagesize={size}"))
}

#[test]
fn a_row_goes_and_one_comes_between_two_pages() {
    let mut tenant = churning("\"portal-link\"", "tenant = { links = 4 }");
    let [first, second] = [1, 2].map(|number| page(&mut tenant, LINKS, number, 3));
    assert_eq!(
        names(&first),
        ["Churn 1", "Churn 2", "Seeded Link 0001"],
        "the oldest rows are the administrator's"
    );
    assert_eq!(
        names(&second),
        ["Seeded Link 0003", "Seeded Link 0004", "Churn 3"],
        "a row has moved to the first page"
    );
    for body in [first, second] {
        assert_eq!(
            (&body["totalCount"], &body["totalPages"]),
            (&json!("6"), &json!("2"))
        );
    }
    let gone = tenant.get(LINKS);
    assert_eq!(names(&gone)[..2], ["Churn 2", "Seeded Link 0001"]);
}

#[test]
fn portals_and_connectors_are_churned_too() {
    let mut tenant = churning(
        "\"user-portal\", \"connector\"",
        "tenant = { portals = 2, links = 2 }\nconnectors = { live = 2, stale = 0, never_connected = 0, read_only = 0 }",
    );
    for (path, moved) in [(PORTALS, "Engineering Portal"), (CONNECTORS, "live-02")] {
        let [first, second] = [1, 2].map(|number| page(&mut tenant, path, number, 2));
        assert_eq!(names(&first), ["Churn 1", "Churn 2"]);
        assert_eq!(names(&second), [moved, "Churn 3"]);
        assert_eq!(second["totalCount"], "4");
    }
    let connectors = rows(&tenant.get(CONNECTORS));
    assert_eq!(
        connectors[0]["controlChannelStatus"],
        "ZPN_STATUS_AUTHENTICATED"
    );
    let links = rows(&page(&mut tenant, LINKS, 2, 1));
    assert_eq!(links[0]["name"], "Seeded Link 0002");
    assert_eq!(links[0]["userPortals"][0]["name"], "Engineering Portal");
}

#[test]
fn only_later_pages_of_a_whole_collection_are_churned() {
    let mut tenant = churning("\"portal-link\"", "tenant = { links = 2 }");
    let before = names(&tenant.get(LINKS));
    let portal = text(&rows(&tenant.get(PORTALS))[0], "id").to_owned();
    page(&mut tenant, &format!("{LINKS}/userPortal/{portal}"), 2, 1);
    page(&mut tenant, PORTALS, 2, 1);
    page(&mut tenant, CONNECTORS, 2, 1);
    page(&mut tenant, LINKS, 1, 1);
    assert_eq!(names(&tenant.get(LINKS)), before);
    page(&mut tenant, LINKS, 2, 1);
    assert_ne!(names(&tenant.get(LINKS)), before);
}

#[test]
fn churn_takes_none_but_its_own_objects() {
    let mut tenant = churning("\"user-portal\"", "tenant = { portals = 1 }");
    let [used, gone, other] = rows(&tenant.get(PORTALS)).try_into().unwrap();
    let mut body = link("a");
    body["userPortalId"] = used["id"].clone();
    tenant.call("POST", LINKS, Some(&body));
    let path = format!("{PORTALS}/{}", text(&gone, "id"));
    assert_eq!(tenant.call("DELETE", &path, None).0, 204);
    for _ in 0..3 {
        page(&mut tenant, PORTALS, 2, 1);
    }
    let left = tenant.get(PORTALS);
    assert_eq!(names(&left), [text(&used, "name"), text(&other, "name")]);
}

#[test]
fn the_seed_decides_between_which_pages_rows_change() {
    let changes = |seed: u64| -> Vec<bool> {
        let scenario = "listing = { churn = 0.5 }\nconnectors = { never_connected = 0 }";
        let mut tenant = Offline::new(scenario, seed);
        let changed = |_| {
            let before = names(&tenant.get(CONNECTORS));
            page(&mut tenant, CONNECTORS, 2, 20);
            names(&tenant.get(CONNECTORS)) != before
        };
        (0..60).map(changed).collect()
    };
    let one = changes(1);
    let count = one.iter().filter(|changed| **changed).count();
    assert!((15..45).contains(&count), "{count}");
    assert_eq!(one, changes(1));
    assert_ne!(one, changes(2));
}
