//! A simulated tenant in a process of its own, and the command as a user runs it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "not every test file uses all of it")]

pub(crate) mod scripted;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub(crate) const CUSTOMER: &str = "145283994705985536";

/// The binary under test.
pub(crate) fn zpa_bulk() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zpa-bulk"));
    for (name, _) in std::env::vars() {
        if name.starts_with("ZPA_") || name.starts_with("ZSCALER_") {
            command.env_remove(name);
        }
    }
    for name in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    // Nobody's own settings.
    command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    // Commands that follow one another at once would wait for each other's slots.
    command.env("ZPA_BULK_NO_SHARED_QUOTA", "true");
    command.stdin(Stdio::null());
    command
}

/// A file that its owner alone can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A directory with a simulated tenant that listens on loopback until this is dropped.
pub(crate) struct Tenant {
    dir: tempfile::TempDir,
    process: Child,
    pub(crate) url: String,
}

impl Tenant {
    pub(crate) fn start(scenario: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scenario_file = dir.path().join("scenario.toml");
        fs::write(&scenario_file, scenario).unwrap();
        let mut process = zpa_bulk()
            .args([
                "simulate",
                "--quiet",
                "--listen",
                "127.0.0.1:0",
                "--scenario",
            ])
            .arg(scenario_file)
            .arg("--log")
            .arg(dir.path().join("requests.jsonl"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["listening"].as_str().unwrap().to_owned();
        Self { dir, process, url }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A file that its owner alone can read.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_private(&path, text);
        path
    }

    /// The command with this tenant's address and customer, but no credentials.
    pub(crate) fn stranger(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command
            .env_remove("ZPA_CLIENT_ID")
            .env_remove("ZPA_CLIENT_SECRET");
        command
    }

    /// The command with this tenant's address and credentials, in this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = zpa_bulk();
        command
            .current_dir(self.dir.path())
            .env("ZPA_CLIENT_ID", "client")
            .env("ZPA_CLIENT_SECRET", "s3cr3t-of-the-tenant")
            .env("ZPA_CUSTOMER_ID", CUSTOMER)
            .env("ZPA_BULK_BASE_URL", &self.url)
            .args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Every request, as the simulator logged it.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("requests.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn log_of(&self, class: &str) -> Vec<Value> {
        self.log()
            .into_iter()
            .filter(|entry| entry["class"] == class)
            .collect()
    }

    /// What `GET /__sim/state` answers for this customer.
    pub(crate) fn state(&self) -> Value {
        let state: Value = serde_json::from_str(&self.get("/__sim/state")).unwrap();
        state["tenants"][CUSTOMER].clone()
    }

    /// What a plain GET of that path answers.
    pub(crate) fn get(&self, path: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(get(&format!("{}{path}", self.url)))
    }

    /// The names of all links with the names of their portals, sorted.
    pub(crate) fn links(&self) -> Vec<(String, Vec<String>)> {
        let state = self.state();
        let name = |object: &Value| object["name"].as_str().unwrap().to_owned();
        let links = state["portal_links"].as_array().into_iter().flatten();
        let mut links: Vec<(String, Vec<String>)> = links
            .map(|link| {
                let portals = link["userPortals"].as_array().into_iter().flatten();
                (name(link), portals.map(name).collect())
            })
            .collect();
        links.sort();
        links
    }

    /// The run directories, the oldest first.
    pub(crate) fn run_dirs(&self) -> Vec<PathBuf> {
        run_dirs(self.dir.path())
    }

    /// The one run directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        let mut runs = self.run_dirs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// Starts the command, and waits until this tenant has had so many more writes, or the command has ended.
    pub(crate) fn met_after(&self, writes: usize, command: &mut Command) -> Child {
        let writes = self.log_of("write").len() + writes;
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while self.log_of("write").len() < writes && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        child
    }

    /// Kills the command then.
    pub(crate) fn killed_after(&self, writes: usize, command: &mut Command) {
        kill(&mut self.met_after(writes, command));
    }
}

/// With SIGKILL; a process that has ended is as good.
pub(crate) fn kill(child: &mut Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

/// The run directories of a command that ran in `dir`, the oldest first.
pub(crate) fn run_dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("zpa-bulk-runs"));
    let paths = entries.into_iter().flatten().map(|e| e.unwrap().path());
    let is_run = |path: &PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    let mut runs: Vec<PathBuf> = paths.filter(is_run).collect();
    runs.sort();
    runs
}

impl Drop for Tenant {
    fn drop(&mut self) {
        kill(&mut self.process);
    }
}

/// A plain HTTP GET without the client under test.
async fn get(url: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A command that has ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr)
        })
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A result file as rows of cells by column.
pub(crate) fn rows(path: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}
