//! Workbooks that other programs have made: they are read as people see them, or refused by the cell.
//!
//! `tests/workbooks/make.py` makes them with other spreadsheet programs.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, zpa_bulk};
use crate::support::scratch;
use crate::support::tenant::{OPEN, Tenant};

fn workbook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/workbooks")
        .join(name)
}

/// Plans a workbook on a new simulated tenant.
fn plan(name: &str, args: &[&str]) -> Ran {
    let mut command = zpa_bulk();
    command.args(["plan", name, "--simulate"]).args(args);
    Ran::of(command.current_dir(workbook("")))
}

/// The rows of the plan of a workbook: row, name, address, and whether the link is enabled.
fn rows(name: &str, args: &[&str]) -> (Vec<String>, String) {
    let ran = plan(name, &[&["--json"], args].concat()).expect(0);
    let described = |row: &Value| {
        let text = |field: &str| row["body"][field].as_str().unwrap_or("").to_owned();
        let portals = row["body"]["userPortals"].as_array().map_or(0, Vec::len);
        format!(
            "{} {} {}{} {} {portals}",
            row["row"],
            text("name"),
            text("link"),
            text("linkPath"),
            row["body"]["enabled"]
        )
    };
    let rows = ran.json()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(described)
        .collect();
    (rows, ran.stderr)
}

#[test]
fn a_workbook_is_read_as_people_see_it() {
    for name in ["clean-lo.xlsx", "clean.ods"] {
        let (rows, said) = rows(name, &[]);
        assert_eq!(
            rows,
            [
                "5 Link 0 app0.corp.example.com/start true 1",
                "6 Link 1 app1.corp.example.com/start false 1",
                "7 Link 2 app2.corp.example.com/start true 1",
            ],
            "{name}"
        );
        assert_contains(&said, format!("{name}: row 4 names the columns"));
        let said = plan(name, &["-v"]).expect(0).stderr;
        assert_contains(&said, "with the value that was stored: ");
        assert_contains(&said, "F7");
    }
    let text = plan("clean-lo.xlsx", &["--json"]).json();
    assert_eq!(text["rows"][1]["body"]["description"], "مرحبا بالعالم");
    assert_eq!(text["rows"][2]["body"]["description"], "Owned by team 2");
}

#[test]
fn a_formula_that_was_never_computed_is_refused() {
    let ran = plan("clean.xlsx", &[]).expect(3);
    assert_contains(
        &ran.stderr,
        "clean.xlsx: 'Portal Links'!F7: column \"Description\": the formula has no stored value",
    );
    assert_contains(&ran.stderr, "1 problem; nothing was changed");
}

#[test]
fn merged_cells_count_for_all_their_rows() {
    for name in ["headers.xlsx", "headers-lo.xlsx", "headers.ods"] {
        let (rows, said) = rows(name, &[]);
        assert_eq!(
            rows,
            [
                "3 Wiki wiki.corp.example.com/start true 1",
                "4 News news.corp.example.com/today true 1",
                "5 Plan plan.corp.example.com/week true 1",
            ],
            "{name}"
        );
        assert_contains(&said, "D3:D4");
    }
}

#[test]
fn what_is_hidden_is_left_out_and_said() {
    for name in ["hidden.xlsx", "hidden-lo.xlsx", "hidden.ods"] {
        let (rows, said) = rows(name, &[]);
        let numbers: Vec<&str> = rows.iter().map(|row| &row[..8]).collect();
        assert_eq!(numbers, ["2 Link 0", "4 Link 2", "5 Link 3"], "{name}");
        assert_contains(&said, "1 hidden row was left out: 3 (--include-hidden)");
        assert_contains(&said, "1 hidden column was left out: D (--include-hidden)");
        assert_contains(&said, "2 hidden sheets were left out: \"Old\", \"Secret\"");
        let shown = plan(name, &["--json", "--sheet", "links", "--include-hidden"]).expect(0);
        assert_eq!(shown.json()["rows"].as_array().unwrap().len(), 4, "{name}");
        assert_eq!(
            shown.json()["rows"][0]["body"]["description"],
            "Owned by team 0"
        );
        let ran = plan(name, &["--resource", "domain"]).expect(3);
        assert_contains(&ran.stderr, "1 hidden column was left out: D");
        let ran = plan(name, &["--sheet", "Old"]).expect(3);
        assert_contains(
            &ran.stderr,
            "the sheet \"Old\" is hidden; --include-hidden reads it",
        );
        let ran = plan(name, &["--sheet", "Lnks"]).expect(3);
        assert_contains(
            &ran.stderr,
            "there is no sheet \"Lnks\"; there are \"Old\", \"Links\", \"Secret\"",
        );
    }
}

