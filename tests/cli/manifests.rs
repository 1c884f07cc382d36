//! Any manifest: reading it ends in rows or in problems, never in a panic, and no row is lost. Nothing in it takes much
//! memory, or time out of proportion to its size.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use zpa_bulk::run::PlanError;

use crate::support::command::{Ran, assert_contains, spawn, zpa_bulk};
use crate::support::manifests::items_planned;
use crate::support::scratch;

fn manifest(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = scratch();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// Reads, checks and plans against an empty tenant. Answers the number of items.
fn plan(name: &str, bytes: &[u8]) -> Result<u32, PlanError> {
    let (_dir, path) = manifest(name, bytes);
    items_planned(&path)
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b",".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"name".to_vec()),
        Just(b"url".to_vec()),
        Just(b"user_portals".to_vec()),
        Just(b"action,delete".to_vec()),
        Just(b"https://h.example:80/p?q#f".to_vec()),
        Just(b"https://[::1]@:/".to_vec()),
        Just(b"data:image/png;base64,iVBORw0KGgo=".to_vec()),
        Just(b"{\"name\":\"a\",\"url\":".to_vec()),
        Just(b"[{\"id\":1e400}]}".to_vec()),
        any::<Vec<u8>>().prop_map(|bytes| bytes.into_iter().take(6).collect()),
    ]
}

fn cell() -> impl Strategy<Value = String> {
    "[a-z \",;\n&é=@/:.-]{0,12}"
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(
        pieces in prop::collection::vec(piece(), 0..40),
        name in prop_oneof![Just("m.csv"), Just("m.jsonl"), Just("m")],
    ) {
        // Rows or problems: both are an answer.
        let _ = plan(name, &pieces.concat());
    }

    #[test]
    fn every_right_row_becomes_one_item(
        texts in prop::collection::vec(cell(), 1..30),
        terminator in prop_oneof![Just("\n"), Just("\r\n")],
        bom in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(["Name", "URL", "Description"]).unwrap();
        for (number, text) in texts.iter().enumerate() {
            let name = format!("link {number}");
            writer.write_record([&name, "https://h.example/", text]).unwrap();
        }
        let mut bytes = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        bytes.extend(written.replace('\n', terminator).bytes());
        let planned = plan("m.csv", &bytes).map_err(|error| error.to_string());
        prop_assert_eq!(planned, Ok(u32::try_from(texts.len()).unwrap()));
    }
}

/// The command that plans a manifest in 60 MB of memory, on a tenant that is never asked anything.
fn plan_in_little_memory(path: &Path) -> Command {
    let zpa_bulk = zpa_bulk();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -d 60000; exec \"$0\" plan --simulate \"$@\""])
        .arg(zpa_bulk.get_program())
        .arg(path);
    for (name, value) in zpa_bulk.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// What the command says to a manifest that it refuses.
fn refused(name: &str, bytes: &[u8]) -> String {
    let (_dir, path) = manifest(name, bytes);
    let ran = Ran::of(&mut plan_in_little_memory(&path)).expect(3);
    ran.stderr.replace(&path.display().to_string(), "F")
}

fn joined(count: usize, separator: &str, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(separator)
}

