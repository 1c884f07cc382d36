//! Random histories of real processes on one tenant: overlapping manifests, kills and stops, over real HTTP.
//!
//! `ZPA_BULK_PROCESSES=500 cargo test --test cli processes` lives through that many histories of two processes, and a tenth
//! as many of eight. `ZPA_BULK_SEED=7` begins with another seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::support::command::{Ran, kill, rows, spawn};
use crate::support::random::{Random, variable};
use crate::support::tenant::{OPEN, TWINS, Tenant};

const NAMES: [&str; 6] = ["Wiki", "HR & Pay", "Mail", "Files", "Maps", "Code"];

/// The time after which a late call is carried out, and the longer one that runs wait for it.
const LATE: Duration = Duration::from_secs(1);
const SETTLE: &str = "2s";

/// One command of a history, and what befalls its process.
struct Step {
    manifest: String,
    runs: String,
    starts: Duration,
    fate: Fate,
}

enum Fate {
    Lives,
    IsKilled(Duration),
    IsStopped(Duration),
}

fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.below(most))
}

fn faults(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        let kind = *random.one(&["drop-after-commit", "reset-before", "late-commit", "status"]);
        let call = *random.one(&[
            "POST */userPortalLink*",
            "PUT *",
            "DELETE *",
            "GET */userPortalLink*",
        ]);
        let more = match kind {
            "late-commit" => format!("delay = \"{}ms\"", LATE.as_millis()),
            "status" => "status = 429\nretry_after = \"1s\"".to_owned(),
            _ => String::new(),
        };
        let times = 1 + random.below(2);
        writeln!(
            text,
            "[[fault]]\nkind = \"{kind}\"\nmatch = \"{call}\"\ntimes = {times}\n{more}"
        )
        .unwrap();
    }
    text
}

/// A manifest about some of the names: links that are to be there, or to be gone.
fn manifest(random: &mut Random, label: &str) -> String {
    let mut text = "resource,action,name,url,description\n".to_owned();
    let deletes = random.percent(20);
    for name in NAMES {
        if random.percent(40) {
            continue;
        }
        let host = name.to_lowercase().replace([' ', '&'], "");
        if deletes {
            writeln!(text, "portal-link,delete,{name},,").unwrap();
        } else {
            writeln!(
                text,
                "portal-link,,{name},https://{host}.example,by {label}"
            )
            .unwrap();
        }
    }
    text
}