#[test]
fn each_damage_is_named_by_its_cell() {
    let ran = plan("damaged.xlsx", &[]).expect(3);
    let said: Vec<&str> = ran.stderr.lines().collect();
    let expected = [
        "A2: column \"name\": the cell holds the number 2024, and a text is meant; format the column as text; did you mean \"2024\"?",
        "C3: column \"description\": the cell holds a date (2026-11-30); format the column as text, and type the value again",
        "A4: column \"name\": the cell holds a date (2026-11-30T08:30:00); format",
        "A5: column \"name\": the cell holds the boolean true, and a text is meant",
        "B6: column \"url\": the cell holds the error #N/A",
        "C7: column \"description\": the formula has no stored value",
        "B8: column \"url\": \"“https://a.example.com”\" has no https:// or http:// scheme; did you mean \"https://a.example.com\"?",
        "A9: column \"name\": white space stands before or behind the text; did you mean \"trailing\"?",
        "B10: column \"url\": white space stands before or behind the text; did you mean \"https://a.example.com\"?",
        "B11: column \"url\": the path \"/my page\" contains white space; did you mean \"https://a.example.com/my%20page\"?",
        "E12: column \"application_id\": the cell holds a number of 18 digits, of which a spreadsheet keeps 15",
        "F13: column \"id\": the cell holds a number of 18 digits",
        "B14: column \"url\": the cell shows \"https://a.example.com\", and a click on it opens \"https://evil.example.net/\"",
        "B15: column \"url\": the cell shows \"Wiki\", and a click on it opens \"https://wiki.example.com/\"; write the address that \
         is meant, and remove the link; did you mean \"https://wiki.example.com/\"?",
        "A16: column \"name\": the text contains an invisible character (U+200B); did you mean \"invisible\"?",
        "E17: column \"application_id\": \"12.5\" is not an id",
    ];
    for (line, expected) in said.iter().zip(expected) {
        let start = format!("error: damaged.xlsx: Sheet1!{expected}");
        assert!(line.starts_with(&start), "{line}\n{start}");
    }
    assert_contains(&ran.stderr, "hint:  16 problems; nothing was changed");
}

/// A workbook with one text of one of its files replaced.
fn altered(name: &str, file: &str, from: &str, to: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(fs::File::open(workbook(name)).unwrap()).unwrap();
    let mut made = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).unwrap();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let place = entry.name().unwrap().into_owned();
        if place == file {
            let before = String::from_utf8(text).unwrap();
            assert!(before.contains(from), "{before}");
            text = before.replacen(from, to, 1).into_bytes();
        }
        made.start_file(place, zip::write::SimpleFileOptions::default())
            .unwrap();
        made.write_all(&text).unwrap();
    }
    made.finish().unwrap().into_inner()
}

