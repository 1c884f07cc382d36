//! Plans and runs as a user meets them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, rows, zpa_bulk};
use crate::support::manifests::{expected, manifest};
use crate::support::scratch;
use crate::support::tenant::{CUSTOMER, OPEN, QUICK, Tenant};

fn sample(name: &str) -> String {
    format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_readmes_first_command_onboards_the_sample() {
    let dir = scratch();
    let manifest = sample("portal-links.csv");
    let mut command = zpa_bulk();
    command
        .current_dir(dir.path())
        .args(["apply", &manifest, "--simulate", "--yes"]);
    let ran = Ran::of(&mut command).expect(0);
    assert_contains(&ran.stdout, "240 rows: 240 created");
    assert_contains(&ran.stdout, "results: ");
    let ran = Ran::of(command.arg("--json")).expect(0);
    let summary = &ran.json()["summary"];
    for field in ["items", "created"] {
        assert_eq!(summary[field], 240, "{field}");
    }
    for field in [
        "updated",
        "unchanged",
        "deleted",
        "failed",
        "recovered",
        "throttled",
        "unavailable",
    ] {
        assert_eq!(summary[field], 0, "{field}");
    }
    assert!(summary["read_calls"].as_u64().unwrap() >= 2);
    assert!(summary["write_calls"].as_u64().unwrap() <= 8);
    assert!(summary["elapsed_ms"].as_u64().unwrap() > 0);
    let run_dir = dir.path().join(summary["run_dir"].as_str().unwrap());
    assert_eq!(rows(&run_dir.join("success.csv")).len(), 240);
}

#[test]
fn five_hundred_links_take_six_writes_and_then_none() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(500));
    let ran = tenant
        .run(&["apply", "links.csv", "--yes", "--json"])
        .expect(0);
    assert_eq!(ran.json()["summary"]["created"], 500);
    assert!(tenant.writes() <= 6);
    assert!(tenant.log().iter().all(|entry| entry["status"] != 429));
    assert_eq!(tenant.links(), expected(500));
    let writes = tenant.writes();
    let ran = tenant
        .run(&["apply", "links.csv", "--yes", "--json"])
        .expect(0);
    assert_eq!(ran.json()["summary"]["unchanged"], 500);
    assert_eq!(tenant.writes(), writes);
}

#[test]
fn result_files_keep_every_row_its_cells_and_its_id() {
    let tenant = Tenant::start(QUICK);
    tenant.write("first.csv", "name,url,my\n".replace(",my", "").as_str());
    tenant.write("links.csv", &manifest(7));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let success = rows(&tenant.run_dir().join("success.csv"));
    let state = tenant.state();
    assert_eq!(success.len(), 7);
    for (number, row) in success.iter().enumerate() {
        let live = state["portal_links"].as_array().unwrap();
        let live = live
            .iter()
            .find(|link| link["name"] == *row["Name"])
            .unwrap();
        assert_eq!(row["_id"], live["id"].as_str().unwrap());
        assert_eq!(
            row["URL"],
            format!("https://app{number}.corp.example.com/start")
        );
        assert_eq!(
            (row["_row"].as_str(), row["_status"].as_str()),
            ((number + 2).to_string().as_str(), "created")
        );
    }
}

#[test]
fn a_broken_manifest_is_refused_and_nothing_is_sent() {
    let tenant = Tenant::start(QUICK);
    let manifest = sample("broken.csv");
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let mut args = verb.to_vec();
        args.push(&manifest);
        let ran = tenant.run(&args).expect(3);
        for row in [3, 4, 5, 13, 14, 18, 19, 20, 21, 26, 35, 37] {
            assert!(
                ran.stderr.contains(&format!("broken.csv:{row}: ")),
                "row {row}: {}",
                ran.stderr
            );
        }
        assert_contains(&ran.stderr, "did you mean \"description\"?");
        assert!(ran.stdout.is_empty());
    }
    assert!(tenant.log().is_empty());
    assert!(!tenant.path("zpa-bulk-runs").exists());
}

