//! The sixteen rows of the API's endpoints, each with a command that calls it.

use serde_json::Value;

use crate::support::tenant::Tenant;

/// The row of an endpoint in the list, its method, its path below the customer with `*` for an id, and a command that
/// calls it. `{link}`, `{portal}` and `{connector}` stand for ids of the tenant.
const ENDPOINTS: &str = "\
 1 | GET    | v1 v2/associationtype/SEARCH_SUFFIX/domains | export domain
 1 | GET    | v1 v2/associationtype/SHARED/domains        | export domain --part shared
 2 | POST   | v1 v2/associationtype/SEARCH_SUFFIX/domains | apply domains.csv --yes
 3 | GET    | v1 userPortalLink                           | export portal-link
 4 | POST   | v1 userPortalLink                           | apply link.csv --yes
 5 | GET    | v1 userPortalLink/userPortal/*              | export portal-link --portal {portal}
 6 | GET    | v1 userPortalLink/*                         | show portal-link {link}
 7 | PUT    | v1 userPortalLink/*                         | apply update.csv --yes
 8 | DELETE | v1 userPortalLink/*                         | apply delete.csv --yes
 9 | POST   | v2 userPortalLink/bulk                      | apply links.csv --yes
10 | GET    | v1 connector                                | export connector
11 | POST   | v1 connector/bulkDelete                     | prune connectors --disconnected-for 30d --max-deletes 20 --name stale-0? --confirm=145283994705985536
12 | GET    | v1 connector/*                              | show connector {connector}
12 | PUT    | v1 connector/*                              | apply connector.csv --yes
12 | DELETE | v1 connector/*                              | apply connector-delete.csv --yes
14 | POST   | v1 connectorSchedule                        | apply schedule.csv --yes
14 | PUT    | v1 connectorSchedule/*                      | apply schedule-30.csv --yes
13 | GET    | v1 connectorSchedule                        | show connector-schedule
15 | GET    | v1 userPortal                               | export user-portal
15 | POST   | v1 userPortal                               | apply portal.csv --yes
16 | GET    | v1 userPortal/*                             | show user-portal {portal}
16 | PUT    | v1 userPortal/*                             | apply portal-update.csv --yes
16 | DELETE | v1 userPortal/*                             | apply portal-delete.csv --yes";

const MANIFESTS: [(&str, &str); 12] = [
    ("domains.csv", "resource,domain\ndomain,acme.com\n"),
    ("link.csv", "name,url\nA,https://a.acme.com\n"),
    (
        "update.csv",
        "name,url,description\nA,https://a.acme.com,New\n",
    ),
    ("delete.csv", "resource,name,action\nportal-link,A,delete\n"),
    (
        "links.csv",
        "name,url\nB,https://b.acme.com\nC,https://c.acme.com\n",
    ),
    (
        "connector.csv",
        "resource,name,description\nconnector,live-02,New\n",
    ),
    (
        "connector-delete.csv",
        "resource,name,action\nconnector,stale-10,delete\n",
    ),
    ("schedule.csv", "frequency_interval\n14\n"),
    ("schedule-30.csv", "frequency_interval\n30\n"),
    (
        "portal.csv",
        "name,ext_label,ext_domain,managed_by_zs\nField,field,acme.com,true\n",
    ),
    (
        "portal-update.csv",
        "resource,name,description\nuser-portal,Field,New\n",
    ),
    (
        "portal-delete.csv",
        "resource,name,action\nuser-portal,Field,delete\n",
    ),
];

/// A logged call, as [`ENDPOINTS`] writes it.
fn call(entry: &Value) -> Option<(String, String)> {
    let path = entry["path"].as_str()?.strip_prefix("/mgmtconfig/")?;
    let (version, rest) = path.split_once("/admin/customers/")?;
    let (_, rest) = rest.split_once('/')?;
    let is_id = |text: &str| text.len() > 10 && text.bytes().all(|b| b.is_ascii_digit());
    let segments: Vec<&str> = rest
        .split('/')
        .map(|s| if is_id(s) { "*" } else { s })
        .collect();
    let method = entry["method"].as_str()?.to_owned();
    Some((method, format!("{version} {}", segments.join("/"))))
}

#[test]
fn every_endpoint_is_reached_by_a_command() {
    let tenant = Tenant::start(
        "latency = { base = \"1ms\", jitter = \"0s\" }\ntenant = { links = 3 }\nconnectors = { live = 60 }\nquota = { read = \"500/10s\", write = \"500/10s\" }",
    )
    .with("ZPA_BULK_READ_QUOTA", "500/10s");
    for (name, text) in MANIFESTS {
        tenant.write(name, text);
    }
    tenant.wake();
    let state = tenant.state();
    let id = |of: &str| state[of][0]["id"].as_str().unwrap().to_owned();
    let ids = [
        ("{link}", id("portal_links")),
        ("{portal}", id("user_portals")),
        ("{connector}", id("connectors")),
    ];
    let mut rows = Vec::new();
    for line in ENDPOINTS.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [row, method, path, command] = cells[..] else {
            unreachable!("{line}");
        };
        let command = ids.iter().fold(command.to_owned(), |text, (name, id)| {
            text.replace(name, id)
        });
        let args: Vec<&str> = command.split(' ').collect();
        let before = tenant.log().len();
        tenant.run(&args).expect(0);
        let requests = tenant.log().split_off(before);
        let called: Vec<(String, String)> = requests.iter().filter_map(call).collect();
        let wanted = (method.to_owned(), path.to_owned());
        assert!(called.contains(&wanted), "{line}: {called:#?}");
        rows.push(row.parse::<u32>().unwrap());
    }
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows, (1..=16).collect::<Vec<_>>());
}
