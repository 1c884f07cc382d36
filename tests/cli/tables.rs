//! Spreadsheets as people have them: what is in a file is read right, or refused with its place. Nothing of it is lost or
//! changed unseen.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::command::{Ran, assert_contains, rows};
use crate::support::tenant::{OPEN, Tenant};

/// The rows of the plan that a command has printed.
fn planned(ran: Ran) -> Vec<Value> {
    ran.expect(0).json()["rows"].as_array().unwrap().clone()
}

/// The exported links, by name.
fn link(tenant: &Tenant, name: &str) -> std::collections::HashMap<String, String> {
    let args = ["export", "portal-link", "-o", "now.csv"];
    tenant.run(&args).expect(0);
    let all = rows(&tenant.path("now.csv"));
    all.into_iter().find(|row| row["name"] == name).unwrap()
}

/// An id as programs write it that keep numbers as doubles.
fn rounded(id: &str) -> Vec<String> {
    let number: u128 = id.parse().unwrap();
    let unit = 10_u128.pow(u32::try_from(id.len() - 15).unwrap());
    #[expect(clippy::cast_precision_loss, reason = "the loss is the point")]
    let double = number as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an id is positive"
    )]
    let exact = double as u128;
    let mut forms = vec![
        (number - number % unit).to_string(),
        (number - number % unit + unit).to_string(),
        exact.to_string(),
        format!("{double}"),
    ];
    forms.retain(|form| form != id);
    forms
}

#[test]
fn a_rounded_id_is_refused_and_the_live_one_named() {
    let tenant = Tenant::start(OPEN);
    let text = "name,url,user_portals,application_id\nWiki,https://wiki.example.com,Employee Portal,145283994705985617\n";
    tenant.apply("m.csv", text).expect(0);
    let live = link(&tenant, "Wiki");
    let (id, portal) = (&live["id"], &live["user_portals"]);
    for form in rounded(id) {
        tenant.write(
            "d.csv",
            &format!("resource,id,action\nportal-link,{form},delete\n"),
        );
        let ran = tenant.run(&["apply", "d.csv", "--yes"]).expect(3);
        assert_contains(&ran.stderr, format!("{id} may be meant"));
    }
    let before = tenant.log_of("write").len();
    for form in rounded("145283994705985617") {
        tenant.write(
            "a.csv",
            &format!("name,url,application_id\nOther,https://o.example.com,{form}\n"),
        );
        let ran = tenant.run(&["apply", "a.csv", "--yes"]).expect(3);
        assert_contains(&ran.stderr, "column \"application_id\": ");
        assert_contains(&ran.stderr, "145283994705985617 may be meant");
    }
    // Of a microtenant, the tenant is not asked: other rows and the settings name the true one.
    for form in rounded("216199618143191617") {
        let rows = format!("A,https://a.example.com,{form}\nB,https://b.example.com,{form}\n");
        tenant.write("t.csv", &format!("name,url,microtenant\n{rows}"));
        let args = [
            "plan",
            "t.csv",
            "--microtenant",
            "216199618143191617",
            "--json",
        ];
        let document = tenant.run(&args).expect(3).json();
        let problem = &document["problems"][0];
        assert_eq!(
            (&problem["code"], &problem["row"]),
            (&json!("rounded_id"), &json!(2))
        );
        let message = problem["message"].as_str().unwrap();
        assert_contains(message, "(rows: 2); 216199618143191617 may be meant");
    }
    for form in &rounded(portal) {
        tenant.write(
            "p.csv",
            &format!("name,user_portals,action\nWiki,{form},update\n"),
        );
        let ran = tenant.run(&["apply", "p.csv", "--yes"]).expect(3);
        assert_contains(&ran.stderr, "which looks rounded");
        assert_contains(&ran.stderr, &portal[..14]);
    }
    tenant.write(
        "f.csv",
        &format!("resource,id,action\nportal-link,{id}.0,delete\n"),
    );
    assert_contains(
        &tenant.run(&["plan", "f.csv"]).expect(3).stderr,
        "has rounded",
    );
    assert_eq!(tenant.log_of("write").len(), before);
}

