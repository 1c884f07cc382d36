//! The layers of the crate: no module names one above it, and no file names one that names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::source::{Source, circles};

/// From the top down; modules of one layer may not name each other unless they stand further down here.
const LADDER: [(&str, u8); 22] = [
    ("cli", 6),
    ("ops", 5),
    ("report", 4),
    ("run", 4),
    ("engine", 3),
    ("manifest", 2),
    ("journal", 2),
    ("coordination", 2),
    ("zpa", 2),
    ("plan", 1),
    ("pacer", 1),
    ("retry", 1),
    ("ledger", 1),
    ("item", 0),
    ("digest", 0),
    ("text", 0),
    ("files", 0),
    ("outlet", 0),
    ("platform", 0),
    ("clock", 0),
    ("resource", 0),
    ("wire", 0),
];

/// Modules of one layer that may name one another, with the reason.
const NEIGHBOURS: [(&str, &str); 7] = [
    // Results are those of a run.
    ("report", "run"),
    // A plan is priced at a pace.
    ("plan", "pacer"),
    // Items name the kind of their object, and kinds build requests.
    ("item", "resource"),
    ("item", "wire"),
    ("resource", "wire"),
    // Files are opened by the rules of the system, and clocks are read by them.
    ("clock", "platform"),
    ("files", "platform"),
];

/// Modules that decide, and so name no clock.
const DECIDERS: [&str; 8] = [
    "item", "ledger", "manifest", "pacer", "plan", "resource", "retry", "wire",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The source files below a directory, each by its path from the root and with its text.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
    found
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
    let mut checked = 0;
    for (file, text) in sources(&root()) {
        let module = file.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        let Some(own) = layer(module) else {
            continue;
        };
        for other in named(&text) {
            let downward = layer(other).is_some_and(|layer| layer < own);
            // The command line starts the simulator.
            let beside = other == "sim" && module == "cli";
            let known = other == module || NEIGHBOURS.contains(&(module, other));
            assert!(
                downward || beside || known,
                "{} names {other}",
                file.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} imports");
}

#[test]
fn the_simulator_knows_the_wire_by_itself() {
    for (file, text) in sources(&root().join("sim")) {
        let mut others = named(&text)
            .into_iter()
            .filter(|name| !["sim", "platform"].contains(name));
        let other = others.next();
        assert!(other.is_none(), "{} names {other:?}", file.display());
    }
}

#[test]
fn backoff_and_reqwest_are_named_in_one_place_each() {
    for (file, text) in sources(&root()) {
        let shown = file.display();
        let is_retry = file == Path::new("retry.rs");
        assert!(!text.contains("use backoff::") || is_retry, "{shown}");
        assert!(
            !text.contains("reqwest::") || file.starts_with("zpa"),
            "{shown}"
        );
    }
}

#[test]
fn deciders_name_no_clock() {
    for (file, text) in sources(&root()) {
        let module = file.iter().next().unwrap().to_str().unwrap();
        let decides = DECIDERS.contains(&module.trim_end_matches(".rs"));
        if decides || file.starts_with("engine/core") {
            assert!(!named(&text).contains(&"clock"), "{}", file.display());
        }
    }
}

#[test]
fn no_circle_of_files() {
    let source = Source::read(&root(), "lib.rs");
    let reached = source.files();
    for (file, _) in sources(&root()) {
        let is_other = file == Path::new("main.rs") || file.ends_with("tests.rs");
        assert!(
            is_other || reached.contains(&*file),
            "{} is in no module",
            file.display()
        );
    }
    let circles = circles(&source.imports()).into_iter();
    let found: Vec<String> = circles
        .map(|circle| format!("{:#?}\n{}", circle.files, circle.way.join("\n")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// The files of the circles in a crate of these files.
fn circles_of(files: &[(&str, &str)]) -> Vec<BTreeSet<PathBuf>> {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let imports = Source::read(dir.path(), "lib.rs").imports();
    let circles = circles(&imports).into_iter();
    circles.map(|circle| circle.files).collect()
}

const PARENT: (&str, &str) = (
    "a/mod.rs",
    "mod b; mod c; mod d; pub use self::b::{B, other}; pub struct Own;",
);

#[test]
fn a_circle_by_way_of_a_re_export_is_found() {
    let found = circles_of(&[
        ("lib.rs", "mod a;"),
        PARENT,
        ("a/b.rs", "use super::c::{self, C as See}; pub struct B;"),
        ("a/c.rs", "pub struct C; fn c() { super::B::new(); }"),
        ("a/d.rs", "use super::{Own, b::B};"),
    ]);
    let circle = ["a/b.rs", "a/c.rs"].map(PathBuf::from);
    assert_eq!(found, [BTreeSet::from(circle)]);
}

#[test]
fn a_circle_with_the_parents_own_item_is_found() {
    let found = circles_of(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; use b::B; pub struct Own(B);"),
        ("a/b.rs", "pub(crate) struct B(super::Own);"),
    ]);
    let circle = ["a/b.rs", "a/mod.rs"].map(PathBuf::from);
    assert_eq!(found, [BTreeSet::from(circle)]);
}

#[test]
fn a_re_export_beside_an_own_item_is_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a;"),
        PARENT,
        ("a/b.rs", "use super::Own; pub struct B;"),
        ("a/c.rs", ""),
        ("a/d.rs", ""),
    ]);
    let circle = ["a/b.rs", "a/mod.rs"].map(PathBuf::from);
    assert_eq!(found, [BTreeSet::from(circle)]);
}

#[test]
fn tests_comments_and_declarations_are_no_imports() {
    let found = circles_of(&[
        ("lib.rs", "mod a;"),
        PARENT,
        ("a/b.rs", "use super::{c::C, d}; pub struct B;"),
        (
            "a/c.rs",
            "pub struct C; // crate::a::B\n/* super::B */ const T: &str = r#\"super::B \"super::B\"#;\n\
             #[cfg(test)]\n#[expect(x)]\nmod tests { use crate::a::B; }",
        ),
        (
            "a/d.rs",
            "fn d<'a>(b: &'a str) -> char { b.c::<C>(); '\\'' }",
        ),
    ]);
    assert_eq!(found, [] as [BTreeSet<PathBuf>; 0]);
}
