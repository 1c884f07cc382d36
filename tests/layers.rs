//! The layers of the crate: no module names one above it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down; modules of one layer may not name each other unless they stand further down here.
const LADDER: [(&str, u8); 17] = [
    ("cli", 6),
    ("ops", 5),
    ("report", 4),
    ("run", 4),
    ("engine", 3),
    ("manifest", 2),
    ("journal", 2),
    ("shared_quota", 2),
    ("zpa", 2),
    ("plan", 1),
    ("pacer", 1),
    ("retry", 1),
    ("ledger", 1),
    ("item", 0),
    ("platform", 0),
    ("resource", 0),
    ("wire", 0),
];

/// Modules of one layer that may name one another, with the reason.
const NEIGHBOURS: [(&str, &str); 5] = [
    // Results are those of a run.
    ("report", "run"),
    // A plan is priced at a pace.
    ("plan", "pacer"),
    // Items name the kind of their object, and kinds build requests.
    ("item", "resource"),
    ("item", "wire"),
    ("resource", "wire"),
];

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        found.push(path.to_owned());
    }
}

/// The modules that a file names, outside comments.
fn named(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap()
        })
        .collect()
}

fn layer(module: &str) -> Option<u8> {
    LADDER
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, layer)| *layer)
}

#[test]
fn imports_point_downward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = module.trim_end_matches(".rs");
        let Some(own) = layer(module) else {
            continue;
        };
        for other in named(&fs::read_to_string(&file).unwrap()) {
            let downward = layer(other).is_some_and(|layer| layer < own);
            // The command line starts the simulator.
            let beside = other == "sim" && module == "cli";
            let known = other == module || NEIGHBOURS.contains(&(module, other));
            assert!(
                downward || beside || known,
                "{} names {other}",
                relative.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} imports");
}

#[test]
fn the_simulator_knows_the_wire_by_itself() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sim");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let carrier = file.file_name().unwrap() == "memory.rs";
        let names = fs::read_to_string(&file).unwrap();
        let foreign: Vec<&str> = named(&names)
            .into_iter()
            .filter(|name| *name != "sim")
            .collect();
        assert!(
            carrier || foreign.is_empty(),
            "{} names {foreign:?}",
            file.display()
        );
    }
}

#[test]
fn backoff_is_named_in_one_file_and_reqwest_at_one_edge() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(&root).unwrap();
        assert!(!text.contains("use backoff::") || relative == Path::new("retry.rs"));
        assert!(
            !text.contains("reqwest::") || relative.starts_with("zpa"),
            "{}",
            relative.display()
        );
    }
}