#[test]
fn only_the_word_none_takes_a_link_off_its_portals() {
    let tenant = Tenant::start(OPEN);
    let text =
        "name,url,user_portals\nWiki,https://wiki.example.com,Employee Portal;Partner Portal\n";
    tenant.apply("m.csv", text).expect(0);
    let before = link(&tenant, "Wiki")["user_portals"].clone();
    for cell in [";", " ; ;", "\u{a0};", ""] {
        let summary = tenant
            .apply(
                "m.csv",
                &format!("name,user_portals,action\nWiki,{cell},update\n"),
            )
            .summary();
        assert_eq!(summary["unchanged"], 1, "{cell:?}");
    }
    assert_eq!(link(&tenant, "Wiki")["user_portals"], before);
    let ran = tenant
        .apply(
            "m.csv",
            "name,user_portals,action\nWiki,none;Employee Portal,update\n",
        )
        .expect(3);
    assert_contains(&ran.stderr, "stands alone");
    tenant
        .apply("m.csv", "name,user_portals,action\nWiki,None,update\n")
        .expect(0);
    assert_eq!(link(&tenant, "Wiki")["user_portals"], "");
}

#[test]
fn characters_that_nobody_sees_are_refused_by_their_code_points() {
    let tenant = Tenant::start(OPEN);
    for c in [
        "\u{200b}", "\u{ad}", "\u{feff}", "\u{202e}", "\u{2028}", "\u{fffd}", "\u{2066}",
    ] {
        let code = format!("(U+{:04X})", u32::from(c.chars().next().unwrap()));
        for (text, column) in [
            (format!("name,url\nWi{c}ki,https://a.example.com\n"), "name"),
            (
                format!("name,url\nWiki,https://a.example.com/x{c}y\n"),
                "url",
            ),
            (
                format!("name,url\nWiki,https://a{c}b.example.com/\n"),
                "url",
            ),
            (
                format!("name,link,link_path\nWiki,a.example.com,/x{c}y\n"),
                "link_path",
            ),
        ] {
            let ran = tenant.apply("m.csv", &text).expect(3);
            assert_contains(&ran.stderr, format!("m.csv:2: column \"{column}\": "));
            assert_contains(&ran.stderr, &code);
        }
    }
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn names_that_look_alike_are_pointed_out() {
    let tenant = Tenant::start(OPEN);
    tenant
        .apply("m.csv", "name,url\nCafé,https://a.example.com\n")
        .expect(0);
    let text = "name,url\nCAFÉ,https://a.example.com\nCafe\u{301},https://b.example.com\nOther,https://c.example.com\n";
    tenant.write("m.csv", text);
    let ran = tenant.run(&["plan", "m.csv"]).expect(0);
    assert_contains(
        &ran.stderr,
        "m.csv:2: column \"name\": there is no portal link \"CAFÉ\", but \"Café\" (",
    );
    assert_contains(&ran.stderr, "m.csv:3: column \"name\": ");
    assert_contains(&ran.stderr, "the name in row 2 differ only by case");
    assert!(!ran.stderr.contains("m.csv:4"), "{}", ran.stderr);
    let ran = tenant.run(&["apply", "m.csv", "--yes"]).expect(0);
    assert_contains(
        &ran.stderr,
        "warning: m.csv:2: column \"name\": there is no portal link",
    );
}

#[test]
fn empty_columns_are_passed_over_and_others_named_once() {
    let tenant = Tenant::start(OPEN);
    let empty = ",".repeat(16_382);
    let text = format!(
        "name,,url{empty}\nWiki,,https://a.example.com{empty}\n{empty},,\nNews,,https://b.example.com\n"
    );
    assert_eq!(tenant.apply("m.csv", &text).summary()["created"], 2);
    let text = "name,,url\nWiki,x,https://a.example.com\nNews,y,https://b.example.com\n";
    let ran = tenant.apply("m.csv", text).expect(3);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    assert_contains(
        &ran.stderr,
        "m.csv:2: there is something in column B, which has no title",
    );
}

#[test]
fn a_list_stands_only_where_a_list_is_meant() {
    let tenant = Tenant::start(OPEN);
    for (line, column) in [
        (
            json!({"name": ["a", "b"], "url": "https://a.example.com"}),
            "name",
        ),
        (
            json!({"name": "a", "url": ["https://a.example.com"]}),
            "url",
        ),
        (
            json!({"name": "a", "link": "a.example.com", "enabled": [true]}),
            "enabled",
        ),
        (
            json!({"name": "a", "id": ["7"], "url": "https://a.example.com"}),
            "id",
        ),
        (
            json!({"name": "a", "action": ["delete"], "url": ""}),
            "action",
        ),
    ] {
        let ran = tenant.apply("m.jsonl", &line.to_string()).expect(3);
        assert_contains(
            &ran.stderr,
            format!("column \"{column}\": a list cannot stand here"),
        );
    }
    for empty in ["", "\n \n", "\u{feff}"] {
        let ran = tenant.apply("m.jsonl", empty).expect(3);
        assert_contains(&ran.stderr, "the manifest is empty");
    }
    let line =
        json!({"name": "a", "url": "https://a.example.com", "user_portals": ["Employee Portal"]});
    tenant.apply("m.jsonl", &line.to_string()).expect(0);
}

#[test]
fn filters_and_exports_have_addresses() {
    let tenant = Tenant::start(OPEN);
    let text = "name,url,enabled\nWiki,https://wiki.example.com:8443/a?b=1,no\nNews,http://news.example.com,yes\n";
    tenant.apply("m.csv", text).expect(0);
    for (filter, name) in [
        ("enabled=no", "Wiki"),
        ("url=https://wiki.example.com:8443/a?b=1", "Wiki"),
        ("url~http://*", "News"),
    ] {
        let args = [
            "export",
            "portal-link",
            "--where",
            filter,
            "--columns",
            "name,url",
            "-o",
            "x.csv",
        ];
        tenant.run(&args).expect(0);
        let found = rows(&tenant.path("x.csv"));
        assert_eq!(found.len(), 1, "{filter}");
        assert_eq!(found[0]["name"], name);
        assert!(text.contains(&found[0]["url"]), "{}", found[0]["url"]);
        assert_eq!(
            tenant.run(&["plan", "x.csv", "--json"]).json()["summary"]["unchanged"],
            1
        );
    }
    for (args, said) in [
        (
            ["--where", "enabled=flase"],
            "\"flase\" is neither true nor false",
        ),
        (["--columns", "url,link"], "url and link say the same"),
    ] {
        let ran = Ran::of(tenant.command(&["export", "portal-link"]).args(args)).expect(2);
        assert_contains(&ran.stderr, said);
    }
}

#[test]
fn an_international_host_is_sent_in_ascii_and_shown_as_typed() {
    let tenant = Tenant::start(OPEN);
    tenant.write("m.csv", "name,url\nPlan,https://büro.example.com:8443/x\n");
    let ran = tenant.run(&["plan", "m.csv"]).expect(0);
    assert_contains(
        &ran.stdout,
        "https://büro.example.com:8443 (sent as xn--bro-hoa.example.com:8443)/x",
    );
    let row = &planned(tenant.run(&["plan", "m.csv", "--json"]))[0];
    assert_eq!(row["body"]["link"], "xn--bro-hoa.example.com:8443");
    tenant.run(&["apply", "m.csv", "--yes"]).expect(0);
    let summary = tenant.run(&["apply", "m.csv", "--yes", "--json"]).summary();
    assert_eq!(summary["unchanged"], 1);
}

#[test]
fn a_hundred_problems_are_shown_and_all_counted() {
    let tenant = Tenant::start(OPEN);
    let bad: String = (0..50_000).map(|n| format!("a{n},no address\n")).collect();
    fs::write(tenant.path("m.csv"), format!("name,url\n{bad}")).unwrap();
    let ran = tenant.run(&["plan", "m.csv"]).expect(3);
    assert_eq!(ran.stderr.matches("error: ").count(), 100);
    assert_contains(&ran.stderr, "50000 problems, of which 100 are listed");
}

/// Two links, as each format has them.
const TABLE: &str = "Name,URL,Description\nBüro,https://a.example.com,\"Pläne; Räume, \"\"Tür\"\"\"\nWiki,https://b.example.com,two\n";
const OBJECTS: [&str; 2] = [
    r#"{"name": "Büro", "url": "https://a.example.com", "description": "Pläne; Räume, \"Tür\""}"#,
    r#"{"name": "Wiki", "url": "https://b.example.com", "description": "two"}"#,
];

/// The same table with another delimiter.
fn delimited(delimiter: char) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap())
        .from_writer(Vec::new());
    for record in csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(TABLE.as_bytes())
        .records()
    {
        writer.write_record(&record.unwrap()).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    let bytes = |unit: u16| {
        if big {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    };
    units.flat_map(bytes).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Plans a manifest on a new tenant, and returns the names and descriptions of the links that it would create.
fn created(name: &str, bytes: &[u8], args: &[&str]) -> (Vec<[String; 2]>, String) {
    let dir = crate::support::scratch();
    fs::write(dir.path().join(name), bytes).unwrap();
    let mut command = crate::support::command::zpa_bulk();
    command
        .args(["plan", name, "--simulate", "--json"])
        .args(args);
    let ran = Ran::of(command.current_dir(dir.path())).expect(0);
    let rows = ran.json()["rows"].as_array().unwrap().clone();
    let text = |row: &Value, field: &str| row["body"][field].as_str().unwrap_or("-").to_owned();
    let rows = rows
        .iter()
        .map(|row| [text(row, "name"), text(row, "description")]);
    (rows.collect(), ran.stderr)
}

#[test]
fn tables_and_lists_are_read_as_people_have_them() {
    let expected = ["Büro|Pläne; Räume, \"Tür\"", "Wiki|two"].map(str::to_owned);
    let array = format!("[{}]", OBJECTS.join(",\n"));
    let pretty = OBJECTS.map(|object| {
        let value: Value = serde_json::from_str(object).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    });
    let answer = format!(
        "{{\"totalPages\":\"1\",\"list\":{}}}",
        array.replace("\"name\"", "\"creationTime\":\"1\",\"name\"")
    );
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let (latin, ..) = encoding_rs::WINDOWS_1252.encode(TABLE);
    let titled = format!("Links of team A,,\n\n,,\nAs of today,,\n{TABLE}");
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("m.csv", TABLE.into()),
        ("m.csv", marked(TABLE)),
        ("m.csv", delimited(';').into()),
        ("m.csv", delimited('|').into()),
        ("m.tsv", delimited('\t').into()),
        ("m.txt", delimited('\t').into()),
        ("m.csv", format!("sep=|\r\n{}", delimited('|')).into()),
        ("m.csv", TABLE.replace('\n', "\r").into()),
        ("m.csv", titled.into()),
        ("m.csv", format!("#TYPE System.Object\r\n{TABLE}").into()),
        (
            "m.csv",
            utf16(&format!("\u{feff}{}", delimited('\t')), false),
        ),
        ("m.csv", utf16(&format!("\u{feff}{TABLE}"), true)),
        ("m.csv", utf16(TABLE, false)),
        ("m.csv", utf16(TABLE, true)),
        ("m.csv", latin.into_owned()),
        (
            "m.csv.gz",
            gzipped(&utf16(&format!("\u{feff}{TABLE}"), false)),
        ),
        ("m", gzipped(delimited(';').as_bytes())),
        ("m.jsonl", OBJECTS.join("\n").into()),
        (
            "m.jsonl",
            utf16(&format!("\u{feff}{}", OBJECTS.join("\n")), false),
        ),
        ("m.json", array.clone().into()),
        ("m", array.into()),
        ("m.json", pretty.join("\n").into()),
        ("m.json", format!("[{}]", pretty.join(",")).into()),
        ("m.json", answer.into()),
    ];
    for (number, (name, bytes)) in inputs.into_iter().enumerate() {
        let (rows, _) = created(name, &bytes, &[]);
        let found: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
        assert_eq!(found, expected, "input {number}");
    }
    let (rows, _) = created("m.json", pretty[1].as_bytes(), &[]);
    assert_eq!(rows.len(), 1);
}

#[test]
fn what_was_found_out_about_a_file_is_said_and_can_be_named() {
    let (latin, ..) = encoding_rs::WINDOWS_1252.encode(TABLE);
    let (_, said) = created("m.csv", &latin, &[]);
    assert_contains(
        &said,
        "m.csv: the file is not UTF-8, and is read as windows-1252; --encoding names another",
    );
    let text = "name,url\nПочта,https://a.example.com\n";
    let (cyrillic, ..) = encoding_rs::KOI8_R.encode(text);
    let (rows, said) = created("m.csv", &cyrillic, &["--encoding", "koi8-r"]);
    assert_eq!((rows[0][0].as_str(), said.as_str()), ("Почта", ""));
    let (rows, _) = created(
        "m.csv",
        b"name^url\nWiki^https://a.example.com\n",
        &["--delimiter", "^"],
    );
    assert_eq!(rows[0][0], "Wiki");
    let (_, said) = created("m.csv", format!("Links\n{TABLE}").as_bytes(), &[]);
    assert_contains(
        &said,
        "m.csv: row 2 names the columns; what is above it was passed over",
    );
    let answer =
        "{\"list\":[{\"name\":\"a\",\"link\":\"a.example.com\",\"nameWithoutTrim\":\"a\"}]}";
    let (_, said) = created("m.json", answer.as_bytes(), &[]);
    assert_contains(
        &said,
        "members that are no columns were passed over: nameWithoutTrim",
    );
}

#[test]
fn a_file_that_is_no_manifest_is_named_in_one_message() {
    let ole = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600]].concat();
    let dir = crate::support::scratch();
    for (name, bytes, said) in [
        (
            "m.csv",
            ole.as_slice(),
            "an old Excel workbook (.xls), or one with a password",
        ),
        ("m.csv", b"%PDF-1.7\n1 0 obj\n\xff\xfe\n", "a PDF"),
        (
            "m.csv",
            b"<!DOCTYPE html>\n<html><body>\n<table>\n",
            "a web page",
        ),
        ("m.csv", b"\n<?xml version=\"1.0\"?>\n<Workbook>\n", "XML"),
        ("m.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
        ("m.csv", b"BZh91AY&SY", "compressed; unpack it first"),
        ("m.csv", b"\x1f\x8b\x08\0\0\0\0\0\0\xffxx", "damaged"),
        ("m.csv", b"\xff\xfe\0\0n\0\0\0", "UTF-32"),
        ("m.csv", b"[{\"name\":\"a\"}]\n", "the file holds JSON"),
        (
            "m.json",
            b"name,url\na,https://a.example.com\nb,c\n",
            "the file holds no JSON",
        ),
        (
            "m.json",
            b"[{\"name\":\"a\",\"link\":\"a.example.com\"},",
            "it was cut off",
        ),
        (
            "m.csv",
            b"\xff\xfen\0a\0m\0e\0,\0\x01\xd8\n\0",
            "the file is not UTF-16LE",
        ),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        let mut command = crate::support::command::zpa_bulk();
        command
            .args(["plan", name, "--simulate"])
            .current_dir(dir.path());
        let ran = Ran::of(&mut command).expect(3);
        assert_contains(&ran.stderr, said);
        assert_contains(&ran.stderr, "1 problem; nothing was changed");
    }
}

