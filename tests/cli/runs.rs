//! Runs that follow other runs. Failures are retried, and a new run of an edited spreadsheet does what an old one has
//! left; nothing is lost or done twice.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, kill, rows, run_dirs, run_name, spawn};
use crate::support::scratch;
use crate::support::scripted::{self, NONE, Seen, TOKEN, server};
use crate::support::tenant::{OPEN, TWINS, Tenant};

#[test]
fn retry_takes_only_failures_and_links_the_old_run() {
    let tenant = Tenant::start(OPEN);
    tenant.write(
        "links.csv",
        "name,url,action,description\n\
         Wiki,https://wiki.example,,\n\
         Docs,,update,\"=late, kept\"\n\
         Mail,,update,never\n",
    );
    tenant.run(&["apply", "links.csv", "--yes"]).expect(4);
    let first = tenant.run_dirs().remove(0);
    tenant.write("docs.csv", "name,url\nDocs,https://docs.example\n");
    tenant
        .run(&["apply", "docs.csv", "--yes", "--runs-dir", "others"])
        .expect(0);
    let before = tenant.writes();
    let refused = tenant.run(&["retry"]).expect(2);
    assert_contains(&refused.stderr, "--yes");
    assert_eq!(tenant.run_dirs().len(), 1, "nothing is left of a no");
    let report = tenant.run(&["retry", "--yes", "--json"]).expect(4).json();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["items"], &summary["updated"], &summary["failed"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(report["retries"], run_name(&first));
    // Messages lead to the rows of the old run's errors.csv.
    assert_eq!(report["errors"][0]["row"], 3);
    let file = report["errors"][0]["file"].as_str().unwrap();
    assert_eq!(rows(&tenant.path(file))[1]["name"], "Mail");
    assert_eq!(tenant.writes() - before, 1);
    let docs = tenant.object("portal_links", "Docs");
    assert_eq!(docs["description"], "=late, kept");

    let second = tenant.run_dirs().remove(1);
    let status = tenant.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["retries"], run_name(&first));
    let shown = tenant.run(&["status", first.to_str().unwrap()]).expect(0);
    let link = format!("retried by {}\n", run_name(&second));
    assert_contains(&shown.stdout, &link);
    let runs = tenant.run(&["runs"]).expect(0).stdout;
    assert_contains(&runs, format!("retries {}", run_name(&first)));

    // The next retry is of the newest run, of which one row is left.
    let report = tenant.run(&["retry", "--yes", "--json"]).expect(4).json();
    assert_eq!(report["retries"], run_name(&second));
    assert_eq!(report["summary"]["items"], 1);
    let report = tenant
        .run(&["retry", run_name(&first), "--yes", "--json"])
        .expect(4)
        .json();
    assert_eq!(
        report["summary"]["items"], 2,
        "what is named is retried again"
    );
}

#[test]
fn retry_ignores_rehearsals_and_runs_without_failures() {
    let tenant = Tenant::start(OPEN);
    let none = tenant.run(&["retry", "--yes"]).expect(2);
    assert_contains(&none.stderr, "no run with failures");
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    tenant.write("gone.csv", "name,action,description\nGone,update,x\n");
    tenant
        .run(&[
            "apply",
            "gone.csv",
            "--yes",
            "--simulate",
            "--resource",
            "portal-link",
        ])
        .expect(4);
    let none = tenant.run(&["retry", "--yes"]).expect(2);
    assert_contains(&none.stderr, "no run with failures");
    let whole = tenant.run_dirs().remove(0);
    let said = tenant.run(&["retry", run_name(&whole), "--yes"]).expect(0);
    assert_contains(&said.stderr, "nothing failed");
}

/// A run of six links that was parked after the first of them.
fn parked(tenant: &Tenant) -> PathBuf {
    let rows = (0..6).map(|n| format!("App {n},https://app{n}.example,Employee Portal\n"));
    tenant.write(
        "links.csv",
        &format!("name,url,user_portals\n{}", rows.collect::<String>()),
    );
    let slowly = [
        "--batch-size",
        "1",
        "--write-quota",
        "1/1s",
        "--max-duration",
        "700ms",
    ];
    let mut apply = tenant.command(&["apply", "links.csv", "--yes"]);
    Ran::of(apply.args(slowly)).expect(5);
    tenant.run_dirs().remove(0)
}