fn step(random: &mut Random, label: &str) -> Step {
    let fate = match random.below(4) {
        0 => Fate::IsKilled(millis(random, 700)),
        1 => Fate::IsStopped(millis(random, 500)),
        _ => Fate::Lives,
    };
    Step {
        manifest: manifest(random, label),
        runs: (*random.one(&["runs-a", "runs-b"])).to_owned(),
        starts: millis(random, 300),
        fate,
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

/// Applies a manifest, and lets its fate befall the process. Answers how it ended, unless it was killed.
fn live(tenant: &Tenant, step: &Step, label: &str) -> Option<Ran> {
    sleep(step.starts);
    let file = format!("{label}.csv");
    tenant.write(&file, &step.manifest);
    let mut child =
        spawn(&mut tenant.command(&["apply", &file, "--yes", "--runs-dir", &step.runs]));
    match step.fate {
        Fate::Lives => {}
        Fate::IsKilled(after) => {
            sleep(after);
            kill(&mut child);
            return None;
        }
        Fate::IsStopped(after) => {
            sleep(after);
            signal(&child, "-STOP");
            sleep(Duration::from_millis(300));
            signal(&child, "-CONT");
        }
    }
    Some(Ran::from(child.wait_with_output().unwrap()))
}

/// The run directories of a history.
fn run_dirs(tenant: &Tenant) -> Vec<PathBuf> {
    let directories = ["runs-a", "runs-b"].map(|name| std::fs::read_dir(tenant.path(name)));
    let entries = directories.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.join("journal.jsonl").exists())
        .collect();
    found.sort();
    found
}

/// The rows of a run in its three result files.
fn results(run: &Path) -> Vec<(String, String)> {
    let files = ["success.csv", "errors.csv", "skipped.csv"].map(|name| run.join(name));
    let all = files
        .iter()
        .filter(|file| file.exists())
        .flat_map(|file| rows(file));
    all.map(|row| (row["_status"].clone(), row["_id"].clone()))
        .collect()
}

/// Lives a history of that seed. Answers the violations.
fn history(seed: u64, processes: usize) -> Vec<String> {
    let mut random = Random(seed);
    let scenario = format!(
        "{}{TWINS}{}",
        OPEN.replace("\"1ms\"", "\"20ms\""),
        faults(&mut random)
    );
    let tenant = Tenant::start(&scenario)
        .unpaced()
        .with("ZPA_BULK_SETTLE", SETTLE);
    let steps: Vec<Vec<(String, Step)>> = (0..processes)
        .map(|process| {
            let each = (0..=random.below(2)).map(|nth| format!("p{process}-{nth}"));
            each.map(|label| {
                let step = step(&mut random, &label);
                (label, step)
            })
            .collect()
        })
        .collect();
    let mut wrong = Vec::new();
    scope(|scope| {
        let threads: Vec<_> = steps
            .iter()
            .map(|steps| {
                scope.spawn(|| {
                    steps
                        .iter()
                        .map(|(label, step)| live(&tenant, step, label))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for ran in threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .flatten()
        {
            if ![Some(0), Some(4), Some(7)].contains(&ran.code) {
                wrong.push(format!("ended with {:?}: {}", ran.code, ran.stderr));
            }
        }
    });
    for run in run_dirs(&tenant) {
        tenant.run(&["resume", run.to_str().unwrap()]);
    }
    sleep(LATE);
    wrong.extend(violations(&tenant));
    if !wrong.is_empty() {
        wrong.push(scenario);
        wrong.extend(tenant.log().iter().map(ToString::to_string));
        for run in run_dirs(&tenant) {
            wrong.push(format!("{}: {:?}", run.display(), results(&run)));
        }
    }
    wrong
}

/// Judges by the tenant's own state and the result files: one owner an object, none twice, no claim that is not so.
fn violations(tenant: &Tenant) -> Vec<String> {
    let mut wrong = Vec::new();
    let live: Vec<String> = tenant
        .objects("portal_links")
        .iter()
        .map(|link| link["id"].as_str().unwrap().to_owned())
        .collect();
    let names = tenant.names("portal_links");
    let each: BTreeSet<&String> = names.iter().collect();
    if each.len() < names.len() {
        wrong.push(format!("a link is there twice: {names:?}"));
    }
    let (mut owners, mut deleted) = (BTreeMap::new(), BTreeSet::new());
    for run in run_dirs(tenant) {
        for (status, id) in results(&run) {
            match status.as_str() {
                "created" | "recovered" => {
                    // A run that has recovered an update of the object is no owner.
                    if is_update(&run, &id) {
                        continue;
                    }
                    let other = owners.insert(id.clone(), run.clone());
                    if let Some(other) = other {
                        wrong.push(format!(
                            "{id} belongs to {} and {}",
                            other.display(),
                            run.display()
                        ));
                    }
                }
                "deleted" => {
                    deleted.insert(id);
                }
                _ => {}
            }
        }
    }
    for id in owners
        .keys()
        .filter(|id| !live.contains(id) && !deleted.contains(*id))
    {
        wrong.push(format!("{id} was created, is gone, and nobody deleted it"));
    }
    for id in deleted.iter().filter(|id| live.contains(id)) {
        wrong.push(format!("{id} was deleted and is there"));
    }
    wrong
}

/// Tells whether a run was to update the object.
fn is_update(run: &Path, id: &str) -> bool {
    let plan = std::fs::read_to_string(run.join("plan.jsonl")).unwrap();
    plan.lines()
        .any(|line| line.contains("\"op\":\"update\"") && line.contains(&format!("\"{id}\"")))
}

fn lived(histories: u64, processes: usize) {
    let first = variable("ZPA_BULK_SEED").unwrap_or(1);
    for seed in first..first + histories {
        let wrong = history(seed, processes);
        assert!(
            wrong.is_empty(),
            "ZPA_BULK_SEED={seed} shows it again:\n{}",
            wrong.join("\n")
        );
    }
    println!("{histories} histories of {processes} processes from seed {first} on");
}

#[test]
fn two_processes_keep_the_peace() {
    lived(variable("ZPA_BULK_PROCESSES").unwrap_or(2), 2);
}

#[test]
fn eight_processes_keep_the_peace() {
    lived(
        variable("ZPA_BULK_PROCESSES").map_or(1, |count| count.div_ceil(10)),
        8,
    );
}
