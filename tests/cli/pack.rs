//! Evidence packs: what is in them, and how changes to them are noticed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};
use zpa_bulk::ops::{ErrorKind, verify_pack};

use crate::support::command::{Ran, assert_contains, run_name, zpa_bulk};
use crate::support::manifests::manifest;
use crate::support::random::Random;
use crate::support::scratch;
use crate::support::tenant::{OPEN, Tenant};

type Members = BTreeMap<String, Vec<u8>>;

/// The members of a pack.
pub(crate) fn unpacked(pack: &Path) -> Members {
    let mut archive = ZipArchive::new(Cursor::new(fs::read(pack).unwrap())).unwrap();
    let mut members = Members::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        members.insert(file.name().unwrap().into_owned(), content);
    }
    members
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// The archive with a comment that ends with the sum of all before it.
fn with_sum(mut archive: Vec<u8>) -> Vec<u8> {
    archive.truncate(archive.len() - 64);
    let sum = sha256(&archive);
    archive.extend(sum.as_bytes());
    archive
}

/// A pack of these members, as somebody may make it who knows the format.
fn forged<N: AsRef<str>>(members: impl IntoIterator<Item = (N, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let comment = "zpa-bulk evidence pack. SHA-256 of all bytes before this sum: ";
    zip.set_comment(format!("{comment}{}", "0".repeat(64)))
        .unwrap();
    for (name, content) in members {
        let options = SimpleFileOptions::default();
        zip.start_file(name.as_ref(), options).unwrap();
        zip.write_all(&content).unwrap();
    }
    with_sum(zip.finish().unwrap().into_inner())
}

/// Changes the content of a member, and what the list says of it.
fn change(members: &mut Members, name: &str, change: impl FnOnce(&str) -> String) {
    let content = members.get_mut(name).unwrap();
    let changed = change(str::from_utf8(content).unwrap());
    assert_ne!(changed.as_bytes(), content.as_slice());
    *content = changed.into_bytes();
    let mut list: Value = serde_json::from_slice(&members["pack.json"]).unwrap();
    let files = list["files"].as_array_mut().unwrap();
    if let Some(file) = files.iter_mut().find(|file| file["name"] == name) {
        file["bytes"] = members[name].len().into();
        file["sha256"] = sha256(&members[name]).into();
        let list = serde_json::to_vec(&list).unwrap();
        members.insert("pack.json".to_owned(), list);
    }
}

/// A tenant with the pack of a run of that many rows.
fn packed(rows: usize) -> (Tenant, PathBuf) {
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.apply("links.csv", &manifest(rows)).expect(0);
    tenant.run(&["report", "--pack", "run.zip"]).expect(0);
    let pack = tenant.path("run.zip");
    (tenant, pack)
}

/// The command on a machine that knows neither the tenant nor the run.
fn elsewhere(args: &[&str]) -> (tempfile::TempDir, Command) {
    let dir = scratch();
    let mut command = zpa_bulk();
    command.current_dir(dir.path()).args(args);
    (dir, command)
}

#[track_caller]
fn assert_finding(pack: &Path, bytes: &[u8], expected: &str) {
    fs::write(pack, bytes).unwrap();
    let verified = verify_pack(pack).unwrap();
    let findings: Vec<String> = verified
        .findings
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(verified.altered);
    assert_contains(&findings.join("\n"), expected);
}

#[test]
fn the_same_run_gives_the_same_complete_pack() {
    let (tenant, pack) = packed(12);
    let run = tenant.run_dir();
    let first = fs::read(&pack).unwrap();
    assert_eq!(
        fs::metadata(&pack).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut again = tenant.command(&["report", run.to_str().unwrap(), "--pack", "../again.zip"]);
    fs::create_dir(tenant.path("below")).unwrap();
    let ran = Ran::of(again.current_dir(tenant.path("below"))).expect(0);
    assert_contains(&ran.stdout, sha256(&first));
    assert_eq!(fs::read(tenant.path("again.zip")).unwrap(), first);

    let members = unpacked(&pack);
    for name in [
        "plan.jsonl",
        "journal.jsonl",
        "journal.synced",
        "calls.jsonl",
        "success.csv",
        "errors.csv",
        "skipped.csv",
        "report.json",
    ] {
        assert_eq!(members[name], fs::read(run.join(name)).unwrap(), "{name}");
    }
    assert_eq!(members["manifests/1.csv"], manifest(12).as_bytes());
    assert_eq!(members.len(), 8 + 5);
    let list: Value = serde_json::from_slice(&members["pack.json"]).unwrap();
    assert_eq!(list["run"], run_name(&run));
    for file in list["files"].as_array().unwrap() {
        let content = &members[file["name"].as_str().unwrap()];
        assert_eq!(file["sha256"], sha256(content));
    }
    let page = String::from_utf8(members["report.html"].clone()).unwrap();
    assert_contains(&page, format!("zpa-bulk undo {}<", run_name(&run)));
    let rows = String::from_utf8(members["rows.csv"].clone()).unwrap();
    assert_eq!(rows.lines().count(), 13);

    let (_dir, mut verify) = elsewhere(&["verify", pack.to_str().unwrap(), "--json"]);
    let verified = Ran::of(&mut verify).expect(0).json();
    assert_eq!(
        (&verified["altered"], &verified["rows"]["succeeded"]),
        (&false.into(), &12.into())
    );
}

#[test]
fn a_manifest_that_was_changed_is_left_out_and_told() {
    let (tenant, pack) = packed(2);
    tenant.write("links.csv", "name,url\nOther,https://other.example\n");
    let ran = tenant.run(&["report", "--pack", "run.zip"]).expect(0);
    assert_contains(
        &ran.stderr,
        "links.csv: the manifest is not in the pack: the file was changed since",
    );
    assert!(!unpacked(&pack).contains_key("manifests/1.csv"));
    let ran = tenant.run(&["verify", "run.zip"]).expect(0);
    assert_contains(
        &ran.stdout,
        "it is not in the pack: the file was changed since",
    );
}

#[test]
fn an_unfinished_run_is_packed_and_called_so() {
    let (tenant, _) = packed(2);
    fs::remove_file(tenant.run_dir().join("report.json")).unwrap();
    fs::write(tenant.run_dir().join("journal.cut-1.jsonl"), "{}\n").unwrap();
    tenant.run(&["report", "--pack", "run.zip"]).expect(0);
    let members = unpacked(&tenant.path("run.zip"));
    assert_eq!(members["journal.cut-1.jsonl"], b"{}\n");
    let ran = tenant.run(&["verify", "run.zip"]).expect(5);
    assert_contains(&ran.stdout, "the run was not finished when it was packed");
}

#[test]
fn a_run_on_which_a_process_works_is_not_packed() {
    let (tenant, pack) = packed(2);
    let lock = fs::File::open(tenant.run_dir().join("lock")).unwrap();
    lock.lock().unwrap();
    fs::remove_file(&pack).unwrap();
    let ran = tenant.run(&["report", "--pack", "run.zip"]).expect(7);
    assert_contains(&ran.stderr, "a process is working on this run");
    assert!(!pack.exists());
}

#[test]
fn a_run_from_elsewhere_names_no_file_to_pack() {
    let (tenant, pack) = packed(2);
    let mut command = tenant.command(&["report", "--pack", "run.zip"]);
    let ran = Ran::of(command.env("XDG_STATE_HOME", tenant.path("other"))).expect(0);
    assert_contains(&ran.stderr, "the run is not trusted");
    assert!(!unpacked(&pack).contains_key("manifests/1.csv"));
}

#[test]
fn one_changed_bit_anywhere_in_a_pack_is_told() {
    let (tenant, pack) = packed(12);
    let bytes = fs::read(&pack).unwrap();
    let mut random = Random(17);
    let last = bytes.len() - 1;
    let anywhere = (0..40)
        .map(|_| random.index(bytes.len()))
        .collect::<Vec<_>>();
    let near_the_ends = [0, 1, 9, 14, last, last - 64, last - 130, last - 140];
    for at in anywhere.into_iter().chain(near_the_ends) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << random.below(8);
        fs::write(&pack, &changed).unwrap();
        match verify_pack(&pack) {
            Ok(verified) => assert!(verified.altered, "byte {at}"),
            Err(error) => assert_eq!(error.kind, ErrorKind::Run, "byte {at}: {error}"),
        }
        // Behind a sum that fits, the archive itself is damaged. Whatever it is, it ends in an answer.
        fs::write(&pack, with_sum(changed)).unwrap();
        drop(verify_pack(&pack));
    }
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    fs::write(&pack, &changed).unwrap();
    let ran = tenant.run(&["verify", "run.zip"]).expect(4);
    assert_contains(&ran.stdout, "the pack was altered");
    fs::write(&pack, &bytes[..bytes.len() - 1]).unwrap();
    let ran = tenant.run(&["verify", "run.zip"]).expect(7);
    assert_contains(&ran.stderr, "damaged or altered");
}

#[test]
fn new_sums_do_not_hide_the_change_of_a_part() {
    let (_tenant, pack) = packed(3);
    let original = unpacked(&pack);
    let forge = |name: &str, how: &dyn Fn(&str) -> String, expected: &str| {
        let mut members = original.clone();
        change(&mut members, name, how);
        assert_finding(&pack, &forged(members), expected);
    };
    forge(
        "success.csv",
        &|t| t.replace(",created,", ",updated,"),
        "success.csv",
    );
    forge(
        "journal.jsonl",
        &|t| t.replacen("created", "updated", 1),
        "checksum does not fit",
    );
    forge(
        "plan.jsonl",
        &|t| t.replacen("https", "http", 1),
        "not the one that the journal was written for",
    );
    forge(
        "settings.json",
        &|t| t.replace("false", "true"),
        "settings.json",
    );
    forge("rows.csv", &|t| t.replacen("https", "http", 1), "rows.csv");
    forge(
        "report.html",
        &|t| t.replace("created", "deleted"),
        "report.html",
    );
    forge(
        "manifests/1.csv",
        &|t| t.replacen("https", "http", 1),
        "manifests/1.csv is the manifest",
    );
    forge(
        "pack.json",
        &|t| t.replace("\"run\": \"2", "\"run\": \"3"),
        "the run is",
    );
    forge(
        "pack.json",
        &|t| t.replacen("links.csv", "other.csv", 1),
        "the plan names others",
    );

    let mut members = original.clone();
    members.remove("success.csv");
    assert_finding(
        &pack,
        &forged(members),
        "success.csv is in the pack; found: it is missing",
    );
    let mut members = original.clone();
    members.insert("notes.txt".to_owned(), b"more".to_vec());
    assert_finding(&pack, &forged(members), "\"notes.txt\" is none of them");
    let mut members = original.clone();
    members.insert("manifests/2.csv".to_owned(), b"more".to_vec());
    assert_finding(&pack, &forged(members), "manifests/2.csv is not in it");
    fs::write(&pack, forged(original)).unwrap();
    assert!(!verify_pack(&pack).unwrap().altered);
}

#[test]
fn a_hostile_pack_is_refused_within_bounds() {
    let dir = scratch();
    let pack = dir.path().join("hostile.zip");
    let doubled = || {
        let mut bytes = forged([("rows.csv", vec![1]), ("rows.csw", vec![2])]);
        let places: Vec<usize> = bytes
            .windows(8)
            .enumerate()
            .filter(|(_, name)| *name == b"rows.csw")
            .map(|(at, _)| at)
            .collect();
        for at in places {
            bytes[at + 7] = b'v';
        }
        with_sum(bytes)
    };
    let counted = || {
        let mut bytes = forged([("rows.csv", vec![1])]);
        let end = bytes
            .windows(4)
            .rposition(|mark| mark == b"PK\x05\x06")
            .unwrap();
        bytes[end + 8..end + 12].fill(0xfe);
        with_sum(bytes)
    };
    let nothing = |name: &str| forged([(name, Vec::new())]);
    for (bytes, reason) in [
        (nothing("../evil.csv"), "leads elsewhere"),
        (nothing("/etc/evil"), "leads elsewhere"),
        (nothing("manifests/..\\1.csv"), "leads elsewhere"),
        (nothing("C:evil.csv"), "leads elsewhere"),
        (doubled(), "the same name"),
        (counted(), "at most 1000"),
        (
            forged((0..1001).map(|n| (format!("manifests/{n}"), Vec::new()))),
            "at most 1000",
        ),
        (forged([("pack.json", vec![b' '; 2 << 20])]), "too large"),
        (forged([("report.html", vec![0; 28 << 20])]), "too large"),
        (
            forged([("pack.json", b"{\"format\":2}".to_vec())]),
            "format 2",
        ),
        (b"name,url\n".to_vec(), "no pack of zpa-bulk"),
        (Vec::new(), "no pack of zpa-bulk"),
    ] {
        fs::write(&pack, bytes).unwrap();
        let error = verify_pack(&pack).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Run, "{error}");
        assert_contains(&error.to_string(), reason);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn no_secret_of_the_settings_is_in_a_pack() {
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/pkcs8.pem");
    let key = fs::read_to_string(key).unwrap();
    let tenant = Tenant::start(OPEN).unpaced();
    tenant.write("links.csv", &manifest(3));
    let command =
        "client_id = \"me\"\nclient_secret_command = [\"echo\", \"canary-of-the-command\"]\n";
    tenant.write("command.toml", command);
    tenant.write_private("secret", "canary-of-the-file\n");
    tenant.write(
        "file.toml",
        "client_id = \"me\"\nclient_secret_file = \"secret\"\n",
    );
    let with = |config: &str| {
        let mut command = tenant.stranger(&["apply", "links.csv", "--yes", "--config", config]);
        Ran::of(&mut command).expect(0);
    };
    with("command.toml");
    with("file.toml");
    let mut signed = tenant.stranger(&["apply", "links.csv", "--yes"]);
    signed
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", &key);
    Ran::of(&mut signed).expect(0);
    tenant.run(&["apply", "links.csv", "--yes"]).expect(0);
    let canaries = [
        "canary-of-the-command",
        "canary-of-the-file",
        "s3cr3t-of-the-tenant",
    ];
    let canaries = canaries
        .into_iter()
        .chain(key.lines().filter(|line| line.len() > 40));
    let canaries: Vec<&str> = canaries.collect();
    assert_eq!(tenant.run_dirs().len(), 4);
    for run in tenant.run_dirs() {
        tenant
            .run(&["report", run_name(&run), "--pack", "run.zip"])
            .expect(0);
        for (name, content) in unpacked(&tenant.path("run.zip")) {
            let text = String::from_utf8_lossy(&content);
            for canary in &canaries {
                assert!(!text.contains(canary), "{canary} is in {name}");
            }
        }
    }
}
