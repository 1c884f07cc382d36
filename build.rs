//! Tells the build what `zpa-bulk --version --verbose` shows of it. Whatever cannot be found out is left out: a source
//! package has no history, and no build fails for that.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let profile = variable("PROFILE");
    // A debug build names no commit, so that a commit does not compile everything anew while one works on the code.
    let commit = if profile == "release" { commit() } else { None };
    tell("COMMIT", commit.as_deref().unwrap_or("unknown"));
    tell("PROFILE", &profile);
    tell("TARGET", &variable("TARGET"));
    tell("RUSTC", &rustc().unwrap_or_default());
    tell("FEATURES", &features());
}

fn tell(name: &str, value: &str) {
    println!("cargo::rustc-env=ZPA_BULK_BUILD_{name}={value}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn rustc() -> Option<String> {
    let output = Command::new(env::var_os("RUSTC")?)
        .arg("--version")
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.lines().next()?.to_owned())
}

fn features() -> String {
    let names = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()));
    let mut names: Vec<String> = names.filter(|name| name != "default").collect();
    names.sort();
    names.join(" ")
}

/// Returns the commit that is checked out, or from which the source package was made.
fn commit() -> Option<String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    checked_out(&root)
        .or_else(|| packaged(&root))
        .filter(|commit| is_hash(commit))
}

fn is_hash(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the commit from the files of git: `HEAD` names it, or a branch whose file or line in `packed-refs` does. In a
/// second worktree, `.git` is a file with the path of its directory, and `commondir` there names that of the branches.
fn checked_out(root: &Path) -> Option<String> {
    let found = root.join(".git");
    let git = match read(&found) {
        Some(text) => root.join(text.strip_prefix("gitdir:")?.trim()),
        None => found,
    };
    let common =
        read(&git.join("commondir")).map_or_else(|| git.clone(), |path| git.join(path.trim()));
    // The log of HEAD grows with each commit, also when a branch moves from one file to the other.
    watch(&git.join("logs/HEAD"));
    let head = read_watched(&git.join("HEAD"))?;
    let Some(branch) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    if let Some(commit) = read_watched(&common.join(branch)) {
        return Some(commit.trim().to_owned());
    }
    let packed = read_watched(&common.join("packed-refs"))?;
    let line = packed
        .lines()
        .find(|line| line.ends_with(&format!(" {branch}")))?;
    Some(line.split(' ').next()?.to_owned())
}

/// Reads the commit from the file that `cargo package` adds.
fn packaged(root: &Path) -> Option<String> {
    let text = read(&root.join(".cargo_vcs_info.json"))?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    Some(rest.split('"').nth(1)?.to_owned())
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Reads a file whose change builds anew.
fn read_watched(path: &Path) -> Option<String> {
    watch(path);
    read(path)
}

/// Builds anew when a file changes. One that is missing is not watched: it would count as changed each time.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