#[test]
fn what_is_unpacked_is_bounded_too() {
    let dir = crate::support::scratch();
    let rows = "a,https://a.example.com\n".repeat(100_000);
    fs::write(dir.path().join("m.csv.gz"), gzipped(rows.as_bytes())).unwrap();
    let mut command = crate::support::command::zpa_bulk();
    command
        .args(["plan", "m.csv.gz", "--simulate", "--max-manifest", "1MiB"])
        .current_dir(dir.path());
    let ran = Ran::of(&mut command).expect(2);
    assert_contains(&ran.stderr, "m.csv.gz: it is larger than 1 MiB");
}

#[test]
fn elements_of_a_list_are_named_by_their_number() {
    let tenant = Tenant::start(OPEN);
    let text = "[{\"name\":\"a\",\"url\":\"https://a.example.com\"},\n{\"name\":\"a\",\"url\":\"b\"},{\"name\":\"a\",\"url\":\"https://a.example.com\"}]";
    let ran = tenant.apply("m.json", text).expect(3);
    assert_contains(&ran.stderr, "m.json: element 2: column \"url\": ");
    assert_contains(
        &ran.stderr,
        "m.json: element 3: column \"name\": the same portal link twice",
    );
}

#[test]
fn titles_are_mapped_and_columns_set() {
    let tenant = Tenant::start(OPEN);
    let text = "Title,Where,Portal of it,enabled\nWiki,https://a.example.com,Employee Portal,\nNews,https://b.example.com,,no\n";
    tenant.write("m.csv", text);
    let typed = [
        "--map",
        "title=name",
        "--map",
        "Where=url",
        "--map",
        "Portal of it=user_portals",
        "--set",
        "enabled=true",
        "--set",
        "description=from a sheet",
        "--set",
        "action=ensure",
    ];
    let rows = planned(Ran::of(
        tenant.command(&["plan", "m.csv", "--json"]).args(typed),
    ));
    let flags: Vec<&Value> = rows.iter().map(|row| &row["body"]["enabled"]).collect();
    assert_eq!(flags, [&json!(true), &json!(false)]);
    assert_eq!(rows[0]["body"]["userPortals"].as_array().unwrap().len(), 1);
    assert_eq!(rows[1]["body"]["description"], "from a sheet");
    tenant.write(
        "zpa.toml",
        "[layouts.sheet]\nmap = [\"Title=name\", \"Where=url\", \"Portal of it=user_portals\"]\nset = [\"description=saved\"]\n",
    );
    let args = [
        "apply", "m.csv", "--yes", "--config", "zpa.toml", "--layout", "sheet",
    ];
    tenant.run(&args).expect(0);
    assert_eq!(link(&tenant, "News")["description"], "saved");
    let results = crate::support::command::run_dirs(&tenant.path("."));
    let success = fs::read_to_string(results[0].join("success.csv")).unwrap();
    assert_contains(&success, "saved");
    for (args, said) in [
        (
            vec!["--map", "Titel=name"],
            "m.csv:1: column \"Titel\": there is no such column to map",
        ),
        (
            vec![
                "--map",
                "Title=name",
                "--map",
                "Where=url",
                "--map",
                "Portal of it=portal",
                "--set",
                "enbled=x",
            ],
            "did you mean \"enabled\"?",
        ),
    ] {
        let ran = Ran::of(tenant.command(&["plan", "m.csv"]).args(args)).expect(3);
        assert_contains(&ran.stderr, said);
    }
    for (args, said) in [
        (["--layout", "x"], "there is no layout \"x\""),
        (["--map", "name"], "write NAME=VALUE"),
    ] {
        let ran = Ran::of(tenant.command(&["plan", "m.csv"]).args(args)).expect(2);
        assert_contains(&ran.stderr, said);
    }
}