#[test]
fn a_damaged_workbook_is_refused_without_a_panic() {
    let sheet = "xl/worksheets/sheet2.xml";
    let dir = scratch();
    for (bytes, said) in [
        (
            altered(
                "hidden.xlsx",
                sheet,
                "r=\"A2\"",
                "r=\"A99999999999999999999\"",
            ),
            "cannot be read",
        ),
        (
            altered("hidden.xlsx", sheet, "</sheetData>", ""),
            "cannot be read",
        ),
        (
            altered("hidden.xlsx", "xl/workbook.xml", "<sheets>", "<shts>"),
            "",
        ),
        (
            altered(
                "headers.ods",
                "content.xml",
                "<office:spreadsheet>",
                "<office:spreadsheet",
            ),
            "cannot be read",
        ),
        (
            fs::read(workbook("hidden.xlsx")).unwrap()[..3000].to_vec(),
            "cannot be read",
        ),
        (
            altered("hidden.xlsx", "xl/workbook.xml", "", "")[..].to_vec(),
            "3 rows",
        ),
    ] {
        let path = dir.path().join("m.xlsx");
        fs::write(&path, bytes).unwrap();
        let mut command = zpa_bulk();
        let ran = Ran::of(
            command
                .args(["plan", "m.xlsx", "--simulate"])
                .current_dir(dir.path()),
        );
        let all = ran.stdout + &ran.stderr;
        assert!(
            matches!(ran.code, Some(0 | 3)) && !all.contains("panicked"),
            "{all}"
        );
        assert_contains(&all, said);
    }
}

#[test]
fn an_archive_that_is_no_workbook_is_named() {
    let dir = scratch();
    for (file, said) in [
        ("readme.txt", "a zip archive, and no workbook"),
        ("word/document.xml", "a Word document"),
        ("Index/Document.iwa", "a Numbers document"),
    ] {
        let mut made = zip::ZipWriter::new(Cursor::new(Vec::new()));
        made.start_file(file, zip::write::SimpleFileOptions::default())
            .unwrap();
        fs::write(
            dir.path().join("m.xlsx"),
            made.finish().unwrap().into_inner(),
        )
        .unwrap();
        let mut command = zpa_bulk();
        let ran = Ran::of(
            command
                .args(["plan", "m.xlsx", "--simulate"])
                .current_dir(dir.path()),
        );
        assert_contains(&ran.expect(3).stderr, said);
    }
}

#[test]
fn a_repaired_workbook_keeps_what_nobody_can_guess() {
    let ran = plan("damaged.xlsx", &["--fix"]).expect(3);
    for repaired in [
        "Sheet1!B8: column \"url\": ",
        "Sheet1!A9: column \"name\": \"trailing \" becomes \"trailing\"",
        "Sheet1!B10: column \"url\": ",
        "Sheet1!A16: column \"name\": ",
    ] {
        assert_contains(&ran.stderr, format!("warning: damaged.xlsx: {repaired}"));
    }
    assert_contains(&ran.stderr, "12 problems; nothing was changed");
}

#[test]
fn a_template_is_read_back_without_a_word() {
    for (kind, count) in [
        ("portal-link", 8),
        ("user-portal", 14),
        ("connector", 5),
        ("domain", 6),
    ] {
        let dir = scratch();
        let mut command = zpa_bulk();
        command.args(["template", kind, "-o", "t.xlsx", "--simulate"]);
        let ran = Ran::of(command.current_dir(dir.path())).expect(0);
        assert_eq!(ran.stderr, "template written to t.xlsx\n");
        let mut command = zpa_bulk();
        command.args(["plan", "t.xlsx", "--simulate", "--json", "--resource", kind]);
        let ran = Ran::of(command.current_dir(dir.path())).expect(0);
        assert_eq!(
            (
                ran.json()["rows"].as_array().unwrap().len(),
                ran.stderr.as_str()
            ),
            (0, "")
        );
        let bytes = fs::read(dir.path().join("t.xlsx")).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut sheet = String::new();
        archive
            .by_name("xl/worksheets/sheet1.xml")
            .unwrap()
            .read_to_string(&mut sheet)
            .unwrap();
        assert!(sheet.matches("<c r=\"").count() >= count, "{kind}: {sheet}");
        assert_contains(&sheet, "state=\"frozen\"");
        assert_contains(&sheet, "Lists!$A$1:$A$");
    }
    let mut command = zpa_bulk();
    let ran = Ran::of(command.args(["template", "domain", "-o", "t.csv", "--simulate"])).expect(2);
    assert_contains(&ran.stderr, "a template is a workbook");
}

