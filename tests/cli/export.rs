//! Live state as a manifest, and single objects, as a user gets them. Objects that raw calls have made come out of the
//! command, go back in, and change nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::api::Caller;
use crate::support::command::{Ran, assert_contains, rows};
use crate::support::tenant::{CUSTOMER, OPEN, TWINS, Tenant};

const SUFFIXES: &str = "v2/associationtype/SEARCH_SUFFIX/domains";
const SHARED: &str = "v2/associationtype/SHARED/domains";

/// The API without the client under test.
struct Api {
    runtime: Runtime,
    caller: Caller,
}

impl Api {
    fn of(tenant: &Tenant) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let caller = runtime.block_on(Caller::sign_in(tenant.url.clone()));
        Self { runtime, caller }
    }

    /// The body of the answer, null when there is none.
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let path = format!("/mgmtconfig/v1/admin/customers/{CUSTOMER}/{path}");
        let call = self.caller.call(method, &path, body.cloned());
        let reply = self.runtime.block_on(call);
        assert!(reply.status < 300, "{path} {body:?}: {}", reply.body);
        reply.body
    }

    fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body))
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let page = self.get(&format!("{path}?page=1&pagesize=500"));
        page["list"].as_array().cloned().unwrap_or_default()
    }

    fn portal(&self, name: &str) -> String {
        let portals = self.list("userPortal");
        let found = portals.iter().find(|portal| portal["name"] == name);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

/// Texts that spreadsheets, CSV, JSON and the API's own escaping could each spoil.
const AWKWARD: [&str; 16] = [
    "=1+1",
    "'=1+1",
    "''-5",
    "+49 30 1234",
    "@SUM(A1:A9)",
    "-",
    "'",
    "a \"quoted\", text",
    "x&#x2a;y",
    "p*q",
    "R&D &amp;lt; <b>",
    "1234567890123456789",
    "🎉 naïve",
    "a;b",
    "back\\slash",
    "null",
];

/// Texts that only a description can have.
const MORE_AWKWARD: [&str; 6] = [
    "one\ntwo\r\n\"three\"\n",
    "\t=1+1",
    "\r@x",
    "  both ends  ",
    "   ",
    "\u{feff}mark",
];

fn seed_links(api: &Api) {
    let portals = [api.portal("Employee Portal"), api.portal("Partner Portal")];
    let texts = AWKWARD.iter().chain(&MORE_AWKWARD);
    for (number, text) in texts.clone().enumerate() {
        let name = AWKWARD
            .get(number)
            .map_or_else(|| format!("link {number}"), |awkward| (*awkward).to_owned());
        let on = portals.iter().take(number % 3);
        api.post(
            "userPortalLink",
            &json!({
                "name": name, "description": text, "link": format!("w{number}.example.com"),
                "linkPath": "/a?x=1&copy;=2#%20", "protocol": "http://", "enabled": number % 2 == 0,
                "applicationId": "9223372036854775807",
                "userPortals": on.map(|id| json!({ "id": id })).collect::<Vec<Value>>(),
            }),
        );
    }
    api.post(
        "userPortalLink",
        &json!({"name": "bare", "link": "bare.example.com"}),
    );
}

fn seed_portals(api: &Api) {
    let texts = AWKWARD.iter().chain(&MORE_AWKWARD);
    for (number, text) in texts.enumerate() {
        api.post(
            "userPortal",
            &json!({
                "name": format!("-Portal {number}"), "description": text, "userNotification": text,
                "userNotificationEnabled": true, "enabled": false, "managedByZs": true,
                "extLabel": format!("p-{number}"), "extDomain": "corp.example.com",
            }),
        );
    }
    api.post(
        "userPortal",
        &json!({
            "name": "Own", "enabled": true, "managedByZs": false, "certificateId": "1234567890123456789",
            "domain": "https://portal.example.com",
        }),
    );
}

fn seed_connectors(api: &Api) {
    let free = |connector: &Value| {
        let is = |field: &str| connector[field] == true || connector[field] == "true";
        !is("readOnly") && !is("zscalerManaged")
    };
    let connectors = api.list("connector");
    let texts = AWKWARD.iter().chain(&MORE_AWKWARD).zip(connectors);
    let mut changed = 0;
    for (text, connector) in texts.filter(|(_, connector)| free(connector)) {
        let name = AWKWARD
            .iter()
            .find(|awkward| *awkward == text)
            .map_or(connector["name"].clone(), |name| json!(name));
        let mut body = connector.clone();
        body["name"] = name;
        body["description"] = json!(text);
        let path = format!("connector/{}", connector["id"].as_str().unwrap());
        api.call(Method::PUT, &path, Some(&body));
        changed += 1;
    }
    assert!(changed > MORE_AWKWARD.len());
}

fn seed_domains(api: &Api) {
    for (path, zone) in [(SUFFIXES, "example.com"), (SHARED, "example.net")] {
        let named = AWKWARD.iter().enumerate().map(|(number, name)| {
            json!({"domain": format!("d{number}.{zone}"), "name": name, "capture": number % 2 == 0})
        });
        let mut all: Vec<Value> = named.collect();
        all.push(json!({"domain": "Same.Example.org"}));
        api.post(path, &Value::Array(all));
    }
}

/// A tenant with awkward objects of every kind.
fn awkward(scenario: &str) -> Tenant {
    let tenant = Tenant::start(&format!("{OPEN}{scenario}"));
    let api = Api::of(&tenant);
    seed_portals(&api);
    seed_links(&api);
    seed_connectors(&api);
    seed_domains(&api);
    api.post(
        "connectorSchedule",
        &json!({"frequency": "days", "frequencyInterval": "30", "enabled": true, "deleteDisabled": false}),
    );
    tenant
}

#[test]
fn any_export_is_applied_without_a_write() {
    let tenant = awkward("connectors = { live = 20, stale = 10, groups = 2 }\n").unpaced();
    for (resource, count) in [
        ("portal-link", 23),
        ("user-portal", 27),
        ("connector", 33),
        ("domain", 34),
        ("connector-schedule", 1),
    ] {
        for ending in ["csv", "tsv", "jsonl", "json", "xlsx"] {
            let file = format!("{resource}.{ending}");
            let ran = tenant.run(&["export", resource, "-o", &file]).expect(0);
            let rows = if count == 1 { "row" } else { "rows" };
            assert_eq!(ran.stderr, format!("{count} {rows} written to {file}\n"));
            let content = fs::read(tenant.path(&file)).unwrap();
            let writes = tenant.writes();
            let applied = tenant.run(&["apply", &file, "--yes", "--json"]).expect(0);
            assert_eq!(applied.json()["summary"]["unchanged"], count, "{file}");
            assert_eq!(tenant.writes(), writes, "{file}");
            if ending == "xlsx" {
                assert!(content.starts_with(b"PK"));
                continue;
            }
            let ran = tenant
                .run(&["export", resource, "--format", ending])
                .expect(0);
            assert_eq!(ran.stdout.as_bytes(), content, "{file}");
        }
    }
}

#[test]
fn a_name_that_says_another_format_is_refused() {
    let tenant = Tenant::start(OPEN);
    for (file, said) in [
        ("x.ods", ".ods is no format that can be written"),
        ("x.xls", ".xls is no format"),
        ("x.pdf", ".pdf is no format"),
        ("x.csv.gz", "not written compressed"),
    ] {
        let ran = tenant.run(&["export", "user-portal", "-o", file]).expect(2);
        assert_contains(&ran.stderr, said);
        assert!(!tenant.path(file).exists());
    }
    let args = ["export", "user-portal", "-o", "x.txt", "--format", "tsv"];
    tenant.run(&args).expect(0);
    let text = fs::read_to_string(tenant.path("x.txt")).unwrap();
    assert!(text.starts_with("resource\tid\tname\t"), "{text}");
    let args = ["export", "user-portal", "-o", "x.json"];
    tenant.run(&args).expect(0);
    let array: Value = serde_json::from_slice(&fs::read(tenant.path("x.json")).unwrap()).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 4);
}

