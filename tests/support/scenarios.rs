//! Generated tenants, and the faults of their calls.

use std::fmt::Write as _;

use super::random::Random;

/// The longest time that a late change comes after its call: shorter than the settle time.
pub(crate) const LATEST_SECONDS: u64 = 55;

/// The time of the first fault: after the first reading of the tenant.
const FIRST_SECOND: u64 = 10;

/// A scenario, and its rules for the rows.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) scenario: String,
    /// True if domains can be removed.
    pub(crate) domains_go: bool,
}

/// A tenant with any of the behaviours that the documentation leaves open, and with faults that come to an end.
pub(crate) fn server(random: &mut Random) -> Server {
    let atomic = random.percent(50);
    let bad_items = if atomic {
        ["named", "unnamed"]
    } else {
        ["named", "unsaid"]
    };
    let domains_go = random.percent(60);
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    line("limits = { links = 100000, links_per_portal = 100000 }".to_owned());
    line(format!(
        "bulk = {{ max = {}, atomic = {atomic}, unique_names = {}, bad_items = \"{}\", answer = \"{}\", order = \"{}\" }}",
        random.one(&[1, 2, 3, 7, 500]),
        random.percent(60),
        random.one(&bad_items),
        random.one(&["wrapper", "wrapper", "list", "empty"]),
        random.one(&["posted", "reversed"]),
    ));
    line(format!(
        "quota = {{ read = \"{}\", write = \"{}\" }}",
        random.one(&["20/10s", "off"]),
        random.one(&["10/10s", "off"])
    ));
    line(format!(
        "token = {{ lifetime = \"{}\" }}",
        random.one(&["1h", "20s", "7s"])
    ));
    line(format!(
        "latency = {{ travel_jitter = \"{}\" }}",
        random.one(&["0ms", "50ms", "2s"])
    ));
    line(format!("tenant = {{ links = {} }}", random.below(12)));
    line("connectors = { live = 2, stale = 6, never_connected = 1, read_only = 1 }".to_owned());
    let post = if domains_go { "replace" } else { "add" };
    line(format!(
        "domains = {{ post = \"{post}\", seed = [\"corp.example\", \"old.example\", \"lab.example\"] }}"
    ));
    line(format!(
        "connector_schedule = {{ absent = \"{}\", numbers = \"{}\" }}",
        random.one(&["not_found", "empty"]),
        random.one(&["strings", "numbers"])
    ));
    line(format!(
        "bulk_delete = {{ unknown_ids = \"{}\" }}",
        random.one(&["ignore", "refuse"])
    ));
    for _ in 0..random.below(6) {
        line(fault(random));
    }
    Server {
        scenario: text,
        domains_go,
    }
}

/// A fault that comes to an end.
fn fault(random: &mut Random) -> String {
    let kind = *random.one(&[
        "reset-before",
        "drop-after-commit",
        "drop-after-commit",
        "late-commit",
        "timeout",
        "status",
        "status",
        "html",
        "truncated",
        "partial-batch",
        "expire-token",
        "signin-down",
    ]);
    let calls = *random.one(&[
        "* /mgmt*",
        "GET /mgmt*",
        "POST /mgmt*",
        "PUT *",
        "DELETE *",
        "POST */userPortalLink*",
        "* */domains",
    ]);
    // A page in place of a token is no passing fault.
    let calls = match kind {
        "signin-down" => "POST /signin",
        "drop-after-commit" if random.percent(20) => "*  *",
        _ => calls,
    };
    let mut text = format!(
        "[[fault]]\nkind = \"{kind}\"\nmatch = \"{}\"\nafter = \"{}s\"\n",
        calls.replace("  ", " "),
        FIRST_SECOND + random.below(40)
    );
    if random.percent(50) {
        writeln!(text, "for = \"{}s\"", 1 + random.below(90)).unwrap();
    } else {
        writeln!(text, "times = {}", 1 + random.below(6)).unwrap();
    }
    writeln!(text, "probability = {}", random.one(&["1.0", "0.5", "0.2"])).unwrap();
    match kind {
        "late-commit" => {
            writeln!(text, "delay = \"{}s\"", 1 + random.below(LATEST_SECONDS)).unwrap();
        }
        "timeout" if random.percent(50) => {
            writeln!(text, "delay = \"{}s\"", 1 + random.below(100)).unwrap();
        }
        "status" => text.push_str(&status(random)),
        _ => {}
    }
    text
}

fn status(random: &mut Random) -> String {
    let status = *random.one(&[
        "status = 500",
        "status = 502",
        "status = 504",
        "status = 408",
        "status = 503",
        "status = 503\nid = \"busy\"",
        "status = 429\nretry_after = \"4s\"",
        "status = 429\nretry_after = \"soon\"",
        "status = 409",
        "status = 400\nid = \"db.simultaneous.request\"",
        "status = 401",
        "status = 400\nid = \"not.liked\"",
        "status = 403\nid = \"not.allowed\"",
    ]);
    format!("{status}\n")
}
