//! Every command of README.md and of the pages in docs/, run as it stands there.
//!
//! Each line of a block that is marked `sh` is one command; blocks of any other kind are not run. A page has a new
//! directory with the samples in it, and a simulated tenant of its own. A comment like `# exit code 4` behind a command
//! gives the code that it ends with, which is 0 otherwise. `RUN` stands for the newest run, and the window of a change for
//! the hours of the test.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use crate::support::command::{Ran, assert_contains, run_name, spawn, zpa_bulk};
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

/// The words of a command. Double quotes keep the spaces in a word.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in command.split('"').enumerate() {
        match words.last_mut() {
            Some(last) if number % 2 == 1 => *last += part,
            _ => words.extend(part.split(' ').map(str::to_owned)),
        }
    }
    words.retain(|word: &String| !word.is_empty());
    words
}

/// A change window that is open for another hour at least.
fn open_window() -> String {
    let now = jiff::Zoned::now().hour();
    format!("{now:02}:00-{:02}:00", (now + 2) % 24)
}

/// A simulated tenant with large quotas, and the samples in its directory.
fn tenant(scenario: &str) -> Tenant {
    let tenant = Tenant::start(&format!(
        "latency = {{ base = \"1ms\", jitter = \"0s\" }}\n\
         quota = {{ read = \"500/10s\", write = \"500/10s\" }}\n{scenario}",
    ));
    symlink(in_the_crate("samples"), tenant.path("samples")).unwrap();
    let config = tenant.path("config").to_string_lossy().into_owned();
    tenant
        .with("XDG_CONFIG_HOME", config)
        .with("ZPA_BULK_READ_QUOTA", "500/10s")
        .with("ZPA_BULK_WRITE_QUOTA", "500/10s")
}

/// A reader who follows one page.
struct Reader {
    tenant: Tenant,
    customer: String,
    ran: usize,
    has_failures: bool,
}

impl Reader {
    fn new() -> Self {
        Self {
            tenant: tenant(""),
            customer: CUSTOMER.to_owned(),
            ran: 0,
            has_failures: false,
        }
    }

    fn follow(&mut self, line: &str) {
        println!("{line}");
        let (line, code) = with_exit_code(line);
        let words = self.in_this_test(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cargo", "test", ..] => {}
            ["zpa-bulk", "simulate", "--scenario", scenario] => {
                self.tenant = tenant(&fs::read_to_string(in_the_crate(scenario)).unwrap());
            }
            ["echo", secret, "|", "zpa-bulk", args @ ..] => {
                drop(self.run_with_input(args, secret).expect(code));
            }
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
            // Nothing is left for these if every run of a page has ended without a failure.
            ["zpa-bulk", "retry", ..] if code == 0 && !self.has_failures => {
                let ran = self.run(&["retry", "--yes"]).expect(2);
                assert_contains(&ran.stderr, "no run with failures");
            }
            ["zpa-bulk", "resume"] if code == 0 => {
                let ran = self.run(&["resume"]).expect(2);
                assert_contains(&ran.stderr, "no unfinished run");
            }
            ["zpa-bulk", args @ ..] => {
                self.has_failures |= args.first() == Some(&"apply") && code == 4;
                drop(self.run(args).expect(code));
            }
            other => unreachable!("{other:?} is not a command that this test knows"),
        }
    }

    /// The words of a command, with the tenant, the runs and the hour of this test.
    fn in_this_test(&self, line: &str) -> Vec<String> {
        let line = line.replacen("cargo run --", "zpa-bulk", 1);
        let words = words(&line).into_iter().map(|word| match word.as_str() {
            "http://127.0.0.1:8700" => self.tenant.url.clone(),
            "RUN" => run_name(&self.tenant.newest_run()).to_owned(),
            "22:00-04:30" => open_window(),
            _ => word,
        });
        words.collect()
    }

    fn run(&mut self, args: &[&str]) -> Ran {
        self.run_with_input(args, "")
    }

    fn run_with_input(&mut self, args: &[&str], input: &str) -> Ran {
        self.ran += 1;
        let mut command = self.tenant.command(args);
        let command = command
            .env("ZPA_CUSTOMER_ID", &self.customer)
            .stdin(Stdio::piped());
        let mut child = spawn(command);
        // A command that reads no input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }
}

#[test]
fn the_readme_opens_with_its_two_commands() {
    let commands = commands(&in_the_crate("README.md"));
    let expected = [
        "cargo run -- apply samples/portal-links.csv --simulate --yes",
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

/// The words of the command that the sample unit starts, with its variables put in as systemd does.
fn command_of_the_unit() -> Vec<String> {
    let unit = fs::read_to_string(in_the_crate("samples/zpa-bulk-prune.service")).unwrap();
    let values = |key: &str| -> Vec<String> {
        let values = unit.lines().filter_map(|line| line.strip_prefix(key));
        values.map(str::to_owned).collect()
    };
    let mut command = values("ExecStart=/usr/bin/zpa-bulk ").remove(0);
    for variable in values("Environment=") {
        let (name, value) = variable.split_once('=').unwrap();
        command = command.replace(&format!("${{{name}}}"), value);
    }
    words(&command)
}

#[test]
fn the_sample_unit_deletes_stale_connectors() {
    let tenant = tenant("");
    let words = command_of_the_unit();
    let args: Vec<&str> = words.iter().map(String::as_str).collect();
    tenant.run(&args).expect(0);
    let mut left = tenant.names("connectors");
    left.retain(|name| !name.starts_with("live-"));
    assert_eq!(left, ["managed-01", "never-01", "never-02", "stale-04"]);
}