#[test]
fn values_come_out_as_they_are_and_never_as_formulas() {
    let tenant = awkward("");
    tenant
        .run(&["export", "portal-link", "-o", "links.csv"])
        .expect(0);
    let api = Api::of(&tenant);
    let portal = api.portal("Employee Portal");
    let exported = rows(&tenant.path("links.csv"));
    let row = |name: &str| exported.iter().find(|row| row["name"] == name).unwrap();
    for written in [
        "'=1+1",
        "''=1+1",
        "'''-5",
        "'+49 30 1234",
        "'@SUM(A1:A9)",
        "'-",
    ] {
        assert_eq!(row(written)["description"], written);
    }
    for same in [
        "a \"quoted\", text",
        "p*q",
        "1234567890123456789",
        "🎉 naïve",
    ] {
        assert_eq!(row(same)["description"], same);
    }
    assert_eq!(row("''=1+1")["user_portals"], portal);
    assert_eq!(row("''=1+1")["enabled"], "false");
    assert_eq!(row("'=1+1")["application_id"], "9223372036854775807");
    assert_eq!(row("'=1+1")["link_path"], "/a?x=1&copy;'=2#%20");
    assert_eq!(row("bare")["description"], "");
    for row in &exported {
        for cell in row.values() {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
        }
    }
    let lines = tenant
        .run(&["export", "portal-link", "--format", "jsonl"])
        .expect(0)
        .stdout;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line = lines.iter().find(|line| line["name"] == "'=1+1").unwrap();
    assert_eq!(line["enabled"], false);
    assert_eq!(line["user_portals"], json!([portal]));
    assert_eq!(line["application_id"], "9223372036854775807");
    let bare = lines.iter().find(|line| line["name"] == "bare").unwrap();
    assert_eq!(bare.get("description"), None);
}

