//! Watching a run that another process carries out.

use crate::support::command::{Ran, run_dirs, run_name, spawn};
use crate::support::tenant::{QUICK, Tenant};

/// A tenant on which ten links take some seconds.
fn slow() -> Tenant {
    let tenant = Tenant::start(&format!(
        "{QUICK}quota = {{ read = \"50/1s\", write = \"4/1s\" }}\n"
    ));
    let rows: String = (0..10)
        .map(|n| format!("L{n},https://l{n}.example\n"))
        .collect();
    tenant.write(
        "links.csv",
        &format!("name,url\n{rows}L10,https://l10.example\n"),
    );
    tenant
        .with("ZPA_BULK_READ_QUOTA", "50/1s")
        .with("ZPA_BULK_WRITE_QUOTA", "4/1s")
        .with("ZPA_BULK_BATCH_SIZE", "1")
}

#[test]
fn a_run_of_another_process_is_watched_until_it_has_ended() {
    let tenant = slow();
    let run = spawn(&mut tenant.command(&["apply", "links.csv", "--yes"]));
    while tenant.writes() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let runs = spawn(&mut tenant.command(&["runs", "--watch"]));
    let status = Ran::of(&mut tenant.command(&["status", "--watch"])).expect(0);
    let runs = Ran::from(runs.wait_with_output().unwrap()).expect(0);
    Ran::from(run.wait_with_output().unwrap()).expect(0);
    let name = run_dirs(&tenant.path("."))[0].clone();
    for watched in [status, runs] {
        let lines: Vec<&str> = watched.stdout.lines().collect();
        let (first, last) = (lines[0], lines[lines.len() - 1]);
        assert!(
            first.starts_with(run_name(&name)) && first.contains("  running "),
            "{lines:?}"
        );
        assert!(
            last.contains("  finished ") && last.contains("11/11 items"),
            "{lines:?}"
        );
        assert!(lines.windows(2).all(|two| two[0] != two[1]), "{lines:?}");
    }
}

#[test]
fn what_has_ended_is_shown_once() {
    let tenant = Tenant::start(QUICK);
    tenant
        .apply("links.csv", "name,url\nWiki,https://wiki.example\n")
        .expect(0);
    for verb in ["status", "runs"] {
        let ran = tenant.run(&[verb, "--watch"]).expect(0);
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    }
    tenant.run(&["status", "--watch", "--json"]).expect(2);
}
