//! A simulated tenant in a process of its own, with a directory in which the command is run.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{Ran, kill, rows, run_dirs, write_private, zpa_bulk};
use super::manifests::expected;
use super::{scratch, state};

pub(crate) const CUSTOMER: &str = "145283994705985536";

/// The scenario of a tenant that answers at once.
pub(crate) const QUICK: &str = "latency = { base = \"1ms\", jitter = \"1ms\" }\n";

/// The scenario of a tenant that answers at once and counts no calls.
pub(crate) const OPEN: &str =
    "latency = { base = \"1ms\", jitter = \"1ms\" }\nquota = { read = \"off\", write = \"off\" }\n";

/// A line of a scenario by which a link can be there twice.
pub(crate) const TWINS: &str = "bulk = { unique_names = false }\n";

/// A directory with a simulated tenant that listens on loopback until this is dropped.
pub(crate) struct Tenant {
    dir: tempfile::TempDir,
    process: Child,
    pub(crate) url: String,
    variables: Vec<(&'static str, String)>,
}

impl Tenant {
    pub(crate) fn start(scenario: &str) -> Self {
        let dir = scratch();
        let scenario_file = dir.path().join("scenario.toml");
        fs::write(&scenario_file, scenario).unwrap();
        let mut process = zpa_bulk()
            .args(["simulate", "--quiet", "--listen", "127.0.0.1:0"])
            .arg("--scenario")
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
        Self {
            dir,
            process,
            url,
            variables: Vec::new(),
        }
    }

    /// Sets a variable for every command on this tenant.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Lets every command on this tenant send calls as fast as it can.
    pub(crate) fn unpaced(self) -> Self {
        self.with("ZPA_BULK_READ_QUOTA", "off")
            .with("ZPA_BULK_WRITE_QUOTA", "off")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that others can read and not write, whatever the umask.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// Writes a file that its owner alone can read.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write_private(&path, text);
        path
    }

    /// The command in this directory with the address and the customer of this tenant, but no credentials.
    pub(crate) fn stranger(&self, args: &[&str]) -> Command {
        let mut command = zpa_bulk();
        command
            .current_dir(self.dir.path())
            .env("ZPA_CUSTOMER_ID", CUSTOMER)
            .env("ZPA_BULK_BASE_URL", &self.url)
            // What runs know of each other ends with the tenant.
            .env("XDG_STATE_HOME", self.path("state"))
            .env_remove("ZPA_BULK_NO_SHARED_STATE")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .args(args);
        command
    }

    /// The command in this directory with the address and credentials of this tenant.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.stranger(args);
        command
            .env("ZPA_CLIENT_ID", "client")
            .env("ZPA_CLIENT_SECRET", "s3cr3t-of-the-tenant");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Writes a manifest and applies it.
    pub(crate) fn apply(&self, manifest: &str, text: &str) -> Ran {
        self.write(manifest, text);
        self.run(&["apply", manifest, "--yes", "--json"])
    }

    /// Makes the tenant exist, which a simulated tenant does from the first call on it.
    pub(crate) fn wake(&self) {
        self.run(&["export", "user-portal"]).expect(0);
    }

    /// Every request, as the simulator logged it.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log_text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The requests of one class: `auth`, `read` or `write`.
    pub(crate) fn log_of(&self, class: &str) -> Vec<Value> {
        let log = self.log().into_iter();
        log.filter(|entry| entry["class"] == class).collect()
    }

    /// The number of writes that have arrived.
    pub(crate) fn writes(&self) -> usize {
        // Asked again and again while a run is under way, so the log is not parsed for it.
        self.log_text().matches("\"class\":\"write\"").count()
    }

    fn log_text(&self) -> String {
        fs::read_to_string(self.path("requests.jsonl")).unwrap_or_default()
    }

    /// The times of the writes, since the simulator started.
    fn write_times(&self) -> Vec<Duration> {
        let writes = self.log_of("write").into_iter();
        writes.map(|entry| at(&entry)).collect()
    }

    /// Fails if any window of that length has had more writes.
    #[track_caller]
    pub(crate) fn assert_paced(&self, writes: usize, window: Duration) {
        let times = self.write_times();
        let most = state::most_in_any_window(&times, window);
        assert!(most <= writes, "{most} writes within {window:?}: {times:?}");
    }

    /// The state of this customer.
    pub(crate) fn state(&self) -> Value {
        self.simulator_state()["tenants"][CUSTOMER].clone()
    }

    /// The ids of the microtenants, in the order of the scenario.
    pub(crate) fn microtenants(&self) -> Vec<String> {
        state::microtenants(&self.simulator_state())
    }

    fn simulator_state(&self) -> Value {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /__sim/state HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// The objects of one kind, by its name in the state.
    pub(crate) fn objects(&self, of: &str) -> Vec<Value> {
        state::objects(&self.state(), of)
    }

    /// The object of that name; null if there is none.
    pub(crate) fn object(&self, of: &str, name: &str) -> Value {
        let mut objects = self.objects(of).into_iter();
        objects.find(|one| one["name"] == name).unwrap_or_default()
    }

    /// The id of the object of that name.
    pub(crate) fn id(&self, of: &str, name: &str) -> String {
        self.object(of, name)["id"].as_str().unwrap().to_owned()
    }

    /// The names of the objects of one kind, sorted.
    pub(crate) fn names(&self, of: &str) -> Vec<String> {
        state::names(&self.objects(of))
    }

    /// The names of all links, each with the names of its portals, sorted.
    pub(crate) fn links(&self) -> Vec<(String, Vec<String>)> {
        state::links(&self.state())
    }

    /// Fails unless each of the [expected] links is there once, and the results of the run show its id.
    #[track_caller]
    pub(crate) fn assert_each_once(&self, count: usize, run: &Path) {
        let state = self.state();
        assert_eq!(state::links(&state), expected(count));
        let links = state::objects(&state, "portal_links");
        let ids: HashMap<_, _> = links.iter().map(|one| (&one["name"], &one["id"])).collect();
        let success = rows(&run.join("success.csv"));
        assert_eq!(success.len(), count);
        for row in success {
            assert_eq!(*ids[&json!(row["Name"])], row["_id"]);
        }
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

    /// The directory of the run that was started last.
    pub(crate) fn newest_run(&self) -> PathBuf {
        self.run_dirs().pop().unwrap()
    }

    /// Starts the command and waits until it has sent that many writes, or has ended.
    pub(crate) fn met_after(&self, writes: usize, command: &mut Command) -> Child {
        let writes = self.writes() + writes;
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while self.writes() < writes && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        child
    }

    /// Starts the command and kills it after that many writes. Answers the directory of its run.
    pub(crate) fn killed_after(&self, writes: usize, command: &mut Command) -> PathBuf {
        kill(&mut self.met_after(writes, command));
        // What it has sent may still arrive.
        let mut arrived = 0;
        while arrived < self.writes() {
            arrived = self.writes();
            thread::sleep(Duration::from_millis(100));
        }
        self.newest_run()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        kill(&mut self.process);
    }
}

/// The time of a logged request, since the simulator started.
pub(crate) fn at(entry: &Value) -> Duration {
    Duration::from_millis(entry["at_ms"].as_u64().unwrap())
}