#[test]
fn links_of_one_portal_have_their_own_endpoint() {
    let tenant = awkward("");
    let portal = Api::of(&tenant).portal("Partner Portal");
    for named in ["Partner Portal", &portal] {
        let ran = tenant
            .run(&["export", "portal-link", "--portal", named, "-o", "of.csv"])
            .expect(0);
        assert_eq!(ran.stderr, "7 rows written to of.csv\n");
        let path = format!("/userPortalLink/userPortal/{portal}");
        let last = tenant.log_of("read").pop().unwrap();
        assert!(last["path"].as_str().unwrap().ends_with(&path), "{last}");
        for row in rows(&tenant.path("of.csv")) {
            assert!(row["user_portals"].contains(&portal));
        }
        let writes = tenant.writes();
        tenant.run(&["apply", "of.csv", "--yes"]).expect(0);
        assert_eq!(tenant.writes(), writes);
    }
    let ran = tenant
        .run(&["export", "portal-link", "--portal", "Partnr Portal"])
        .expect(2);
    assert_contains(&ran.stderr, "did you mean \"Partner Portal\"?");
    tenant
        .run(&["export", "connector", "--portal", "Partner Portal"])
        .expect(2);
}

#[test]
fn what_is_exported_is_chosen_by_fields_and_columns() {
    let tenant = Tenant::start(&format!(
        "{OPEN}connectors = {{ live = 6, stale = 10, never_connected = 2, read_only = 0 }}\n"
    ));
    let count = |filters: &[&str]| {
        let mut args = vec!["export", "connector", "--columns", "status,Group"];
        args.extend(filters.iter().flat_map(|filter| ["--where", filter]));
        let out = tenant.run(&args).expect(0).stdout;
        assert!(out.starts_with("resource,id,status,group\n"), "{out}");
        out.lines().count() - 1
    };
    assert_eq!(count(&[]), 18);
    assert_eq!(count(&["status=connected"]), 6);
    assert_eq!(count(&["status=disconnected"]), 10);
    assert_eq!(count(&["status="]), 2);
    assert_eq!(
        count(&["status=disconnected", "last_disconnected older-than 30d"]),
        10
    );
    assert_eq!(
        count(&["last_disconnected older-than 1h", "status!=connected"]),
        10
    );
    assert_eq!(count(&["lastBrokerDisconnectTime older-than 9999d"]), 0);
    assert_eq!(count(&["name~*", "provisioningKeyName~*"]), 18);
    let ran = tenant
        .run(&["export", "connector", "--columns", "enabled", "-o", "c.csv"])
        .expect(0);
    assert_eq!(ran.stderr, "18 rows written to c.csv\n");
    tenant.run(&["apply", "c.csv", "--yes"]).expect(0);
    assert!(tenant.log_of("write").is_empty());
    for (args, said) in [
        (["--where", "stauts=connected"], "did you mean \"status\"?"),
        (["--where", "status"], "is not a filter"),
        (["--where", "version older-than 3d"], "is not a time"),
        (["--columns", "nmae"], "did you mean \"name\"?"),
        (["--columns", "disconnected_since"], "has no column"),
    ] {
        let mut all = vec!["export", "connector", "-o", "none.csv"];
        all.extend(args);
        let ran = tenant.run(&all).expect(2);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        assert!(!tenant.path("none.csv").exists());
    }
}

