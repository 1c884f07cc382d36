//! What a tenant's limits count is found out once, and remembered for the tenant.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use crate::support::command::{Ran, assert_contains, kill, spawn};
use crate::support::tenant::{Tenant, at};

/// More than fit into two windows.
const LINKS: usize = 15;

/// More than three windows beyond the first show.
const MANY_LINKS: usize = 30;

/// A tenant with that limiter of 5 writes in a window. The margin is for busy machines.
fn start(limiter: &str, window: &str) -> Tenant {
    let quota = format!("5/{window}");
    Tenant::start(&format!(
        "[quota]\nread = \"off\"\nwrite = \"{quota}\"\n{limiter}\n"
    ))
    .with("ZPA_BULK_READ_QUOTA", "off")
    .with("ZPA_BULK_WRITE_QUOTA", quota)
    .with("ZPA_BULK_WINDOW_MARGIN", "10%")
}

/// Creates links and deletes them one by one. Returns the number of refused deletes, and their time.
fn create_and_delete(tenant: &Tenant, round: usize, links: usize) -> (usize, Duration) {
    let mut creates = "name,url,user_portals\n".to_owned();
    let mut deletes = "resource,action,name\n".to_owned();
    for number in 0..links {
        let name = format!("Link {round} {number:02}");
        writeln!(creates, "{name},https://a.example.com/,Employee Portal").unwrap();
        writeln!(deletes, "portal-link,delete,{name}").unwrap();
    }
    tenant.apply("creates.csv", &creates).expect(0);
    let before = tenant.log().len();
    let file = tenant.write("deletes.csv", &deletes);
    let mut command = tenant.command(&["apply", "--yes", "--max-deletes", "100"]);
    Ran::of(command.arg(file)).expect(0);
    let log = tenant.log().split_off(before);
    let of = |status: u64| {
        log.iter()
            .filter(move |entry| entry["method"] == "DELETE" && entry["status"] == status)
    };
    assert_eq!(of(204).count(), links);
    let (first, last) = (of(204).next().unwrap(), of(204).next_back().unwrap());
    (of(429).count(), at(last).saturating_sub(at(first)))
}

fn learned(tenant: &Tenant) -> String {
    let report = tenant.run(&["doctor"]).expect(0).stdout;
    let lines = report.lines().filter(|line| line.contains("learned"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_limit_on_each_path_is_found_out_once() {
    let tenant = start("scope = \"endpoint\"", "6s");
    assert_contains(&learned(&tenant), "nothing");
    for round in 0..2 {
        let (refused, took) = create_and_delete(&tenant, round, MANY_LINKS);
        assert_eq!(refused, 0);
        assert!(took < Duration::from_secs(24), "{took:?}");
        assert_contains(&learned(&tenant), "each path has a limit of its own");
    }
}

#[test]
fn a_limit_on_all_paths_is_found_out_once() {
    let tenant = start("window = \"sliding-log\"", "3s");
    let (refused, _) = create_and_delete(&tenant, 0, LINKS);
    assert!((1..=3).contains(&refused), "{refused}");
    assert_contains(&learned(&tenant), "the limits count all paths together");
    assert_eq!(create_and_delete(&tenant, 1, LINKS).0, 0);
    let forgotten = tenant.run(&["doctor", "--forget"]).expect(0);
    assert_contains(&forgotten.stdout, "nothing");
    assert_contains(&learned(&tenant), "nothing");
}

#[test]
fn a_small_bucket_is_found_out_once() {
    let tenant = start("window = \"small-bucket\"", "2s").with("ZPA_BULK_QUOTA_SCOPE", "tenant");
    let (refused, _) = create_and_delete(&tenant, 0, LINKS);
    assert!((1..5).contains(&refused), "{refused}");
    assert_contains(
        &learned(&tenant),
        "write calls are refused when several go at once",
    );
    assert_eq!(create_and_delete(&tenant, 1, LINKS).0, 0);
}

#[test]
fn another_programs_part_of_the_quota_is_left_to_it() {
    const CALLS: usize = 24;
    let tenant = start("window = \"sliding-log\"\nco_tenant = \"2/2s\"", "2s");
    let mut creates = "name,url,user_portals\n".to_owned();
    for number in 0..CALLS {
        writeln!(
            creates,
            "Link {number:02},https://a.example.com/,Employee Portal"
        )
        .unwrap();
    }
    let file = tenant.write("creates.csv", &creates);
    let mut command = tenant.command(&["apply", "--yes", "--batch-size", "1", "--pace", "smooth"]);
    let mut child = tenant.met_after(CALLS * 3 / 4, command.arg(&file));
    let status = tenant.run(&["status"]).expect(0).stdout;
    assert_contains(&status, "another program uses a part of the write quota");
    assert!(child.wait().unwrap().success());
    let log = tenant.log_of("write");
    let refused = log.iter().filter(|entry| entry["status"] == 429).count();
    assert!((1..=CALLS / 4).contains(&refused), "{refused}");
    let report = tenant.run_dir().join("report.json");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert!(
        (2..5).contains(&report["summary"]["write_room"].as_u64().unwrap()),
        "{report}"
    );
}

#[test]
fn a_run_that_was_killed_goes_on_where_each_path_has_a_limit() {
    let tenant = start("scope = \"endpoint\"", "3s").with("ZPA_BULK_QUOTA_SCOPE", "endpoint");
    let mut creates = "name,url,user_portals\n".to_owned();
    let mut deletes = "resource,action,name\n".to_owned();
    for number in 0..MANY_LINKS {
        writeln!(
            creates,
            "Link {number:02},https://a.example.com/,Employee Portal"
        )
        .unwrap();
        writeln!(deletes, "portal-link,delete,Link {number:02}").unwrap();
    }
    tenant.apply("creates.csv", &creates).expect(0);
    let file = tenant.write("deletes.csv", &deletes);
    let mut command = tenant.command(&["apply", "--yes", "--max-deletes", "100"]);
    tenant.killed_after(10, command.arg(file));
    let mut resumed = spawn(&mut tenant.command(&["resume", "--settle", "1s"]));
    for _ in 0..600 {
        if let Some(status) = resumed.try_wait().unwrap() {
            assert!(status.success());
            return assert_eq!(tenant.links().len(), 0);
        }
        sleep(Duration::from_millis(100));
    }
    kill(&mut resumed);
    panic!("the resumed run does not end");
}
