//! What `doctor` says of a tenant that is as it should be, and of those that are not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;

use serde_json::Value;

use self::common::scripted::{TOKEN, now, server};
use self::common::{Ran, Tenant, zpa_bulk};

const QUICK: &str = "latency = { base = \"1ms\", jitter = \"1ms\" }\n";

/// The status and the finding of a check.
fn check(report: &Value, name: &str) -> (String, String) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == name).unwrap();
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    (text("status"), text("found"))
}

fn statuses(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| check["status"].as_str().unwrap())
        .collect()
}

#[test]
fn a_tenant_that_is_as_it_should_be_gets_one_line_a_check_and_few_reads() {
    let tenant = Tenant::start(QUICK);
    let ran = tenant.run(&["doctor"]).expect(0);
    for line in [
        "ok    settings",
        "ok    reach",
        "ok    clock",
        "ok    sign-in",
        "ok    portal-link",
        "ok    user-portal",
        "ok    quota",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(
        ran.stdout
            .contains("client_secret = (hidden) (ZPA_CLIENT_SECRET)"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("s3cr3t"), "{}", ran.stdout);
    let log = tenant.log();
    assert!(tenant.log_of("write").is_empty());
    assert_eq!(tenant.log_of("auth").len(), 1);
    let kinds = log
        .iter()
        .filter(|entry| entry["path"].as_str().unwrap().contains("/customers/"));
    assert_eq!(log.len(), 2 + kinds.count(), "{log:?}");
}

#[test]
fn an_embedded_tenant_is_examined_like_any() {
    let ran = Ran::of(zpa_bulk().args(["doctor", "--simulate", "--json"])).expect(0);
    let report = ran.json();
    assert!(
        statuses(&report).iter().all(|status| *status == "ok"),
        "{report}"
    );
    assert!(check(&report, "user-portal").1.contains("4 there"));
    let settings = report["settings"].as_array().unwrap();
    assert!(settings.iter().any(|given| given["source"] == "--simulate"));
}

#[test]
fn of_the_quotas_it_is_told_what_was_seen_and_the_gateways_headers_are_shown() {
    let tenant = Tenant::start(QUICK);
    let mut command = tenant.stranger(&["doctor", "--json", "--write-quota", "4/10s"]);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_CLIENT_SECRET", "s");
    let report = Ran::of(&mut command).expect(0).json();
    let (status, found) = check(&report, "quota");
    let reads = tenant.log_of("read").len();
    assert_eq!(status, "ok");
    assert!(
        found.contains(&format!("read 20/10s, {reads} sent here, none refused")),
        "{found}"
    );
    assert!(found.contains("write 4/10s, none sent here"), "{found}");
    assert!(found.contains("left of 5000, 5000;w=60"), "{found}");
}

#[test]
fn the_read_quota_holds_for_the_check_itself() {
    let tenant = Tenant::start(&format!("{QUICK}quota = {{ read = \"1/500ms\" }}"));
    let report = tenant
        .run(&["doctor", "--json", "--read-quota", "1/500ms"])
        .expect(0)
        .json();
    assert!(
        statuses(&report).iter().all(|status| *status == "ok"),
        "{report}"
    );
    assert!(tenant.log().iter().all(|entry| entry["status"] != 429));
}

#[test]
fn a_quota_that_somebody_else_uses_up_is_a_warning() {
    let tenant = Tenant::start(&format!("{QUICK}quota = {{ read = \"1/1h\" }}"));
    let report = tenant.run(&["doctor", "--json"]).expect(0).json();
    let (status, found) = check(&report, "user-portal");
    assert_eq!(status, "warn");
    assert!(found.contains("used up by somebody else"), "{found}");
    for unread in ["connector", "domain", "connector-schedule"] {
        let (status, found) = check(&report, unread);
        assert_eq!(status, "warn");
        assert_eq!(found, "not checked: the read quota is used up");
    }
    let (status, found) = check(&report, "quota");
    assert_eq!(status, "warn");
    assert!(found.contains("the last one refused"), "{found}");
}

#[test]
fn a_sign_in_page_in_the_place_of_every_listing_is_no_tenant_that_can_be_read() {
    let (url, _) = server(now(), |_, path| match path {
        "/" | "/signin" => (200, TOKEN),
        _ => (200, "<html>sign in</html>"),
    });
    let report = Ran::of(&mut doctor_at(&url)).expect(1).json();
    for kind in [
        "portal-link",
        "user-portal",
        "connector",
        "domain",
        "connector-schedule",
    ] {
        let (status, found) = check(&report, kind);
        assert_eq!(status, "fail", "{kind}");
        assert_eq!(found, "cannot be read: the answer is not JSON", "{kind}");
    }
}

#[test]
fn a_microtenant_that_is_none_is_a_wrong_setting_and_is_never_sent() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    for command in [&["doctor"][..], &["plan", "links.csv"]] {
        let flag = tenant.run(&[command, &["--microtenant", "../x?y"]].concat());
        let variable = Ran::of(tenant.command(command).env("ZPA_MICROTENANT_ID", "../x?y"));
        for ran in [flag.expect(2), variable.expect(2)] {
            let said = ran.stdout + &ran.stderr;
            assert!(
                said.contains("\"../x?y\" is not a microtenant id: it is all digits"),
                "{said}"
            );
        }
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn refused_credentials_end_with_their_own_code_and_what_to_do() {
    let tenant = Tenant::start(QUICK);
    let mut command = tenant.command(&["doctor"]);
    let ran = Ran::of(command.env("ZPA_CLIENT_SECRET", "wrong")).expect(6);
    let line = ran
        .stdout
        .lines()
        .find(|line| line.contains("sign-in "))
        .unwrap();
    assert!(
        line.starts_with("FAIL") && line.contains("next: "),
        "{line}"
    );
}

#[test]
fn settings_that_are_missing_or_wrong_end_with_the_code_of_settings() {
    let none = Ran::of(zpa_bulk().arg("doctor")).expect(2);
    assert!(
        none.stdout.contains("customer id is not set"),
        "{}",
        none.stdout
    );
    let tenant = Tenant::start(QUICK);
    let no_secret = Ran::of(tenant.command(&["doctor"]).env_remove("ZPA_CLIENT_SECRET")).expect(2);
    assert!(
        no_secret.stdout.contains("ZPA_CLIENT_SECRET is not set"),
        "{}",
        no_secret.stdout
    );
    let cloud = Ran::of(
        tenant
            .command(&["doctor"])
            .env_remove("ZPA_BULK_BASE_URL")
            .env("ZPA_CLOUD", "MARS"),
    );
    assert!(cloud.expect(2).stdout.contains("\"MARS\" is no cloud"));
    assert!(tenant.log().is_empty());
}

#[test]
fn a_host_that_nobody_listens_on_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let url = format!("http://127.0.0.1:{port}");
    let tenant = Tenant::start(QUICK);
    let ran = tenant.run(&["doctor", "--token-url", &url]).expect(1);
    assert!(
        ran.stdout.contains(&format!(
            "FAIL  reach              {url}/: Connection refused"
        )),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains(&format!("ok    reach              {}/ answers", tenant.url)),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("sign-in "), "{}", ran.stdout);
}

/// What a tenant answers that holds nothing.
fn empty(path: &str) -> (u16, &'static str) {
    let body = if path.contains("/domains") {
        "[]"
    } else if path.contains("/connectorSchedule") {
        "{}"
    } else {
        r#"{"totalPages":"0","totalCount":"0"}"#
    };
    (200, body)
}

fn doctor_at(url: &str) -> std::process::Command {
    let mut command = zpa_bulk();
    command
        .args(["doctor", "--json", "--customer-id", "1", "--base-url", url])
        .env("ZPA_CLIENT_ID", "me")
        .env("ZPA_CLIENT_SECRET", "s");
    command
}

#[test]
fn kinds_that_may_not_be_read_are_named_and_the_others_are_still_looked_at() {
    let (url, _) = server(now(), |_, path| match path {
        "/" | "/signin" => (200, TOKEN),
        path if path.contains("userPortalLink") => {
            (403, r#"{"id":"forbidden","reason":"no permission"}"#)
        }
        path if path.contains("userPortal") => (
            200,
            r#"{"totalPages":"1","totalCount":"2","list":[{"id":"1"}]}"#,
        ),
        path => empty(path),
    });
    let report = Ran::of(&mut doctor_at(&url)).expect(0).json();
    let (status, found) = check(&report, "portal-link");
    assert_eq!(status, "warn");
    assert!(found.contains("no permission"), "{found}");
    assert_eq!(check(&report, "user-portal").0, "ok");
}

#[test]
fn a_feature_that_is_off_is_a_warning_of_its_own() {
    let tenant = Tenant::start(&format!("{QUICK}features = {{ off = [\"connector\"] }}"));
    let report = tenant.run(&["doctor", "--json"]).expect(0).json();
    let (status, found) = check(&report, "connector");
    assert_eq!(status, "warn");
    assert!(found.contains("switched off for this tenant"), "{found}");
    assert_eq!(check(&report, "portal-link").0, "ok");
}

#[test]
fn a_client_that_may_read_nothing_is_refused_and_a_feature_that_is_off_is_named() {
    let (url, seen) = server(now(), |_, path| match path {
        "/" | "/signin" => (200, TOKEN),
        _ => (
            401,
            r#"{"id":"authz.featureflag.permission.denied","reason":"Feature is disabled"}"#,
        ),
    });
    let report = Ran::of(&mut doctor_at(&url)).expect(6).json();
    assert!(
        check(&report, "portal-link")
            .1
            .contains("switched off for this tenant")
    );
    let seen = seen.lock().unwrap();
    let reads = seen.iter().filter(|line| line.contains("/customers/"));
    assert!(
        reads
            .clone()
            .all(|line| !line.contains("pagesize") || line.contains("pagesize=1 ")),
        "{seen:?}"
    );
    assert_eq!(
        seen.iter()
            .filter(|line| line.starts_with("/signin"))
            .count(),
        1
    );
}

#[test]
fn a_clock_that_is_off_is_told_and_fails_where_the_sign_in_is_signed() {
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
    let (url, _) = server(long_ago, |_, path| match path {
        "/" | "/signin" | "/oauth2/v1/token" => (200, TOKEN),
        path => empty(path),
    });
    let report = Ran::of(&mut doctor_at(&url)).expect(0).json();
    let (status, found) = check(&report, "clock");
    assert_eq!(status, "warn");
    assert!(found.contains("s ahead of the server's"), "{found}");
    let key = include_str!("keys/pkcs8.pem");
    let mut command = doctor_at(&url);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key);
    let report = Ran::of(&mut command).expect(1).json();
    assert_eq!(check(&report, "clock").0, "fail");
}

#[test]
fn two_sign_ins_send_two_assertions() {
    let (url, seen) = server(now(), |_, path| match path {
        "/oauth2/v1/token" => (200, TOKEN),
        path => empty(path),
    });
    for _ in 0..2 {
        let mut command = doctor_at(&url);
        command
            .env("ZSCALER_CLIENT_ID", "me")
            .env("ZSCALER_PRIVATE_KEY", include_str!("keys/pkcs8.pem"));
        Ran::of(&mut command).expect(0);
    }
    let seen = seen.lock().unwrap();
    let forms: Vec<&String> = seen
        .iter()
        .filter(|line| line.starts_with("/oauth2"))
        .collect();
    assert_eq!(forms.len(), 2);
    assert_ne!(forms[0], forms[1]);
    for field in [
        "grant_type=client_credentials",
        "client_id=me",
        "audience=https%3A%2F%2Fapi.zscaler.com",
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
    ] {
        assert!(forms[0].contains(field), "{field}: {}", forms[0]);
    }
}