#[test]
fn an_export_without_rows_is_a_manifest_if_it_names_columns() {
    let tenant = Tenant::start(OPEN);
    for file in ["none.csv", "none.jsonl"] {
        tenant
            .run(&[
                "export",
                "portal-link",
                "--where",
                "name=nobody",
                "-o",
                file,
            ])
            .expect(0);
    }
    tenant.run(&["apply", "none.csv", "--yes"]).expect(0);
    // No line says which columns there would be, and an empty file may be one that was cut off.
    let ran = tenant.run(&["apply", "none.jsonl", "--yes"]).expect(3);
    assert_contains(&ran.stderr, "none.jsonl:1: the manifest is empty");
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn a_failed_export_leaves_the_file_as_it_was() {
    let tenant = Tenant::start(&format!(
        "{OPEN}tenant = {{ links = 1100 }}\nfaults = {{ fail_page = 3, fail_paths = [\"userPortalLink\"] }}\n"
    ));
    tenant.write("old.csv", "as it was");
    tenant.write("m.csv", "name,url\na,https://a\n");
    let once = ["--max-attempts", "1", "--read-quota", "off"];
    let plan = Ran::of(tenant.command(&["plan", "m.csv"]).args(once));
    for file in ["old.csv", "new.csv"] {
        let args = ["export", "portal-link", "-o", file];
        let ran = Ran::of(tenant.command(&args).args(once));
        assert_eq!(ran.code, plan.code, "{}", ran.stderr);
        assert_eq!(ran.code, Some(1));
        assert_contains(&ran.stderr, "cannot be read");
    }
    assert_eq!(fs::read(tenant.path("old.csv")).unwrap(), b"as it was");
    let mut files: Vec<_> = fs::read_dir(tenant.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "m.csv",
            "old.csv",
            "requests.jsonl",
            "scenario.toml",
            "state"
        ]
    );
}

#[test]
fn a_file_in_a_missing_directory_is_refused() {
    let tenant = Tenant::start(OPEN);
    let ran = tenant
        .run(&["export", "domain", "-o", "away/domains.csv"])
        .expect(2);
    let said = "error: away/domains.csv: there is no directory away\n";
    assert!(ran.stderr.ends_with(said), "{}", ran.stderr);
}