#[test]
fn repairs_happen_when_asked_for_and_are_listed() {
    let tenant = Tenant::start(OPEN);
    let text = "name,url,enabled,action\nWi\u{200b}ki,\u{201c}https://a.example.com\u{201d},y,ensure\u{200b}\n\
                \u{201c}Quoted\u{201d},https://b.example.com,no,\n";
    tenant.write("m.csv", text);
    let ran = tenant.run(&["plan", "m.csv"]).expect(3);
    assert_contains(&ran.stderr, "4 problems; nothing was changed");
    let args = ["plan", "m.csv", "--json", "--fix", "--write-fixed", "f.csv"];
    let ran = tenant.run(&args).expect(0);
    for repair in [
        "m.csv:2: column \"name\": \"Wi\\u{200b}ki\" becomes \"Wiki\"",
        "m.csv:2: column \"url\": \"“https://a.example.com”\" becomes \"https://a.example.com\"",
        "m.csv:2: column \"enabled\": \"y\" becomes \"true\"",
        "m.csv:2: column \"action\": \"ensure\\u{200b}\" becomes \"ensure\"",
        "the repaired manifest was written to f.csv",
    ] {
        assert_contains(&ran.stderr, repair);
    }
    let bodies =
        |ran: Ran| -> Vec<Value> { planned(ran).iter().map(|row| row["body"].clone()).collect() };
    let rows = bodies(ran);
    assert_eq!(rows[0]["name"], "Wiki");
    assert_eq!(
        rows[1]["name"], "\u{201c}Quoted\u{201d}",
        "what is accepted stays"
    );
    for name in ["f.csv", "f.tsv", "f.jsonl"] {
        tenant
            .run(&["plan", "m.csv", "--fix", "--write-fixed", name])
            .expect(0);
        assert_eq!(
            bodies(tenant.run(&["plan", name, "--json"])),
            rows,
            "{name}"
        );
    }
    tenant.run(&["apply", "m.csv", "--fix", "--yes"]).expect(0);
    let errors = tenant
        .run(&["plan", "m.csv", "--fix", "--write-fixed", "f.png"])
        .expect(2);
    assert_contains(&errors.stderr, ".png is no format that can be written");
    let two = tenant
        .run(&["plan", "m.csv", "f.csv", "--write-fixed", "g.csv"])
        .expect(2);
    assert_contains(&two.stderr, "--write-fixed takes one manifest");
    tenant.write("b.csv", "name,url\n\"a\"b,c\n");
    let lost = tenant
        .run(&["plan", "b.csv", "--fix", "--write-fixed", "g.csv"])
        .expect(3);
    assert_contains(
        &lost.stderr,
        "g.csv was not written, since some rows cannot be read",
    );
    assert!(!tenant.path("g.csv").exists());
}

