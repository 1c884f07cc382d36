//! The findings of `doctor` on a sound tenant, and on others.

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Ran, assert_contains, zpa_bulk};
use crate::support::scripted::{self, NONE, TOKEN, server, server_at};
use crate::support::tenant::{QUICK, Tenant};

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
fn a_sound_tenant_gets_a_line_a_check_and_few_reads() {
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
        assert_contains(&ran.stdout, line);
    }
    assert_contains(&ran.stdout, "client_secret = (hidden) (ZPA_CLIENT_SECRET)");
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
fn quotas_are_shown_as_seen_with_gateway_headers() {
    let tenant = Tenant::start(QUICK);
    let mut command = tenant.stranger(&["doctor", "--json", "--write-quota", "4/10s"]);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_CLIENT_SECRET", "s");
    let report = Ran::of(&mut command).expect(0).json();
    let (status, found) = check(&report, "quota");
    let reads = tenant.log_of("read").len();
    assert_eq!(status, "ok");
    assert_contains(
        &found,
        format!("read 20/10s, {reads} sent here, none refused"),
    );
    assert_contains(&found, "write 4/10s, none sent here");
    assert_contains(&found, "left of 5000, 5000;w=60");
}

#[test]
fn the_read_quota_holds_for_the_check_itself() {
    // The tenant takes somewhat more, since calls may arrive early or late on a busy machine.
    let tenant = Tenant::start(&format!("{QUICK}quota = {{ read = \"1/200ms\" }}"));
    let report = tenant
        .run(&["doctor", "--json", "--read-quota", "1/800ms"])
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
    assert_contains(&found, "used up by somebody else");
    for unread in ["connector", "domain", "connector-schedule"] {
        let (status, found) = check(&report, unread);
        assert_eq!(status, "warn");
        assert_eq!(found, "not checked: the read quota is used up");
    }
    let (status, found) = check(&report, "quota");
    assert_eq!(status, "warn");
    assert_contains(&found, "the last one refused");
}

#[test]
fn sign_in_pages_as_listings_are_a_failure() {
    let (url, _) = server(|_, path| match path {
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
fn a_malformed_microtenant_is_never_sent() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    for command in [&["doctor"][..], &["plan", "links.csv"]] {
        let flag = tenant.run(&[command, &["--microtenant", "../x?y"]].concat());
        let variable = Ran::of(tenant.command(command).env("ZPA_MICROTENANT_ID", "../x?y"));
        for ran in [flag.expect(2), variable.expect(2)] {
            let said = ran.stdout + &ran.stderr;
            assert_contains(
                &said,
                "\"../x?y\" is not a microtenant id; it must be 1 to 20 digits",
            );
        }
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn refused_credentials_exit_with_6_and_a_next_step() {
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
fn missing_or_wrong_settings_exit_with_2() {
    let none = Ran::of(zpa_bulk().arg("doctor")).expect(2);
    assert_contains(&none.stdout, "customer id is not set");
    let tenant = Tenant::start(QUICK);
    let no_secret = Ran::of(tenant.command(&["doctor"]).env_remove("ZPA_CLIENT_SECRET")).expect(2);
    assert_contains(&no_secret.stdout, "ZPA_CLIENT_SECRET is not set");
    let cloud = Ran::of(
        tenant
            .command(&["doctor"])
            .env_remove("ZPA_BULK_BASE_URL")
            .env("ZPA_CLOUD", "MARS"),
    );
    assert_contains(&cloud.expect(2).stdout, "\"MARS\" is not a known cloud");
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
    assert_contains(
        &ran.stdout,
        format!("FAIL  reach              {url}/: Connection refused"),
    );
    assert_contains(
        &ran.stdout,
        format!("ok    reach              {}/ answers", tenant.url),
    );
    assert!(!ran.stdout.contains("sign-in "), "{}", ran.stdout);
}

/// The answer of a tenant that holds nothing.
fn empty(path: &str) -> (u16, &'static str) {
    let body = if path.contains("/domains") {
        "[]"
    } else if path.contains("/connectorSchedule") {
        "{}"
    } else {
        NONE
    };
    (200, body)
}

fn doctor_at(url: &str) -> Command {
    scripted::command(url, &["doctor", "--json"])
}

#[test]
fn a_forbidden_kind_is_named_the_others_are_checked() {
    let (url, _) = server(|_, path| match path {
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
    assert_contains(&found, "no permission");
    assert_eq!(check(&report, "user-portal").0, "ok");
}

#[test]
fn a_feature_that_is_off_is_a_warning_of_its_own() {
    let tenant = Tenant::start(&format!("{QUICK}features = {{ off = [\"connector\"] }}"));
    let report = tenant.run(&["doctor", "--json"]).expect(0).json();
    let (status, found) = check(&report, "connector");
    assert_eq!(status, "warn");
    assert_contains(&found, "switched off for this tenant");
    assert_eq!(check(&report, "portal-link").0, "ok");
}

#[test]
fn a_client_that_may_read_nothing_is_refused() {
    let (url, seen) = server(|_, path| match path {
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
fn a_clock_that_is_off_fails_a_signed_sign_in() {
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT".to_owned();
    let (url, _) = server_at(long_ago, |_, path| match path {
        "/" | "/signin" | "/oauth2/v1/token" => (200, TOKEN),
        path => empty(path),
    });
    let report = Ran::of(&mut doctor_at(&url)).expect(0).json();
    let (status, found) = check(&report, "clock");
    assert_eq!(status, "warn");
    assert_contains(&found, "s ahead of the server's");
    let key = include_str!("../keys/pkcs8.pem");
    let mut command = doctor_at(&url);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key);
    let report = Ran::of(&mut command).expect(1).json();
    assert_eq!(check(&report, "clock").0, "fail");
}

#[test]
fn two_sign_ins_send_two_assertions() {
    let (url, seen) = server(|_, path| match path {
        "/oauth2/v1/token" => (200, TOKEN),
        path => empty(path),
    });
    for _ in 0..2 {
        let mut command = doctor_at(&url);
        command
            .env("ZSCALER_CLIENT_ID", "me")
            .env("ZSCALER_PRIVATE_KEY", include_str!("../keys/pkcs8.pem"));
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
        assert_contains(forms[0], field);
    }
}