#[test]
fn files_are_private_and_devices_are_written_to() {
    let tenant = Tenant::start(OPEN);
    tenant.write("real.csv", "old");
    std::os::unix::fs::symlink("real.csv", tenant.path("link.csv")).unwrap();
    let export = |to: &str| tenant.run(&["export", "user-portal", "-o", to]).expect(0);
    export("link.csv");
    assert!(tenant.path("link.csv").is_symlink());
    let mode = fs::metadata(tenant.path("real.csv")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(rows(&tenant.path("real.csv")).len(), 4);
    let whole = fs::read_to_string(tenant.path("real.csv")).unwrap();
    // By a name of this directory: code that would put a file in its place must not reach the device.
    std::os::unix::fs::symlink("/dev/stdout", tenant.path("out")).unwrap();
    for to in ["-", "out"] {
        assert_eq!(export(to).stdout, whole, "{to}");
    }
    assert!(tenant.path("out").is_symlink());
    tenant
        .run(&["export", "user-portal", "-o", "no/such/place.csv"])
        .expect(2);
}

#[test]
fn a_value_that_cannot_be_applied_costs_its_cell() {
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}"));
    let api = Api::of(&tenant);
    api.post("userPortal", &json!({"name": "Café", "managedByZs": true, "extLabel": "cafe", "extDomain": "corp.example.com"}));
    for (name, link) in [
        ("two\nlines", "a.example.com"),
        ("twin", "b.example.com"),
        ("twin", "c d"),
        ("fine", "d.example.com"),
    ] {
        api.post("userPortalLink", &json!({"name": name, "link": link}));
    }
    let warned = |ran: &Ran| -> Vec<String> {
        let cells = ran.stderr.lines().filter_map(|line| {
            let cell = line.strip_prefix("warning: f.")?.split_once("column ")?;
            Some(cell.1.split_once(':')?.0.to_owned())
        });
        cells.collect()
    };
    for ending in ["csv", "jsonl"] {
        let file = format!("f.{ending}");
        let ran = tenant
            .run(&["export", "portal-link", "-o", &file])
            .expect(0);
        let empty = "is left empty, since it could not be applied";
        let expected = ["name", "link", "name"].map(|column| format!("\"{column}\" {empty}"));
        assert_eq!(warned(&ran), expected, "{}", ran.stderr);
        tenant.run(&["apply", &file, "--yes"]).expect(0);
        let ran = tenant
            .run(&["export", "user-portal", "-o", &file])
            .expect(0);
        assert_eq!(warned(&ran).len(), 1, "{}", ran.stderr);
        assert_contains(&ran.stderr, "cannot have 'é'");
        tenant.run(&["apply", &file, "--yes"]).expect(0);
    }
    assert_eq!(tenant.writes(), 5);
}

#[test]
fn a_microtenant_that_was_asked_for_is_in_every_row() {
    let tenant = Tenant::start(&format!(
        "{OPEN}microtenants = {{ names = [\"East\"] }}\ntenant = {{ links = 3 }}\n"
    ));
    let east = tenant.microtenants().remove(0);
    let args = [
        "export",
        "portal-link",
        "--microtenant",
        &east,
        "-o",
        "east.csv",
    ];
    tenant.run(&args).expect(0);
    let exported = rows(&tenant.path("east.csv"));
    assert_eq!(exported.len(), 3);
    assert!(exported.iter().all(|row| row["microtenant"] == east));
    let applied = tenant
        .run(&["apply", "east.csv", "--yes", "--json"])
        .expect(0);
    assert_eq!(applied.json()["summary"]["unchanged"], 3);
    assert!(tenant.log_of("write").is_empty());
    let named = format!("microtenantId={east}");
    for entry in tenant.log_of("read") {
        assert!(entry["query"].as_str().unwrap().contains(&named), "{entry}");
    }
}