#[test]
fn an_example_row_is_not_read() {
    let tenant = Tenant::start(OPEN);
    let text = "action,name,url\nexample,Wiki,nonsense\nensure,News,https://news.example.com\n";
    assert_eq!(tenant.apply("m.csv", text).summary()["created"], 1);
}

#[test]
fn results_come_in_a_workbook_that_can_be_fed_back() {
    let tenant = Tenant::start(OPEN);
    tenant
        .apply("before.csv", "name,url\nThere,https://there.example.com\n")
        .expect(0);
    let text = "name,url,action,description\nNew,https://new.example.com,,=1+1\nThere,https://there.example.com,,\n\
                Gone,https://gone.example.com,update,\n";
    tenant.write("m.csv", text);
    let ran = tenant
        .run(&["apply", "m.csv", "--yes", "--results", "xlsx"])
        .expect(4);
    let run = crate::support::command::run_dirs(&tenant.path("."))
        .pop()
        .unwrap();
    let workbook = run.join("results.xlsx");
    assert_contains(&ran.stderr, "workbook: ");
    let shown = workbook.display().to_string();
    let mut archive = zip::ZipArchive::new(fs::File::open(&workbook).unwrap()).unwrap();
    for number in 1..=3 {
        let mut sheet = String::new();
        let name = format!("xl/worksheets/sheet{number}.xml");
        archive
            .by_name(&name)
            .unwrap()
            .read_to_string(&mut sheet)
            .unwrap();
        assert_contains(&sheet, "<autoFilter ref=\"A1:J2\"");
        assert_contains(&sheet, "state=\"frozen\"");
        assert!(!sheet.contains("<f>"), "{sheet}");
    }
    let count = |sheet: &str| {
        let document = tenant
            .run(&["plan", &shown, "--sheet", sheet, "--json"])
            .json();
        (
            document["rows"].as_array().unwrap().len(),
            document["summary"]["unchanged"].clone(),
        )
    };
    assert_eq!(count("success"), (1, 1.into()));
    assert_eq!(count("skipped"), (1, 1.into()));
    assert_eq!(count("errors"), (1, 0.into()));
    tenant
        .apply("gone.csv", "name,url\nGone,https://old.example.com\n")
        .expect(0);
    let again = tenant.run(&["apply", &shown, "--sheet", "errors", "--yes", "--json"]);
    assert_eq!(again.summary()["updated"], 1);
}

/// A workbook with this content, packed as a program would pack it.
fn packed(content: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in [
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_small_workbook_that_unpacks_to_a_large_one_is_refused() {
    let dir = scratch();
    let plan = |content: &str, args: &[&str]| {
        let bytes = packed(content);
        assert!(bytes.len() < 50_000, "{}", bytes.len());
        fs::write(dir.path().join("bomb.ods"), bytes).unwrap();
        let mut command = zpa_bulk();
        command.args(["plan", "bomb.ods", "--simulate"]).args(args);
        Ran::of(command.current_dir(dir.path())).expect(3).stderr
    };
    let cell = "<table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"16384\">\
                <text:p>name</text:p></table:table-cell>";
    for (row, rows) in [("1000000", 1), ("1", 5000)] {
        let row = format!(
            "<table:table-row table:number-rows-repeated=\"{row}\">{cell}</table:table-row>"
        );
        let said = plan(
            &format!("<table:table>{}</table:table>", row.repeat(rows)),
            &[],
        );
        assert_contains(&said, "the workbook has more than 5000000 cells");
    }
    let said = plan(&" ".repeat(3 << 20), &["--max-manifest", "1MiB"]);
    assert_contains(&said, "it is larger than 1 MiB; --max-manifest allows more");
}
