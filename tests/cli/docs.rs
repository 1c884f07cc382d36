//! Every command of README.md and of the pages in docs/, run as it stands there.
//!
//! Each line of a block that is marked `sh` is one command; blocks of any other kind are not run. A page has a new
//! directory with the samples in it, and a simulated tenant of its own. A comment like `# exit code 4` behind a command
//! gives the code that it ends with, which is 0 otherwise.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use crate::support::command::{Ran, assert_contains, zpa_bulk};
use crate::support::tenant::{CUSTOMER, Tenant};

fn in_the_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// README.md and the pages in docs/.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(in_the_crate("docs"));
    let files = entries.into_iter().flatten().map(|e| e.unwrap().path());
    let mut pages: Vec<PathBuf> = files
        .filter(|file| file.extension() == Some(OsStr::new("md")))
        .collect();
    pages.push(in_the_crate("README.md"));
    pages
}

/// The lines of all `sh` blocks of a page.
fn commands(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let mut commands = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => is_inside = true,
            line if line.starts_with("```") => is_inside = false,
            line if is_inside && !line.is_empty() && !line.starts_with('#') => {
                commands.push(line.to_owned());
            }
            _ => {}
        }
    }
    commands
}

/// The command without its comment, and the code that it ends with.
fn with_exit_code(line: &str) -> (&str, i32) {
    if let Some((command, code)) = line.split_once(" # exit code ") {
        return (command.trim(), code.trim().parse().unwrap());
    }
    let is_broken = line.ends_with("zpa-bulk plan samples/broken.csv");
    (line, if is_broken { 3 } else { 0 })
}

/// A reader who follows one page.
struct Reader {
    tenant: Tenant,
    customer: String,
    ran: usize,
}

impl Reader {
    fn new() -> Self {
        let tenant = Tenant::start(
            "latency = { base = \"1ms\", jitter = \"0s\" }\n\
             quota = { read = \"500/10s\", write = \"500/10s\" }",
        );
        symlink(in_the_crate("samples"), tenant.path("samples")).unwrap();
        Self {
            tenant: tenant
                .with("ZPA_BULK_READ_QUOTA", "500/10s")
                .with("ZPA_BULK_WRITE_QUOTA", "500/10s"),
            customer: CUSTOMER.to_owned(),
            ran: 0,
        }
    }

    fn follow(&mut self, line: &str) {
        println!("{line}");
        let (line, code) = with_exit_code(line);
        let words = line.replacen("cargo run --release --", "zpa-bulk", 1);
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", "test", ..] => {}
            // The tenant of this test stands for the one that the page starts.
            ["zpa-bulk", "simulate", ..] => {
                Ran::of(zpa_bulk().args(["simulate", "--help"])).expect(0);
            }
            ["export", variables @ ..] => {
                let mut ids = variables
                    .iter()
                    .filter_map(|v| v.strip_prefix("ZPA_CUSTOMER_ID="));
                ids.next().unwrap().clone_into(&mut self.customer);
            }
            // Every run of a page has ended without a failure, so nothing is left for these.
            ["zpa-bulk", "retry", ..] if code == 0 => {
                let ran = self.run(&["retry", "--yes"]).expect(2);
                assert_contains(&ran.stderr, "no run with failures");
            }
            ["zpa-bulk", "resume"] if code == 0 => {
                let ran = self.run(&["resume"]).expect(2);
                assert_contains(&ran.stderr, "no unfinished run");
            }
            ["zpa-bulk", args @ ..] => drop(self.run(args).expect(code)),
            other => unreachable!("{other:?} is not a command that this test knows"),
        }
    }

    fn run(&mut self, args: &[&str]) -> Ran {
        self.ran += 1;
        let mut command = self.tenant.command(args);
        Ran::of(command.env("ZPA_CUSTOMER_ID", &self.customer))
    }
}

#[test]
fn the_readme_opens_with_its_two_commands() {
    let commands = commands(&in_the_crate("README.md"));
    let expected = [
        "cargo run --release -- apply samples/portal-links.csv --simulate --yes",
        "cargo test",
    ];
    assert_eq!(commands[..2], expected);
}

#[test]
fn every_command_of_a_page_does_what_it_says() {
    let follow = |page: PathBuf| {
        let mut reader = Reader::new();
        println!("{}", page.display());
        for line in commands(&page) {
            reader.follow(&line);
        }
        reader.ran
    };
    let ran: usize = thread::scope(|scope| {
        let pages: Vec<_> = pages()
            .into_iter()
            .map(|page| scope.spawn(move || follow(page)))
            .collect();
        let ran = pages.into_iter().map(|page| page.join().unwrap());
        ran.sum()
    });
    assert!(ran >= 10, "{ran} commands");
}
