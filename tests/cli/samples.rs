//! The sample files: the program accepts them, and finds every mistake in those that are broken.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use serde_json::json;
use zpa_bulk::item::{Problem, Problems};
use zpa_bulk::manifest::{Format, LARGEST_MANIFEST, Manifest, ManifestError};
use zpa_bulk::plan::{
    BulkPortals, CallCounts, Checker, Defaults, Draft, Duplicates, Layout, Listing, Planner,
    Snapshot, TenantRules, Totals,
};
use zpa_bulk::resource::{Kind, Scope};
use zpa_bulk::wire::FieldValue;

const LINKS_CSV: &str = "samples/portal-links.csv";
const LINKS_JSONL: &str = "samples/portal-links.jsonl";

/// The portals of the simulated tenant.
const PORTALS: [&str; 4] = [
    "Contractor Portal",
    "Employee Portal",
    "Engineering Portal",
    "Partner Portal",
];

/// The default of the setting `batch_size`.
const BATCH_SIZE: u32 = 150;

/// Reads and checks the files as the manifests of one run, and hands every row that is right in itself to `visit`.
/// Answers the problems as a user reads them.
fn check(paths: &[&str], mut visit: impl FnMut(Draft<'_>)) -> Vec<String> {
    let defaults = Defaults::default();
    let mut problems = Problems::default();
    let mut of_row = Vec::new();
    let checker = Checker::new(defaults.clone());
    let mut duplicates = Duplicates::default();
    for (number, path) in (0..).zip(paths) {
        let path = in_the_crate(path);
        let manifest = Manifest::open(&path, number, LARGEST_MANIFEST, &mut problems).unwrap();
        let titles: Vec<(&str, u32)> = manifest
            .columns()
            .iter()
            .map(|title| (title.text.as_str(), title.row))
            .collect();
        let strict = manifest.format() == Format::Csv;
        let layout = Layout::new(number, &titles, strict, &defaults, &mut of_row);
        problems.extend(of_row.drain(..));
        let read = manifest.for_each_row(&mut problems, |row, found| {
            if let Some(draft) = checker.check(row, &layout, &mut of_row) {
                of_row.extend(duplicates.add(&draft, &layout));
                visit(draft);
            }
            found.extend(of_row.drain(..));
            Ok::<(), ManifestError>(())
        });
        read.unwrap();
    }
    described(&problems.into_first(), paths)
}

fn described(problems: &[Problem], paths: &[&str]) -> Vec<String> {
    let files: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    problems.iter().map(|p| p.describe(&files)).collect()
}

fn in_the_crate(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The portals that a row names, sorted.
fn portals(draft: &Draft<'_>) -> BTreeSet<String> {
    let names = draft
        .unresolved_refs
        .iter()
        .flat_map(|mention| mention.text.split(';'));
    names.map(|name| name.trim().to_owned()).collect()
}

/// A tenant that has the four portals and no links.
fn empty_tenant() -> Snapshot {
    let portal = |(id, name): (u32, &str)| {
        let object = json!({ "id": id.to_string(), "name": name });
        object.as_object().cloned().unwrap()
    };
    let listing = |kind, objects| Listing {
        scope: Scope::of(kind, None),
        objects,
    };
    let portals = (1..).zip(PORTALS).map(portal).collect();
    Snapshot {
        listings: vec![
            listing(Kind::portal_link(), Vec::new()),
            listing(Kind::from_name("user-portal").unwrap(), portals),
        ],
        ..Snapshot::default()
    }
}

#[test]
fn the_spreadsheet_of_links_has_no_problems() {
    let (mut rows, mut names) = (0, HashSet::new());
    let (mut sets, mut all_portals) = (HashSet::new(), BTreeSet::new());
    let problems = check(&[LINKS_CSV], |draft| {
        rows += 1;
        names.insert(draft.key.to_owned());
        let portals = portals(&draft);
        all_portals.extend(portals.clone());
        sets.insert(portals);
    });
    assert_eq!(problems, [""; 0]);
    assert!(rows >= 200, "{rows} rows");
    assert_eq!(names.len(), rows);
    assert!(sets.len() <= 8, "{sets:?}");
    assert_eq!(Vec::from_iter(all_portals), PORTALS);
}

#[test]
fn the_links_take_eight_calls_on_an_empty_tenant() {
    let tenant = empty_tenant();
    let mut planner = Planner::new(&tenant, TenantRules::default());
    let mut rows = 0;
    let problems = check(&[LINKS_CSV], |draft| {
        rows += 1;
        planner.plan(draft).unwrap();
    });
    assert_eq!(problems, [""; 0]);
    let all_created = Totals {
        items: rows,
        create: rows,
        ..Totals::default()
    };
    assert_eq!(planner.totals(), all_created);
    assert_eq!(
        planner.calls(BATCH_SIZE, BulkPortals::Call),
        CallCounts {
            read: 0,
            write: 8,
            together: 8
        }
    );
    assert_eq!(planner.exceeded(), [""; 0]);
}

#[test]
fn both_manifests_of_links_fit_into_one_run() {
    let tenant = empty_tenant();
    let mut planner = Planner::new(&tenant, TenantRules::default());
    let problems = check(&[LINKS_CSV, LINKS_JSONL], |draft| {
        planner.plan(draft).unwrap();
    });
    assert_eq!(problems, [""; 0]);
    let totals = planner.totals();
    assert_eq!(totals.create, totals.items);
    assert_eq!(planner.calls(BATCH_SIZE, BulkPortals::Call).write, 8);
    assert_eq!(planner.exceeded(), [""; 0]);
}

#[test]
fn json_lines_mean_what_a_spreadsheet_would() {
    let mut found = Vec::new();
    let problems = check(&[LINKS_JSONL], |draft| {
        let text = |wire| draft.values.text(wire).unwrap_or("-").to_owned();
        let enabled = match draft.values.find("enabled") {
            Some(FieldValue::Flag(true)) => "on",
            Some(_) => "off",
            None => "-",
        };
        let address = format!("{}{}{}", text("protocol"), text("link"), text("linkPath"));
        let portals = Vec::from_iter(portals(&draft))
            .join("+")
            .replace(" Portal", "");
        found.push(format!("{}: {address} {enabled} {portals}", draft.key));
    });
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        found,
        [
            "Handbook: https://handbook.corp.example.com on Employee",
            "Service Catalogue: https://services.eng.example.com/catalogue?view=team on Engineering",
            "Weather & Roads: http://weather.example.org/roads?region=north on Contractor+Employee",
            "Lab Camera 2: http://192.0.2.202/live off Engineering",
            "Time Zones: https://clock.corp.example.com- - Employee+Engineering",
            "Queue Monitor: https://queues.eng.example.com:15671/#/queues - Engineering",
            "Shift Plan \"Night\": https://shifts.corp.example.com/plan/night on Contractor+Employee",
            "Trade Fair Calendar: https://fairs.example.com/2027 - Partner",
            "Emergency Numbers: https://safety.corp.example.com/numbers - Contractor+Employee+Engineering+Partner",
            "Ersatzteilübersicht: https://parts.corp.example.com/%C3%BCbersicht on Contractor+Partner",
            "Release Notes: -releases.example.com/notes/latest on Employee+Engineering",
            "Quiet Room 🤫: https://rooms.corp.example.com/quiet on Employee",
        ]
    );
}

#[test]
fn every_mistake_of_a_manifest_is_reported_once() {
    let file = "samples/broken.csv";
    let mut good = Vec::new();
    let problems = check(&[file], |draft| {
        good.push(draft.key.to_owned());
    });
    assert_eq!(
        good,
        [
            "Right As It Is",
            "Right As It Is",
            "First Of An Id",
            "Second Of An Id",
            "Also Right"
        ]
    );
    assert_eq!(
        problems,
        [
            r#"1: column "descripton": unknown column; did you mean "description"?"#,
            r#"3: column "name": a portal link needs a value here"#,
            r#"4: column "url": a portal link needs a value here"#,
            r#"5: column "url": "htp://wiki.corp.example.com" has no https:// or http:// scheme"#,
            r#"6: column "url": "wiki.corp.example.com/start" has no https:// or http:// scheme; did you mean "https://wiki.corp.example.com/start"?"#,
            r#"7: column "url": there is no host"#,
            r#"8: column "url": "wiki corp.example.com" is neither a host name nor an IP address"#,
            r#"9: column "url": the text contains an invisible character (U+200B); did you mean "https://wiki.corp.example.com/"?"#,
            r#"10: column "url": "wiki.corp.example.com:99999" has no valid port"#,
            r#"11: column "url": a user name or password does not belong in a link"#,
            r#"12: column "url": the path "/my page" contains white space; did you mean "https://wiki.corp.example.com/my%20page"?"#,
            r#"13: column "link": "https://wiki.corp.example.com" has a scheme; give only the host here, or the whole address in a "url" column"#,
            r#"14: column "link": "wiki.corp.example.com/start" has a path; put it into "link_path", or the whole address into a "url" column"#,
            r#"15: column "link_path": "start" does not start with /"#,
            r#"16: column "link_path": the path "/my page" contains white space; did you mean "/my%20page"?"#,
            r#"17: column "link": link is given by another column too; keep one of them"#,
            r#"18: column "protocol": "ftp://" is neither https:// nor http://"#,
            r#"19: column "name": the same portal link twice: row 2 names "Right As It Is" too"#,
            r#"20: column "enabled": "maybe" is neither true nor false"#,
            r#"21: column "icon_text": the icon does not start with data:image/png;base64,"#,
            r#"22: column "icon_text": the icon is not valid base64"#,
            r#"23: column "icon_text": the icon is not a PNG image"#,
            r#"24: column "icon_text": the icon's PNG image is cut off"#,
            r#"25: column "icon_text": the icon is 64x64 pixels; the largest allowed is 32x32"#,
            r#"26: column "name": the name has 256 characters; the longest allowed is 255"#,
            r#"27: column "name": a name cannot contain line breaks or control characters"#,
            r#"28: column "action": "ensrue" is no action; did you mean "ensure"?"#,
            r#"29: column "action": "publish" is no action; known are ensure, create, update, delete"#,
            r#"30: column "id": "1.45E+17" is an id that a spreadsheet has rounded; export it again and keep the column as text"#,
            r#"31: column "microtenant": "Subsidiary" is not an id: an id is all digits, at most 20"#,
            r#"32: column "application_id": "Wiki" is not an id: an id is all digits, at most 20"#,
            r#"34: column "id": the same portal link twice: row 33 names 145276000000000042 too"#,
            "35: the row has 5 cells where the header has 13",
            "36: the row has 14 cells where the header has 13",
            r#"37: column "name": the text is not UTF-8; save the file as "CSV UTF-8""#,
        ]
        .map(|problem| format!("{file}:{problem}"))
    );
}

#[test]
fn missing_doubled_and_misspelt_columns_are_reported() {
    let file = "samples/broken-columns.csv";
    let problems = check(&[file], |_| {});
    assert_eq!(
        problems,
        [
            r#"1: column "Descripton": unknown column; did you mean "description"?"#,
            r#"1: column "enabled": the column is there twice: "Enabled" means the same"#,
            r#"1: column "Portal": the column is there twice: "User Portals" means the same"#,
            r#"1: column "url": the column is missing; a portal link needs it"#,
        ]
        .map(|problem| format!("{file}:{problem}"))
    );
}

#[test]
fn the_settings_file_names_every_setting() {
    let text = std::fs::read_to_string(in_the_crate("samples/zpa-bulk.toml")).unwrap();
    assert_eq!(text.parse::<toml::Table>().unwrap(), toml::Table::new());
    let switched_on: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
                setting
            }
            _ => line,
        })
        .collect();
    let settings: toml::Table = switched_on.join("\n").parse().unwrap();
    let mut names: Vec<&str> = settings.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "adaptive",
            "base_url",
            "batch_size",
            "bulk_portals",
            "ca_cert",
            "client_id",
            "client_secret",
            "client_secret_command",
            "client_secret_file",
            "cloud",
            "connect_timeout",
            "customer_id",
            "freshness",
            "gateway_quota",
            "jobs",
            "keep_per_group",
            "layouts",
            "links_limit",
            "links_per_portal_limit",
            "max_attempts",
            "microtenant_id",
            "no_shared_state",
            "pace",
            "private_key_command",
            "private_key_file",
            "profiles",
            "quota_ceiling",
            "quota_scope",
            "read_quota",
            "runs_dir",
            "secret_command_env",
            "settle",
            "style",
            "timeout",
            "token_url",
            "update_reads",
            "vanity_domain",
            "window_margin",
            "write_quota",
        ]
    );
}
