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