#[test]
fn an_unfinished_run_is_resumed_and_not_retried() {
    let tenant = Tenant::start(OPEN);
    let run = parked(&tenant);
    let before = tenant.writes();
    let ran = tenant.run(&["retry", run_name(&run), "--yes"]).expect(5);
    let next = format!("zpa-bulk resume zpa-bulk-runs/{}", run_name(&run));
    assert_contains(&ran.stderr, &next);
    assert_eq!(tenant.writes(), before);
}

#[test]
fn an_unfinished_run_of_the_manifest_is_pointed_out() {
    let tenant = Tenant::start(OPEN);
    let run = parked(&tenant);
    let before = tenant.log().len();
    let ran = tenant.run(&["apply", "./links.csv"]).expect(2);
    let next = format!("zpa-bulk resume zpa-bulk-runs/{}", run_name(&run));
    for text in [
        "is unfinished: ",
        "of 6 rows have ended",
        &next,
        "--yes starts a new one",
    ] {
        assert_contains(&ran.stderr, text);
    }
    assert_eq!(tenant.log().len(), before);
    // One about other manifests says nothing of it.
    tenant.write("other.csv", "name,url\nOther,https://other.example\n");
    let ran = tenant.run(&["apply", "other.csv", "--yes"]).expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
    tenant
        .run(&["resume", run_name(&run), "--write-quota", "off"])
        .expect(0);
    let ran = tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
}

#[test]
fn an_edited_sheet_sends_only_what_is_left_or_new() {
    let tenant = Tenant::start(OPEN);
    let old = parked(&tenant);
    let made = tenant.links().len();
    assert!((1..6).contains(&made), "{made}");
    // Sorted the other way, the first with another address, two without one of the old, two new; all to be created.
    let rows = (0..8).rev().filter(|n| *n != 4).map(|n| {
        let host = if n == 0 {
            "changed".to_owned()
        } else {
            format!("app{n}")
        };
        format!("https://{host}.example,App {n},create,Employee Portal\n")
    });
    let text = format!("url,name,action,user_portals\n{}", rows.collect::<String>());
    tenant.write("links.csv", &text);
    let before = tenant.writes();
    let args = ["apply", "links.csv", "--yes", "--json", "--batch-size", "1"];
    let ran = tenant.run(&args).expect(0);
    assert_contains(&ran.stderr, "is unfinished: ");
    let report = ran.json();
    let summary = &report["summary"];
    let there = u64::try_from(made).unwrap() - 1;
    assert_eq!(summary["updated"], 1, "the one that was changed");
    assert_eq!(summary["unchanged"], there);
    assert_eq!(summary["created"], 7 - 1 - there);
    assert_eq!(
        tenant.writes() - before,
        7 - usize::try_from(there).unwrap()
    );
    let names = tenant.names("portal_links");
    assert_eq!(
        names,
        [
            "App 0", "App 1", "App 2", "App 3", "App 5", "App 6", "App 7"
        ]
    );
    assert_eq!(report["supersedes"][0], run_name(&old));

    // What the old run had left is done or not wanted any more.
    let refused = tenant.run(&["resume", run_name(&old)]).expect(2);
    assert_contains(&refused.stderr, "in the place of this run");
    let none = tenant.run(&["resume"]).expect(2);
    assert_contains(&none.stderr, "no unfinished run");
    let runs = tenant.run(&["runs"]).expect(0).stdout;
    assert_contains(&runs, "superseded");
    let again = tenant.run(&args).expect(4);
    assert!(!again.stderr.contains("unfinished"), "{}", again.stderr);
    assert!(
        again.json()["summary"]["failed"] == 7,
        "what another run has created is there, and to be created"
    );
}

#[test]
fn resume_does_not_create_what_another_run_has() {
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}"));
    let old = parked(&tenant);
    tenant.write(
        "other.csv",
        "name,url,user_portals\n\
         App 4,https://else.example,Employee Portal\n\
         App 5,https://app5.example,Employee Portal\n",
    );
    tenant.run(&["apply", "other.csv", "--yes"]).expect(0);
    let args = ["resume", run_name(&old), "--json", "--write-quota", "off"];
    let report = tenant.run(&args).expect(4).json();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["unchanged"], &summary["created"]),
        (&1.into(), &4.into())
    );
    let error = report["errors"][0]["error"].as_str().unwrap();
    assert_contains(error, "another portal link of this name");
    let names = tenant.names("portal_links");
    assert_eq!(
        names,
        (0..6).map(|n| format!("App {n}")).collect::<Vec<_>>()
    );
    tenant.run(&["verify", run_name(&old)]).expect(0);
}