#[test]
fn columns_without_end_are_refused_at_once() {
    let header = joined(100_000, ",", |at| format!("c{at}"));
    let object = format!("{{{}}}", joined(40_000, ",", |at| format!("\"c{at}\":1")));
    let objects = joined(5000, "\n", |at| format!("{{\"c{at}\":1}}"));
    for (name, text, row, count) in [
        ("m.csv", header, 1, 100_000),
        ("m.jsonl", format!("\n{object}"), 2, 40_000),
        ("m.jsonl", objects, 1001, 1001),
    ] {
        let said = refused(name, text.as_bytes());
        let expected = format!(
            "error: F:{row}: there are {count} columns here; a manifest has at most 1000\n\
             hint:  1 problem; nothing was changed\n"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn a_row_without_end_is_refused_in_little_memory() {
    let endless = vec![b'x'; 40 << 20];
    let broken = b"x\n".repeat(20 << 20);
    for (name, start, rest, row) in [
        ("m.csv", "", &endless, 1),
        ("m.csv", "name,url\n\n", &endless, 3),
        ("m.csv", "name,url\n\"", &broken, 2),
        ("m.jsonl", "\n{\"name\":\"", &endless, 2),
    ] {
        let said = refused(name, &[start.as_bytes(), rest].concat());
        assert_contains(&said, format!("F:{row}: the row is longer than 4 MiB"));
    }
    let commas = [b"name,url\n".as_slice(), &b",".repeat(8 << 20), b"\n"].concat();
    assert_contains(
        &refused("m.csv", &commas),
        "F:2: the row is longer than 4 MiB",
    );
}

#[test]
fn a_quote_in_the_wrong_place_loses_no_row_unseen() {
    let swallowed = "name,url,description\nA,https://a.example.com,\"first\nB,https://b.example.com,second\n\
                     C,https://c.example.com,\"third\nD,https://d.example.com,fourth\n";
    for (text, said) in [
        (
            swallowed,
            "F:2: column \"description\": text follows the quote that closes the cell; it goes on for 3 lines, and rows \
             may be lost in it",
        ),
        (
            "name,url\n\"HR\" self service,https://a.example.com\n",
            "F:2: column \"name\": text follows the quote",
        ),
        (
            "url,name\nhttps://a.example.com, \"HR\"\n",
            "F:2: column \"name\": a quote stands within the cell",
        ),
        (
            "name,url\nA,\"https://a.example.com\nB,https://b.example.com\n",
            "F:2: column \"url\": the quote that begins the cell is never closed",
        ),
        ("name,\"url\nA,https://a.example.com\n", "F:1: "),
        (
            "name,url\nA,https://a.example.com\n\0\nB,https://b.example.com\n",
            "F:3: ",
        ),
    ] {
        assert_contains(&refused("m.csv", text.as_bytes()), said);
    }
}

#[test]
fn values_are_never_larger_than_their_line() {
    for (value, said) in [
        (
            format!("[{}0]", "{\"\":0},".repeat(250_000)),
            "an object cannot stand here",
        ),
        (
            format!("[{}0]", "0,".repeat(1_000_000)),
            "the text has 2000001 bytes",
        ),
        ("[".repeat(4_000_000), "not a JSON object"),
        (
            format!("[{{\"a\":{}0", "[".repeat(4_000_000)),
            "not a JSON object",
        ),
        ("{\"a\":".repeat(600_000), "not a JSON object"),
        (
            "9".repeat(4_000_000),
            "not a JSON object: number out of range",
        ),
    ] {
        let line = format!("{{\"name\":{value}}}\n");
        assert_contains(&refused("m.jsonl", line.as_bytes()), said);
    }
    let line = format!("\"{}\"\n", "x".repeat(4_000_000));
    assert_contains(
        &refused("m.jsonl", line.as_bytes()),
        "F:1: not a JSON object\n",
    );
}

#[test]
fn a_message_repeats_little_of_a_cell() {
    let long = format!("\u{1b}]0;{}", "x".repeat(1 << 20));
    let titles = "name,url,enabled,action,id,microtenant,application_id,icon_text";
    for (at, title) in titles.split(',').enumerate() {
        let cells = titles
            .split(',')
            .enumerate()
            .map(|(other, known)| match known {
                _ if at == other => long.as_str(),
                "name" => "a",
                "url" => "https://a.example",
                _ => "",
            });
        let row = cells.collect::<Vec<_>>().join(",");
        for (name, text) in [
            ("m.csv", format!("{titles}\n{row}\n")),
            (
                "m.csv",
                format!("{}\n", titles.replace(title, &long[..900])),
            ),
        ] {
            let said = refused(name, text.as_bytes());
            assert!(!said.contains('\u{1b}'), "{said}");
            assert!(said.lines().all(|line| line.len() < 600), "{title}: {said}");
        }
    }
    let cell = format!("name,url,description\na,https://a.example,{long}\n");
    assert_contains(
        &refused("m.csv", cell.as_bytes()),
        "a cell has at most 1 MiB",
    );
}

#[test]
fn problems_without_end_are_counted_and_few_are_listed() {
    let rows = joined(60_000, "\n", |at| format!("a{at},no address here"));
    let said = refused("m.csv", format!("name,url\n{rows}\n").as_bytes());
    assert_eq!(said.lines().count(), 101);
    assert_contains(&said, "error: F:2: column \"url\"");
    assert_contains(
        &said,
        "hint:  60000 problems, of which 100 are listed; nothing was changed",
    );
}

#[test]
fn one_mistake_is_counted_once_behind_a_thousand() {
    let rows = "a,b,\n".repeat(2000);
    let said = refused("m.csv", format!("name,url,enabled\n{rows}").as_bytes());
    assert_contains(&said, "hint:  2000 problems, of which 100 are listed");
}

#[test]
fn a_manifest_is_no_larger_than_its_bound() {
    let (_dir, path) = manifest("m.csv", "name,url\n".repeat(1000).as_bytes());
    let mut command = plan_in_little_memory(&path);
    let ran = Ran::of(command.args(["--max-manifest", "1KiB"])).expect(2);
    assert_contains(
        &ran.stderr,
        "m.csv: it is larger than 1 KiB; --max-manifest allows more",
    );
    let (_dir, path) = manifest("m.csv", b"name,url\na,https://a.example\n");
    let mut command = plan_in_little_memory(&path);
    Ran::of(command.args(["--max-manifest", "1KiB"])).expect(0);
}

#[test]
fn input_without_end_is_read_up_to_the_bound() {
    let dir = scratch();
    let pipe = dir.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for path in [Path::new("-"), Path::new("/dev/stdin"), &pipe] {
        let mut command = plan_in_little_memory(path);
        command
            .args(["--max-manifest", "8MiB"])
            .stdin(Stdio::piped());
        let mut child = spawn(&mut command);
        let stdin = child.stdin.take().unwrap();
        let written = if path == pipe {
            write_for_ever(std::fs::File::options().write(true).open(&pipe).unwrap())
        } else {
            write_for_ever(stdin)
        };
        let ran = Ran::from(child.wait_with_output().unwrap()).expect(2);
        assert_contains(&ran.stderr, "it is larger than 8 MiB");
        assert!((8 << 20..10 << 20).contains(&written), "{written} bytes");
    }
}

#[test]
fn files_of_settings_are_no_larger_than_their_bound() {
    let (_dir, path) = manifest("m.csv", b"name,url\na,https://a.example\n");
    let (_etc, certificates) = manifest("ca.pem", &b"pem\n".repeat(1 << 20));
    for (flag, file) in [
        ("--config", Path::new("/dev/zero")),
        ("--scenario", Path::new("/dev/zero")),
        ("--ca-cert", &certificates),
    ] {
        let mut command = plan_in_little_memory(&path);
        let ran = Ran::of(command.arg(flag).arg(file)).expect(2);
        let shown = file.display();
        assert_contains(&ran.stderr, format!("{shown}: it is larger than 1 MiB"));
    }
    let (_home, names) = manifest("keep.txt", &b"name\n".repeat(1 << 20));
    let mut command = zpa_bulk();
    command.args(["prune", "connectors", "--simulate", "--protect"]);
    command.arg(&names).args(["--disconnected-for", "30d"]);
    let ran = Ran::of(&mut command).expect(2);
    assert_contains(&ran.stderr, "keep.txt: it is larger than 1 MiB");
}

/// Writes rows until nobody reads them any more. Returns the number of bytes.
fn write_for_ever(mut to: impl std::io::Write) -> usize {
    let rows = b"a,https://a.example\n".repeat(100);
    let mut written = 0;
    while to.write_all(&rows).is_ok() {
        written += rows.len();
    }
    written
}

#[test]
fn a_manifest_comes_from_a_file_or_a_pipe_alone() {
    let dir = scratch();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for (path, said) in [
        (dir.path(), "it is a directory"),
        (Path::new("/dev/zero"), "it is a device or a socket"),
        (&socket, "it is a device or a socket"),
    ] {
        let ran = Ran::of(&mut plan_in_little_memory(path)).expect(2);
        assert_contains(&ran.stderr, format!("{}: {said}", path.display()));
    }
    let mut command = plan_in_little_memory(Path::new("-"));
    let mut child = spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"name,url\na,https://a.example\n").unwrap();
    drop(stdin);
    Ran::from(child.wait_with_output().unwrap()).expect(0);
}

/// A manifest's name, its text for a number of parts, and a number.
#[cfg(target_os = "linux")]
type Input<'i> = (&'i str, &'i dyn Fn(usize) -> String, usize);

/// The nanoseconds that this thread has spent on a processor.
#[cfg(target_os = "linux")]
fn spent() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}

/// The least time that planning takes, of three.
#[cfg(target_os = "linux")]
fn cost(name: &str, text: &str) -> u64 {
    let (_dir, path) = manifest(name, text.as_bytes());
    let costs = (0..3).map(|_| {
        let before = spent();
        let _ = items_planned(&path);
        spent() - before
    });
    costs.min().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_cost_of_reading_grows_with_the_input() {
    let members = |count| format!("{{{}}}", joined(count, ",", |at| format!("\"c{at}\":1")));
    let columns = |count| joined(count, ",", |at| format!("c{at}"));
    let same = |count| format!("{}\n{}\n", "name,".repeat(count), ",".repeat(count));
    let objects = |count| format!("{}\n", members(count)).repeat(50);
    let portals = |count| {
        format!(
            "name,url,user_portals\na,https://a.example,{}",
            "x;".repeat(count)
        )
    };
    let list = |count| format!("{{\"name\":[{}1]}}", "1,".repeat(count));
    let problems = |count| format!("name,url\n{}", "a,b\n".repeat(count));
    let inputs: [Input<'_>; 8] = [
        ("m.jsonl", &members, 30_000),
        ("m.csv", &columns, 50_000),
        ("m.jsonl", &objects, 450),
        ("m.csv", &columns, 450),
        ("m.csv", &same, 450),
        ("m.csv", &portals, 200_000),
        ("m.jsonl", &list, 200_000),
        ("m.csv", &problems, 5000),
    ];
    for (number, (name, text, count)) in inputs.into_iter().enumerate() {
        let (one, eight) = (cost(name, &text(count / 4)), cost(name, &text(2 * count)));
        // The system counts in ticks of some milliseconds. A cost that grew with the square would be 64 times as large.
        let one = one.max(20_000_000);
        assert!(eight < 24 * one, "input {number}: {one} ns and {eight} ns");
    }
}
