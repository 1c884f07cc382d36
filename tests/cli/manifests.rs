//! Any manifest: reading it ends in rows or in problems, never in a panic, and no row is lost.

use std::path::PathBuf;

use proptest::prelude::*;
use zpa_bulk::run::PlanError;

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