#[test]
fn problems_are_data_where_data_is_asked_for() {
    let tenant = Tenant::start(OPEN);
    let bad: String = (0..300).map(|n| format!("a{n},no address\n")).collect();
    tenant.write("m.csv", &format!("name,url\n{bad}a1,wiki.example.com/x\n"));
    for verb in [vec!["plan"], vec!["apply", "--yes"]] {
        let args = [verb.as_slice(), &["m.csv", "--json"]].concat();
        let document = tenant.run(&args).expect(3).json();
        let problems = document["problems"].as_array().unwrap();
        assert_eq!((problems.len(), &document["exit_code"]), (301, &json!(3)));
        assert_eq!(document["problem_count"], 301);
        let last = json!({
            "file": "m.csv", "row": 302, "sheet": null, "cell": null, "column": "url", "code": "invalid_value",
            "message": "\"wiki.example.com/x\" has no https:// or http:// scheme",
            "suggestion": "https://wiki.example.com/x",
        });
        assert_eq!(problems[300], last);
    }
    for args in [
        vec!["plan", "missing.csv", "--json"],
        vec!["plan", "m.csv", "--json", "--nonsense"],
        vec!["plan", "m.csv", "--json", "--layout", "x"],
        vec!["plan", "--json"],
    ] {
        let document = tenant.run(&args).expect(2).json();
        assert_eq!(document["exit_code"], 2);
        let error = document["error"].as_str().unwrap();
        assert!(error.len() > 5 && !error.ends_with(':'), "{document}");
    }
    tenant.write("good.csv", "name,url\na,https://a.example.com\n");
    let ran = tenant.run(&["plan", "good.csv", "--json"]).expect(0);
    assert_eq!(ran.json()["notes"], json!([]));
}
