//! The command as a user runs it, and what is left when it has ended.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Returns the command under test, without settings of the user who runs the tests.
pub(crate) fn zpa_bulk() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zpa-bulk"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("ZPA_") || name.starts_with("ZSCALER_") {
            command.env_remove(&*name);
        }
    }
    for name in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    command.env_remove("XDG_CONFIG_HOME");
    // Commands that follow one another at once would wait for each other's slots.
    command.env("ZPA_BULK_NO_SHARED_STATE", "true");
    command.stdin(Stdio::null());
    command
}

/// Writes a file that its owner alone can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Starts the command with its output in pipes.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// A command of that program in the directory and with the variables of this one.
pub(crate) fn in_place_of(command: &Command, program: impl AsRef<OsStr>) -> Command {
    let mut other = Command::new(program);
    other
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

/// Kills the process with SIGKILL, unless it has ended.
pub(crate) fn kill(child: &mut Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

/// The run directories of commands that ran in `dir`, the oldest first.
pub(crate) fn run_dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("zpa-bulk-runs"));
    let paths = entries.into_iter().flatten().map(|e| e.unwrap().path());
    let mut runs: Vec<PathBuf> = paths
        .filter(|path| !run_name(path).starts_with('.'))
        .collect();
    runs.sort();
    runs
}

/// The name of the run in that directory.
pub(crate) fn run_name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

/// The rows of a result file, as cells by column.
pub(crate) fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// The first line of a journal with the checksum of its content, as anyone can make it.
pub(crate) fn sealed(line: &Value) -> String {
    let (at, content) = (line["at"].as_str().unwrap(), &line["header"]);
    let body = format!("{{\"seq\":0,\"at\":\"{at}\",\"header\":{content}");
    let crc = crc32fast::hash(body.as_bytes());
    format!("{body},\"crc\":\"{crc:08x}\"}}\n")
}

/// Fails unless the text has that part.
#[track_caller]
pub(crate) fn assert_contains(text: &str, part: impl AsRef<str>) {
    let part = part.as_ref();
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
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

    /// The document on stdout.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr)
        })
    }

    /// The summary of a run that has ended without a failure.
    #[track_caller]
    pub(crate) fn summary(self) -> Value {
        self.expect(0).json()["summary"].clone()
    }

    /// Fails unless the command has ended with that code.
    #[track_caller]
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