#[test]
fn unknown_portals_are_named_and_nothing_is_sent() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url,portal\na,https://a,Employe Portal\nb,https://b,Nowhere\nc,https://c,Partner Portal\n");
    let ran = tenant.run(&["apply", "links.csv", "--yes"]).expect(3);
    assert_contains(
        &ran.stderr,
        "links.csv:2: column \"portal\": no user portal is called \"Employe Portal\"; did you mean \"Employee Portal\"?",
    );
    assert_contains(&ran.stderr, "links.csv:3: column \"portal\"");
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn a_plan_shows_every_change_and_writes_nothing() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let before = tenant.writes();
    let changed = "name,url,user_portals,action\n\
        Link 00000,https://new.corp.example.com/start,,\n\
        Link 00001,,,delete\n\
        Link 00002,https://app2.corp.example.com/start,Contractor Portal,\n\
        Link 00009,https://app9.corp.example.com,Employee Portal,create\n\
        Link 00010,,,update\n";
    tenant.write("changes.csv", changed);
    let ran = tenant.run(&["plan", "changes.csv"]).expect(4);
    assert_contains(
        &ran.stdout,
        "link: \"app0.corp.example.com\" -> \"new.corp.example.com\"",
    );
    assert_contains(
        &ran.stdout,
        "1 to create, 1 to update, 1 to delete, 1 unchanged, 1 impossible",
    );
    assert_contains(&ran.stdout, "2 read and 3 write calls");
    let json = tenant
        .run(&["plan", "changes.csv", "--json"])
        .expect(4)
        .json();
    assert_eq!(json["summary"]["write_calls"], 3);
    let ops: Vec<&str> = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["op"].as_str().unwrap())
        .collect();
    assert_eq!(ops, ["update", "delete", "unchanged", "create", "error"]);
    assert_eq!(tenant.writes(), before);
    assert_eq!(
        fs::read_dir(tenant.path("zpa-bulk-runs")).unwrap().count(),
        1
    );
}

#[test]
fn only_references_are_shown_by_name_in_a_plan() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(1));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let state = tenant.state();
    let id = state["portal_links"][0]["id"].as_str().unwrap();
    let changed =
        format!("name,description,portals,action\nLink 00000,{id},Contractor Portal,update\n");
    tenant.write("changes.csv", &changed);
    let ran = tenant.run(&["plan", "changes.csv"]).expect(0);
    for line in [
        format!("description: \"\" -> {id:?}\n"),
        "userPortals: \"Employee Portal\" -> \"Contractor Portal\"\n".to_owned(),
        "1 row: 1 to update\n1 read and 1 write call, ".to_owned(),
    ] {
        assert_contains(&ran.stdout, &line);
    }
}

#[test]
fn a_plan_beyond_the_limits_is_refused_unsent() {
    let tenant = Tenant::start(&format!("{QUICK}tenant = {{ links = 10 }}"));
    tenant.write("links.csv", &manifest(30));
    let ran = tenant
        .run(&[
            "apply",
            "links.csv",
            "--yes",
            "--links-limit",
            "39",
            "--links-per-portal-limit",
            "12",
        ])
        .expect(3);
    assert_contains(
        &ran.stderr,
        "the organization would have 40 portal links; the limit is 39",
    );
    assert_contains(&ran.stderr, "\"Employee Portal\"");
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn refused_rows_can_be_applied_from_the_error_file() {
    let tenant = Tenant::start(&format!(
        "{QUICK}limits = {{ links_per_portal = 3 }}\nbulk = {{ atomic = false }}"
    ));
    tenant.write("links.csv", &manifest(15));
    let ran = tenant.run(&["apply", "links.csv", "--yes", "--json"]);
    let report = ran.json();
    let summary = &report["summary"];
    let (created, failed) = (
        summary["created"].as_u64().unwrap(),
        summary["failed"].as_u64().unwrap(),
    );
    assert_eq!(created + failed, 15);
    assert_eq!(ran.code, Some(4));
    assert!(
        report["errors"][0]["error_id"]
            .as_str()
            .unwrap()
            .contains("LIMIT"),
        "{report}"
    );
    assert_eq!(tenant.links().len() as u64, created);
    let errors = tenant.run_dir().join("errors.csv");
    let again = tenant
        .run(&["plan", errors.to_str().unwrap(), "--json"])
        .expect(0)
        .json();
    assert_eq!(again["summary"]["create"].as_u64(), Some(failed));
}

#[test]
fn json_lines_and_standard_input_work_like_a_csv() {
    let tenant = Tenant::start(QUICK);
    let ran = tenant
        .run(&["apply", &sample("portal-links.jsonl"), "--yes", "--json"])
        .expect(0);
    assert_eq!(ran.json()["summary"]["created"], 12);
    let file = fs::File::open(sample("portal-links.jsonl")).unwrap();
    let ran = Ran::of(tenant.command(&["plan", "-", "--json"]).stdin(file));
    // The rows that ask for "create" exist by now.
    let summary = &ran.json()["summary"];
    assert_eq!(summary["create"], 0, "{summary}");
    assert_eq!(summary["items"], 12);
}

#[test]
fn without_terminal_and_yes_nothing_is_changed() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    let ran = tenant.run(&["apply", "links.csv"]).expect(2);
    assert_contains(&ran.stderr, "--yes");
    assert!(tenant.log_of("write").is_empty());
    assert!(!tenant.path("zpa-bulk-runs").exists());
}