#[test]
fn another_runs_link_is_not_recovered() {
    let lost = "[[fault]]\nkind = \"reset-before\"\nmatch = \"POST */userPortalLink\"\ntimes = 1\n";
    let tenant = Tenant::start(&format!("{OPEN}{lost}"));
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    let apply = |manifest| ["apply", manifest, "--yes", "--settle", "1s"];
    kill(&mut under_way(&tenant, &apply("links.csv")));
    let old = tenant.run_dirs().remove(0);
    tenant.write("other.csv", "name,url\nWiki,https://wiki.example\n");
    tenant.run(&apply("other.csv")).expect(0);
    let args = ["resume", run_name(&old), "--json"];
    let report = tenant.run(&args).expect(0).json();
    assert_eq!(report["summary"]["unchanged"], 1, "{report}");
    // It has created nothing, so nothing is taken back.
    tenant.run(&["undo", run_name(&old), "--yes"]).expect(0);
    assert_eq!(tenant.links().len(), 1);
}

/// A process of that command, which has sent its first write.
fn under_way(tenant: &Tenant, args: &[&str]) -> Child {
    tenant.met_after(1, &mut tenant.command(args))
}

/// A manifest of these links.
fn links(numbers: Range<u32>) -> String {
    let rows = numbers.map(|n| format!("App {n},https://app{n}.example\n"));
    format!("name,url\n{}", rows.collect::<String>())
}

/// Applies a manifest row by row, with two seconds between.
fn slowly(manifest: &str) -> [&str; 7] {
    [
        "apply",
        manifest,
        "--yes",
        "--batch-size",
        "1",
        "--write-quota",
        "1/2s",
    ]
}

#[test]
fn what_a_process_is_still_to_create_is_left_to_it() {
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}"));
    tenant.write("links.csv", &links(1..9));
    tenant.write("other.csv", &(links(0..1) + "App 8,https://app8.example\n"));
    tenant.write("others.csv", &links(20..22));
    kill(&mut under_way(&tenant, &slowly("other.csv")));
    let other = tenant.run_dirs().remove(0);
    let mut child = under_way(&tenant, &slowly("links.csv"));
    let resume = ["resume", run_name(&other), "--settle", "0s"];
    for args in [&["apply", "other.csv", "--yes"][..], &resume] {
        let ran = tenant.run(args).expect(7);
        let why = "is to create the portal link \"App 8\" too";
        assert_contains(&ran.stderr, why);
    }
    tenant.run(&["apply", "others.csv", "--yes"]).expect(0);
    kill(&mut child);
    tenant.run(&resume).expect(0);
    let all = tenant.links();
    let created = |n| {
        let named = all.iter().filter(|(name, _)| *name == format!("App {n}"));
        named.count()
    };
    assert_eq!([0, 8, 20, 21].map(created), [1; 4]);
}

#[test]
fn a_list_that_a_process_is_changing_is_left_to_it() {
    let seeded = "domains = { post = \"replace\", seed = [\"old.example\"] }\n";
    let slow = "[[fault]]\nkind = \"timeout\"\nmatch = \"POST */domains\"\n";
    let tenant = Tenant::start(&format!("{OPEN}{seeded}{slow}"));
    tenant.write("one.csv", "resource,domain\ndomain,one.example\n");
    tenant.write("two.csv", "resource,domain\ndomain,two.example\n");
    let mut child = under_way(&tenant, &slowly("one.csv"));
    let ran = tenant.run(&["apply", "two.csv", "--yes"]).expect(7);
    let why = "is to change the list that the domain \"two.example\" is in too";
    assert_contains(&ran.stderr, why);
    kill(&mut child);
    assert_eq!(tenant.objects("domains").len(), 2);
}

#[test]
fn a_manifest_that_a_process_works_on_is_left_to_it() {
    let tenant = Tenant::start(OPEN);
    tenant.write("links.csv", &links(0..9));
    let mut child = under_way(&tenant, &slowly("links.csv"));
    let ran = tenant.run(&["apply", "links.csv", "--yes"]).expect(7);
    assert_contains(&ran.stderr, "a process is working on");
    kill(&mut child);
}

/// A tenant with a create that was under way when its process was killed. The link shows from one of its readings on.
struct Late {
    dir: tempfile::TempDir,
    url: String,
    seen: Seen,
}

const WIKI: &str = r#"{"totalPages":"1","totalCount":"1","list":[
    {"id":"7","name":"Wiki","protocol":"https://","link":"wiki.example","enabled":true}]}"#;