#[test]
fn one_object_is_shown_as_the_api_answers_it() {
    let tenant = awkward("");
    let api = Api::of(&tenant);
    for (resource, path) in [
        ("portal-link", "userPortalLink"),
        ("connector", "connector"),
        ("user-portal", "userPortal"),
    ] {
        let listed = api.list(path);
        let id = listed[0]["id"].as_str().unwrap();
        let answered = api.get(&format!("{path}/{id}"));
        let before = tenant.log_of("read").len();
        assert_eq!(
            tenant.run(&["show", resource, id]).expect(0).json(),
            answered
        );
        let reads = tenant.log_of("read").split_off(before);
        assert_eq!(reads.len(), 1, "{resource}");
        let read = reads[0]["path"].as_str().unwrap();
        assert!(read.ends_with(&format!("/{path}/{id}")), "{read}");
        let name = answered["name"].as_str().unwrap();
        assert_eq!(
            tenant.run(&["show", resource, "--", name]).expect(0).json(),
            answered
        );
    }
    let schedule = tenant.run(&["show", "connector-schedule"]).expect(0).json();
    assert_eq!(schedule, api.get("connectorSchedule"));
    let last = tenant.log_of("read").pop().unwrap();
    assert!(
        last["path"]
            .as_str()
            .unwrap()
            .ends_with("/connectorSchedule")
    );
    let domain = tenant.run(&["show", "domain", "d3.example.NET"]).expect(0);
    assert_eq!(domain.json(), api.get(SHARED)[3]);
    let escaped = tenant.run(&["show", "portal-link", "p*q"]).expect(0).json();
    assert_eq!(escaped["name"], "p&#x2a;q");
}

#[test]
fn a_missing_or_ambiguous_object_is_not_shown() {
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}"));
    let api = Api::of(&tenant);
    let ids = ["twin", "TWIN", "Twin"].map(|name| {
        let link = json!({"name": name, "link": "w.example.com"});
        let answer = api.post("userPortalLink", &link);
        answer["id"].as_str().unwrap().to_owned()
    });
    let shown = tenant
        .run(&["show", "portal-link", "TWIN"])
        .expect(0)
        .json();
    assert_eq!(shown["id"], ids[1]);
    let ran = tenant.run(&["show", "portal-link", "tWIN"]).expect(2);
    assert!(
        ids.iter().all(|id| ran.stderr.contains(id)),
        "{}",
        ran.stderr
    );
    for args in [
        &["portal-link", "nobody"][..],
        &["portal-link", "72057594037927936"],
        &["connector-schedule"],
        &["domain", "nowhere.example"],
    ] {
        let ran = tenant.run(&[&["show"], args].concat()).expect(4);
        assert!(ran.stdout.is_empty());
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    let ran = tenant
        .run(&["show", "user-portal", "Employe Portal"])
        .expect(4);
    assert_contains(&ran.stderr, "did you mean \"Employee Portal\"?");
    tenant.run(&["show", "portal-link"]).expect(2);
    tenant.run(&["show", "connector-schedule", "7"]).expect(2);
}

#[test]
fn result_files_hold_no_formulas_and_can_be_applied() {
    let tenant = Tenant::start(OPEN);
    let api = Api::of(&tenant);
    let link = json!({"name": "=1+1", "link": "w.example.com"});
    let id = api.post("userPortalLink", &link)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    tenant.write(
        "m.jsonl",
        "{\"name\":\"=1+1\",\"link\":\"w.example.com\",\"description\":\"'=2+2\",\"action\":\"create\"}\n\
         {\"name\":\"+new\",\"link\":\"n.example.com\",\"description\":\"-3; =1,@x\"}\n",
    );
    tenant.run(&["apply", "m.jsonl", "--yes"]).expect(4);
    let run_dir = tenant.run_dir();
    let failed = rows(&run_dir.join("errors.csv")).remove(0);
    assert_eq!(failed["name"], "'=1+1");
    assert_eq!(failed["description"], "''=2+2");
    let done = rows(&run_dir.join("success.csv")).remove(0);
    assert_eq!(done["name"], "'+new");
    assert_eq!(done["description"], "'-3;' =1,'@x");
    api.call(Method::DELETE, &format!("userPortalLink/{id}"), None);
    let errors = run_dir.join("errors.csv");
    tenant
        .run(&["apply", errors.to_str().unwrap(), "--yes"])
        .expect(0);
    let links = api.list("userPortalLink");
    let link = |name: &str| links.iter().find(|link| link["name"] == name).unwrap();
    assert_eq!(link("=1+1")["description"], "&#x27;=2+2");
    assert_eq!(link("+new")["description"], "-3; =1,@x");
}