#[test]
fn both_sign_ins_work_and_wrong_ones_exit_with_6() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    let mut one_api = tenant.command(&["apply", "links.csv", "--yes"]);
    one_api
        .env_remove("ZPA_CLIENT_ID")
        .env_remove("ZPA_CLIENT_SECRET")
        .env("ZSCALER_CLIENT_ID", "client")
        .env("ZSCALER_CLIENT_SECRET", "secret");
    Ran::of(&mut one_api).expect(0);
    let paths: Vec<String> = tenant
        .log()
        .iter()
        .map(|e| e["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths[0], "/oauth2/v1/token");
    assert!(
        paths[1..]
            .iter()
            .all(|path| path.starts_with("/zpa/mgmtconfig/")),
        "{paths:?}"
    );
    let wrong = Ran::of(
        tenant
            .command(&["plan", "links.csv"])
            .env("ZPA_CLIENT_SECRET", "wrong"),
    )
    .expect(6);
    assert_contains(&wrong.stderr, "invalid_client");
    let none = Ran::of(
        tenant
            .command(&["plan", "links.csv"])
            .env_remove("ZPA_CLIENT_SECRET"),
    )
    .expect(2);
    assert_contains(&none.stderr, "ZPA_CLIENT_SECRET");
}

#[test]
fn settings_come_from_a_file_and_flags_go_over_them() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(9));
    let settings = format!(
        "style = \"legacy\"\ncustomer_id = \"{CUSTOMER}\"\nclient_id = \"me\"\nclient_secret = \"hidden\"\nbase_url = \"{}\"\nbatch_size = 2\nwrite_quota = \"off\"\nruns_dir = \"elsewhere\"\n",
        tenant.url
    );
    tenant.write_private("settings.toml", &settings);
    let mut command = zpa_bulk();
    command.current_dir(tenant.path("")).args([
        "apply",
        "links.csv",
        "--yes",
        "--config",
        "settings.toml",
        "--batch-size",
        "1",
    ]);
    Ran::of(&mut command).expect(0);
    assert_eq!(tenant.writes(), 9);
    assert!(tenant.path("elsewhere").is_dir());
    tenant.write(
        "settings.toml",
        "client_secret = \"hidden\"\nbatchsize = 2\n",
    );
    let ran = Ran::of(&mut command).expect(2);
    assert!(
        ran.stderr.contains("settings.toml:2") && ran.stderr.contains("batchsize"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
}

#[test]
fn plain_http_is_refused_except_on_this_machine() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(1));
    let ran = tenant
        .run(&["plan", "links.csv", "--base-url", "http://192.0.2.1"])
        .expect(2);
    assert_contains(&ran.stderr, "plain HTTP");
}

#[test]
fn the_secret_is_nowhere_but_on_the_wire() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    let ran = tenant
        .run(&["apply", "links.csv", "--yes", "-vvv"])
        .expect(0);
    let mut texts = vec![ran.stdout, ran.stderr];
    for entry in fs::read_dir(tenant.run_dir()).unwrap() {
        texts.push(fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for text in &texts {
        assert!(
            !text.contains("s3cr3t") && !text.contains("Bearer ey"),
            "{text}"
        );
    }
    assert_contains(&texts[1], "signed in");
}

#[test]
fn status_and_runs_show_where_a_run_stands() {
    let tenant = Tenant::start(QUICK);
    assert_contains(&tenant.run(&["runs"]).expect(0).stderr, "no run");
    tenant.write("links.csv", &manifest(3));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(
        (status["state"].as_str(), status["created"].as_u64()),
        (Some("finished"), Some(3))
    );
    let runs = tenant.run(&["runs", "--json"]).expect(0).json();
    assert_eq!(runs["runs"][0]["run"], status["run"]);
    let unknown = tenant.run(&["status", "no-such-run"]).expect(2);
    assert_contains(&unknown.stderr, "there is no run \"no-such-run\"");
    // A settings file may have numbers without quotes.
    tenant.write("settings.toml", "jobs = 5\n");
    let args = ["apply", "links.csv", "--yes", "--config", "settings.toml"];
    tenant.run(&args).expect(0);
    let both = tenant.run(&["status", "2"]).expect(2);
    let why = "error: \"2\" is the beginning of 2 runs: 2";
    assert_contains(&both.stderr, why);
}

#[test]
fn resume_refuses_another_tenant_or_a_damaged_journal() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let run_dir = tenant.run_dir();
    let run = run_dir.to_str().unwrap();
    let other = tenant
        .run(&["resume", run, "--customer-id", "99"])
        .expect(7);
    assert_contains(&other.stderr, CUSTOMER);
    let journal = run_dir.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"call\":", "\"Call\":", 1)).unwrap();
    let damaged = tenant.run(&["resume", run]).expect(7);
    assert_contains(&damaged.stderr, "line 2 is damaged");
}