impl Late {
    fn killed(lands: usize) -> Self {
        let (posted, met) = mpsc::channel();
        let posted = Mutex::new(Some(posted));
        let read = AtomicUsize::new(0);
        let (url, seen) = server(move |method, path| match method {
            _ if path == "/signin" => (200, TOKEN),
            "POST" => {
                // The first is never answered.
                let first = posted.lock().unwrap().take();
                if let Some(posted) = first {
                    posted.send(()).unwrap();
                    loop {
                        thread::park();
                    }
                }
                (201, r#"{"id":"8","name":"Wiki"}"#)
            }
            "PUT" => (204, ""),
            _ if path.ends_with("/7") => (
                200,
                r#"{"id":"7","name":"Wiki","protocol":"https://","link":"wiki.example","enabled":true}"#,
            ),
            _ if read.fetch_add(1, Ordering::Relaxed) + 1 >= lands => (200, WIKI),
            _ => (200, NONE),
        });
        let dir = scratch();
        let late = Self { dir, url, seen };
        late.manifest("name,url\nWiki,https://wiki.example\n");
        let mut child = late
            .command(&["apply", "links.csv", "--yes"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        met.recv().unwrap();
        kill(&mut child);
        late
    }

    fn manifest(&self, text: &str) {
        fs::write(self.dir.path().join("links.csv"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = scripted::command(&self.url, args);
        command
            .current_dir(self.dir.path())
            .args(["--settle", "300ms"]);
        command
    }

    fn apply(&self, manifest: &str) -> (Ran, Value) {
        self.manifest(manifest);
        let ran = Ran::of(&mut self.command(&["apply", "links.csv", "--yes", "--json"])).expect(0);
        let summary = ran.json()["summary"].clone();
        (ran, summary)
    }

    /// The requests that are no sign-ins, each by the end of its path and its body.
    fn calls(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let calls = seen.iter().filter(|call| !call.starts_with("/signin"));
        calls
            .map(|call| {
                let (path, body) = call.split_once(' ').unwrap();
                let path = path.split('?').next().unwrap();
                let path = path.rsplit('/').next().unwrap();
                format!("{path} {body}").trim().to_owned()
            })
            .collect()
    }
}

const POST: &str =
    r#"userPortalLink {"enabled":true,"link":"wiki.example","name":"Wiki","protocol":"https://"}"#;

#[test]
fn what_lands_late_is_not_created_twice() {
    let late = Late::killed(3);
    let (ran, summary) = late.apply("name,url,action\nWiki,https://wiki.example,create\n");
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(summary["unchanged"], 1, "{summary}");
    let calls = late.calls();
    assert_eq!(
        calls,
        ["userPortalLink", POST, "userPortalLink", "userPortalLink"]
    );
}

#[test]
fn what_lands_late_is_updated_to_the_edited_row() {
    let late = Late::killed(3);
    let (_, summary) = late.apply("name,url\nWiki,https://new.example\n");
    assert_eq!(summary["updated"], 1, "{summary}");
    let creates = late.calls().iter().filter(|call| **call == POST).count();
    assert_eq!(creates, 1);
    let put = late.calls().pop().unwrap();
    assert!(
        put.starts_with("7 {") && put.contains("new.example"),
        "{put}"
    );
}

#[test]
fn what_never_lands_is_created_after_the_settle_time() {
    let late = Late::killed(99);
    let (ran, summary) = late.apply("name,url\nWiki,https://wiki.example\n");
    assert_contains(&ran.stderr, "may still arrive");
    assert_eq!(summary["created"], 1, "{summary}");
    let expected = [
        "userPortalLink",
        POST,
        "userPortalLink",
        "userPortalLink",
        POST,
    ];
    assert_eq!(late.calls(), expected);
}

#[test]
fn nothing_waits_for_what_landed_or_is_unrelated() {
    let late = Late::killed(2);
    let (ran, summary) = late.apply("name,url\nWiki,https://wiki.example\n");
    assert!(!ran.stderr.contains("may still arrive"), "{}", ran.stderr);
    assert_eq!(summary["unchanged"], 1, "{summary}");
    let late = Late::killed(99);
    let (ran, _) = late.apply("name,url\nOther,https://other.example\n");
    assert!(!ran.stderr.contains("may still arrive"), "{}", ran.stderr);
}

#[test]
fn retry_adopts_a_create_that_landed_after_all() {
    let read = AtomicUsize::new(0);
    let (url, seen) = server(move |method, path| match method {
        _ if path == "/signin" => (200, TOKEN),
        "POST" => (500, "{}"),
        // The plan, the two looks after the lost answer, and then the retry.
        _ if read.fetch_add(1, Ordering::Relaxed) < 3 => (200, NONE),
        _ => (200, WIKI),
    });
    let late = Late {
        dir: scratch(),
        url,
        seen,
    };
    late.manifest("name,url,action\nWiki,https://wiki.example,create\n");
    let apply = ["apply", "links.csv", "--yes", "--max-attempts", "1"];
    Ran::of(&mut late.command(&apply)).expect(4);
    let report = Ran::of(&mut late.command(&["retry", "--yes", "--json"])).expect(0);
    assert_eq!(report.json()["summary"]["unchanged"], 1);
    let creates = late.calls().iter().filter(|call| **call == POST).count();
    assert_eq!(creates, 1, "{:?}", late.calls());
    let run = run_dirs(late.dir.path()).pop().unwrap();
    assert_eq!(rows(&run.join("skipped.csv"))[0]["_id"], "7");
}

#[test]
fn retry_asks_for_an_empty_field_again() {
    const DESCRIBED: &str =
        r#"{"id":"7","name":"Wiki","link":"wiki.example","description":"old","enabled":true}"#;
    const LISTED: &str = r#"{"totalPages":"1","totalCount":"1","list":[
        {"id":"7","name":"Wiki","link":"wiki.example","description":"old","enabled":true}]}"#;
    let put = AtomicUsize::new(0);
    let (url, seen) = server(move |method, path| match method {
        _ if path == "/signin" => (200, TOKEN),
        "PUT" if put.fetch_add(1, Ordering::Relaxed) == 0 => (400, r#"{"id":"no","reason":"No."}"#),
        "PUT" => (204, ""),
        _ if path.ends_with("/7") => (200, DESCRIBED),
        _ => (200, LISTED),
    });
    let late = Late {
        dir: scratch(),
        url,
        seen,
    };
    let manifest = late.dir.path().join("links.jsonl");
    fs::write(
        manifest,
        r#"{"name":"Wiki","action":"update","description":"","icon_text":null}"#,
    )
    .unwrap();
    let apply = ["apply", "links.jsonl", "--resource", "portal-link", "--yes"];
    Ran::of(&mut late.command(&apply)).expect(4);
    let report = Ran::of(&mut late.command(&["retry", "--yes", "--json"])).expect(0);
    assert_eq!(report.json()["summary"]["updated"], 1);
    let puts: Vec<String> = late
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("7 {"))
        .collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0], puts[1]);
    assert!(puts[1].contains(r#""description":"""#), "{puts:?}");
}

/// Starts a command twice at once, and answers how each ended.
fn twice(tenant: &Tenant, args: &[&str]) -> [Ran; 2] {
    let start = || spawn(&mut tenant.command(args));
    [start(), start()].map(|child| Ran::from(child.wait_with_output().unwrap()))
}

/// Fails unless one of two has done its work, and the other has done it too or has refused.
fn at_most_one_did_it(ran: &[Ran; 2]) {
    for ran in ran {
        let code = ran.code.unwrap();
        assert!([0, 2, 7].contains(&code), "{code}: {}", ran.stderr);
    }
    assert!(ran.iter().any(|ran| ran.code == Some(0)));
}

#[test]
fn two_that_start_at_once_do_nothing_twice() {
    const LINKS: usize = 40;
    let tenant = Tenant::start(&format!("{OPEN}{TWINS}"));
    let links = (0..LINKS).map(|n| format!("Link {n:02},https://l{n}.example\n"));
    tenant.write(
        "links.csv",
        &format!("name,url\n{}", links.collect::<String>()),
    );
    let apply = [
        "apply",
        "links.csv",
        "--yes",
        "--write-quota",
        "off",
        "--batch-size",
        "2",
    ];
    at_most_one_did_it(&twice(&tenant, &apply));
    assert_eq!(tenant.links().len(), LINKS);

    let deletes = (0..LINKS).map(|n| format!("portal-link,delete,Link {n:02}\n"));
    let deletes = deletes.collect::<String>();
    tenant.write("gone.csv", &format!("resource,action,name\n{deletes}"));
    tenant
        .run(&[
            "apply",
            "gone.csv",
            "--yes",
            "--write-quota",
            "off",
            "--read-quota",
            "off",
        ])
        .expect(0);
    assert!(tenant.links().is_empty());
    let newest = tenant.run_dirs().pop().unwrap();
    let undo = ["undo", run_name(&newest), "--yes", "--write-quota", "off"];
    at_most_one_did_it(&twice(&tenant, &undo));
    assert_eq!(tenant.links().len(), LINKS);
}