#[test]
fn the_run_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let run_dir = tenant.run_dir();
    assert_eq!(mode(&run_dir), 0o700);
    for entry in fs::read_dir(&run_dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn retries_stay_inside_the_quota_in_every_window() {
    // The server allows less than the client was told, so there are refusals to be repeated.
    let tenant = Tenant::start(&format!(
        "{QUICK}quota = {{ read = \"20/1s\", write = \"4/1s\" }}"
    ));
    tenant.write("links.csv", &manifest(12));
    let quota = ["--read-quota", "20/1s", "--write-quota", "6/1s"];
    let mut args = vec!["apply", "links.csv", "--yes", "--batch-size", "1", "--json"];
    args.extend(quota);
    let ran = tenant.run(&args).expect(0);
    assert_eq!(tenant.links(), expected(12));
    let refused = tenant
        .log()
        .iter()
        .filter(|entry| entry["status"] == 429)
        .count();
    assert!(refused > 0);
    assert_eq!(
        ran.json()["summary"]["throttled"].as_u64(),
        Some(refused as u64)
    );
    tenant.assert_paced(6, Duration::from_secs(1));
}

#[test]
fn unavailable_is_told_apart_from_throttled() {
    let busy =
        |kind: &str| format!("[[fault]]\nkind = \"status\"\nmatch = \"POST */bulk\"\n{kind}\n");
    let tenant = Tenant::start(&format!(
        "{QUICK}{}{}",
        busy("times = 1\nstatus = 503\nid = \"retryable.server.error\""),
        busy("times = 2\nstatus = 429")
    ));
    tenant.write("links.csv", &manifest(6));
    let ran = tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    assert_eq!(tenant.links(), expected(6));
    let answered = |status: u64| {
        let writes = tenant.log_of("write").into_iter();
        writes.filter(|entry| entry["status"] == status).count()
    };
    assert_eq!((answered(503), answered(429)), (1, 2));
    assert_contains(&ran.stdout, ", 2 throttled, 1 unavailable\n");
    let report = fs::read_to_string(tenant.run_dir().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["throttled"], &summary["unavailable"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn the_error_file_keeps_the_action_of_the_flag() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nNobody,https://nobody.example\n");
    tenant
        .run(&["apply", "links.csv", "--yes", "--action", "update"])
        .expect(4);
    let errors = tenant.run_dir().join("errors.csv");
    let again = tenant
        .run(&["plan", errors.to_str().unwrap(), "--json"])
        .expect(4)
        .json();
    assert_eq!(
        again["summary"]["error"], 1,
        "the row still asks for an update"
    );
}

#[test]
fn spellings_of_a_column_share_one_in_the_results() {
    let tenant = Tenant::start(&format!("{QUICK}limits = {{ links = 0 }}"));
    tenant.write("a.csv", "name,url\nA,https://a.example\n");
    tenant.write("b.csv", "Address,Name\nhttps://b.example,B\n");
    tenant.run(&["apply", "a.csv", "b.csv", "--yes"]).expect(4);
    let errors = tenant.run_dir().join("errors.csv");
    let cells = rows(&errors);
    assert_eq!(
        (cells[1]["name"].as_str(), cells[1]["url"].as_str()),
        ("B", "https://b.example")
    );
    assert_eq!(cells[1]["_row"], "b.csv:2");
    let again = tenant
        .run(&["plan", errors.to_str().unwrap(), "--json"])
        .expect(0);
    assert_eq!(again.json()["summary"]["create"], 2);
}

#[test]
fn outside_its_change_window_a_run_sends_nothing() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(3));
    let hour = |hours: i8| (jiff::Zoned::now().hour() + hours) % 24;
    let window = format!("{:02}:00-{:02}:00", hour(2), hour(3));
    let ran = tenant
        .run(&["apply", "links.csv", "--yes", "--window", &window])
        .expect(2);
    assert_contains(&ran.stderr, "outside the change window");
    assert!(tenant.log().is_empty());
    let window = format!("{:02}:00-{:02}:00", hour(0), hour(2));
    tenant
        .run(&["apply", "links.csv", "--yes", "--window", &window])
        .expect(0);
}

#[test]
fn a_run_that_is_parked_says_how_to_go_on() {
    let tenant = Tenant::start(&format!("{QUICK}quota = {{ write = \"off\" }}"));
    tenant.write("links.csv", &manifest(12));
    let ran = tenant
        .run(&[
            "apply",
            "links.csv",
            "--yes",
            "--batch-size",
            "1",
            "--write-quota",
            "4/1s",
            "--max-duration",
            "1s",
        ])
        .expect(5);
    assert_contains(&ran.stderr, "parked: the time for this run is up");
    assert_contains(&ran.stderr, "to go on: zpa-bulk resume ");
    assert!(tenant.links().len() < 12);
    tenant.run(&["resume", "--write-quota", "off"]).expect(0);
    assert_eq!(tenant.links(), expected(12));
}

// Only where a file system takes such names.
#[cfg(target_os = "linux")]
#[test]
fn runs_may_lie_where_the_path_is_no_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", &manifest(2));
    let in_such = |args: &[&str]| {
        let mut command = tenant.command(args);
        let runs = std::ffi::OsStr::from_bytes(b"runs-\xff");
        Ran::of(command.arg("--runs-dir").arg(runs))
    };
    let report = in_such(&["apply", "links.csv", "--yes", "--json"])
        .expect(0)
        .json();
    let shown = report["summary"]["run_dir"].as_str().unwrap();
    assert!(shown.starts_with("runs-\u{fffd}/"), "{shown}");
    assert_eq!(
        in_such(&["status", "--json"]).expect(0).json()["created"],
        2
    );
    assert_eq!(
        in_such(&["runs", "--json"]).expect(0).json()["runs"][0]["run_dir"],
        shown
    );
    assert_eq!(
        in_such(&["verify", "--json"]).expect(0).json()["holds"],
        true
    );
}

#[test]
fn json_rows_of_no_clear_resource_are_reported() {
    let tenant = Tenant::start(QUICK);
    for (row, problem) in [
        (
            r#"{"name":"a","description":"x"}"#,
            "the columns fit several resources",
        ),
        ("{}", "does not say which resource it is about"),
        (
            r#"{"name":"a","url":"https://a.example","portal":"x","portals":"y"}"#,
            "user_portals is given by another column too",
        ),
    ] {
        tenant.write("rows.jsonl", &format!("{row}\n"));
        let ran = tenant.run(&["plan", "rows.jsonl"]).expect(3);
        assert!(ran.stderr.contains(problem), "{row}: {}", ran.stderr);
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn updates_by_listings_are_counted_and_recorded() {
    let tenant = Tenant::start(&format!("{OPEN}tenant = {{ links = 11 }}\n"));
    let rows: String = (1..12)
        .map(|number| format!("Seeded Link {number:04},new,update\n"))
        .collect();
    let manifest = format!("name,description,action\n{rows}");
    tenant.write("links.csv", &manifest);
    let planned = |more: &[&str]| {
        let args = ["plan", "links.csv", "--json", "--resource", "portal-link"];
        let ran = tenant.run(&[&args, more].concat()).expect(0);
        ran.json()["summary"].clone()
    };
    let summary = planned(&[]);
    assert_eq!(summary["read_calls"], 11);
    let ways = summary["ways"].as_array().unwrap();
    let by_listing = |way: &&Value| way["setting"] == "--update-reads listing";
    let way = ways.iter().find(by_listing).unwrap();
    assert_eq!(way["read_calls"], 4);
    let by_listing = ["--update-reads", "listing"];
    assert_eq!(planned(&by_listing)["read_calls"], 4);
    tenant.write(
        "one.csv",
        "name,description,action\nSeeded Link 0001,new,update\n",
    );
    let args = ["apply", "one.csv", "--yes", "--resource", "portal-link"];
    tenant.run(&[&args[..], &by_listing].concat()).expect(0);
    let journal = fs::read_to_string(tenant.run_dir().join("journal.jsonl")).unwrap();
    assert_contains(
        journal.lines().next().unwrap(),
        r#""update_reads":"listing""#,
    );
}
