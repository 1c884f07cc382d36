//! Credentials: their sources, their use, and that they are never shown. The simulated tenant checks signatures with a
//! public key of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::command::{Ran, assert_contains, write_private, zpa_bulk};
use crate::support::tenant::{CUSTOMER, QUICK, Tenant};

fn key(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/keys")
            .join(name),
    )
    .unwrap()
}

/// A tenant that knows the public half of a key, and a manifest in its directory.
fn tenant_that_knows(public_key: &str) -> Tenant {
    let public_key = key(public_key);
    let tenant = Tenant::start(&format!(
        "{QUICK}[sign_in]\npublic_key = \"\"\"{public_key}\"\"\""
    ));
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    tenant
}

fn plan_with_key(tenant: &Tenant, key: &str) -> Command {
    let mut command = tenant.stranger(&["plan", "links.csv", "-vvv"]);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key);
    command
}

fn paths(tenant: &Tenant) -> Vec<String> {
    let log = tenant.log();
    log.iter()
        .map(|entry| entry["path"].as_str().unwrap().to_owned())
        .collect()
}

/// The value and the source of a setting, by `doctor`.
fn source(ran: &Ran, setting: &str) -> Option<(String, String)> {
    let report = ran.json();
    let settings = report.get("settings")?.as_array()?;
    let found = settings.iter().find(|given| given["setting"] == setting)?;
    let text = |name: &str| found.get(name)?.as_str().map(str::to_owned);
    Some((text("value")?, text("source")?))
}

#[test]
fn a_key_signs_in_from_a_file_or_as_text() {
    let tenant = tenant_that_knows("public.pem");
    let file = tenant.write_private("key.pem", &key("pkcs8.pem"));
    for given in [
        file.to_str().unwrap().to_owned(),
        key("pkcs8.pem"),
        key("pkcs1.pem"),
        key("pkcs8.pem").replace('\n', "\\n"),
    ] {
        let ran = Ran::of(&mut plan_with_key(&tenant, &given)).expect(0);
        assert_contains(&ran.stdout, "1 to create");
    }
    assert_eq!(paths(&tenant)[0], "/oauth2/v1/token");
    assert!(paths(&tenant)[1].starts_with("/zpa/mgmtconfig/"));
}

#[test]
fn the_server_refuses_another_clients_key() {
    let tenant = tenant_that_knows("other-public.pem");
    let ran = Ran::of(&mut plan_with_key(&tenant, &key("pkcs8.pem"))).expect(6);
    assert_contains(&ran.stderr, "signature is wrong");
    assert_contains(&ran.stderr, "secret or key");
}

#[test]
fn an_unusable_key_is_refused_with_what_to_do() {
    let tenant = tenant_that_knows("public.pem");
    for (given, reason) in [
        (key("encrypted-pkcs8.pem"), "is encrypted"),
        (key("encrypted-pkcs1.pem"), "is encrypted"),
        (key("elliptic.pem"), "not an RSA key"),
        (key("short.pem"), "not an RSA key"),
        (key("public.pem"), "no private key in PEM"),
        ("no-such-file.pem".to_owned(), "nor a file that exists"),
        ("{\"kty\":\"RSA\"}".to_owned(), "JSON web key"),
    ] {
        let ran = Ran::of(&mut plan_with_key(&tenant, &given)).expect(2);
        assert_contains(&ran.stderr, reason);
        assert_contains(&ran.stderr, "openssl pkey");
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn a_long_run_signs_a_fresh_assertion_for_each_token() {
    let public_key = key("public.pem");
    let tenant = Tenant::start(&format!(
        "quota = {{ write = \"1/1s\" }}\ntoken = {{ lifetime = \"1s\" }}\n[sign_in]\npublic_key = \"\"\"{public_key}\"\"\""
    ));
    let rows: String = (0..4)
        .map(|n| format!("App {n},https://a{n}.example\n"))
        .collect();
    tenant.write("links.csv", &format!("name,url\n{rows}"));
    let mut command = tenant.stranger(&["apply", "links.csv", "--yes", "--batch-size", "1"]);
    command
        .args(["--write-quota", "1/1s"])
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key("pkcs8.pem"));
    Ran::of(&mut command).expect(0);
    assert_eq!(tenant.links().len(), 4);
    let tokens = paths(&tenant)
        .iter()
        .filter(|path| *path == "/oauth2/v1/token")
        .count();
    assert!(tokens >= 2, "{tokens} sign-ins");
}

#[test]
fn a_key_is_for_one_api_alone() {
    let tenant = tenant_that_knows("public.pem");
    let mut command = plan_with_key(&tenant, &key("pkcs8.pem"));
    command
        .env("ZSCALER_USE_LEGACY_CLIENT", "true")
        .env("ZPA_CLIENT_ID", "me");
    let ran = Ran::of(&mut command).expect(2);
    // The key is the other client's; the legacy one has no secret.
    assert_contains(&ran.stderr, "ZPA_CLIENT_SECRET is not set");
    let file = tenant.write_private("key.pem", &key("pkcs8.pem"));
    let settings = format!("style = \"legacy\"\nclient_id = \"me\"\nprivate_key_file = {file:?}\n");
    tenant.write("settings.toml", &settings);
    let ran = Ran::of(&mut tenant.stranger(&["plan", "links.csv", "--config", "settings.toml"]));
    assert_contains(&ran.expect(2).stderr, "signs in to OneAPI");
    assert!(tenant.log().is_empty());
}

/// The command with a settings file of those lines.
fn with_settings(tenant: &Tenant, settings: &str) -> Command {
    tenant.write("settings.toml", &format!("client_id = \"me\"\n{settings}"));
    tenant.stranger(&["plan", "links.csv", "-vv", "--config", "settings.toml"])
}

#[test]
fn a_secret_comes_from_a_private_file_or_a_command() {
    let tenant = tenant_that_knows("public.pem");
    tenant.write_private("secret", "from-a-file\n");
    tenant.write_private("key.pem", &key("pkcs1.pem"));
    for settings in [
        "client_secret_file = \"secret\"",
        "client_secret_command = [\"echo\", \"from a command\"]",
        "private_key_file = \"key.pem\"",
        "private_key_command = [\"cat\", \"key.pem\"]",
    ] {
        Ran::of(&mut with_settings(&tenant, settings)).expect(0);
    }
}

#[test]
fn a_secret_variable_overrides_a_key_in_the_file() {
    let tenant = tenant_that_knows("public.pem");
    let mut command = with_settings(&tenant, "private_key_file = \"no-such-file\"");
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_CLIENT_SECRET", "s");
    Ran::of(&mut command).expect(0);
}

#[test]
fn the_output_of_a_secrets_command_is_not_shown() {
    let tenant = tenant_that_knows("public.pem");
    tenant.write(
        "fails",
        "#!/bin/sh\necho hunter2\necho the store is locked >&2\nexit 3\n",
    );
    let ran = Ran::of(&mut with_settings(
        &tenant,
        "client_secret_command = [\"sh\", \"fails\"]",
    ));
    let ran = ran.expect(2);
    assert_contains(&ran.stderr, "the store is locked");
    assert_contains(
        &ran.stderr,
        "client_secret_command \"sh\" failed: exit status: 3",
    );
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    for (settings, reason) in [
        (
            "client_secret_command = [\"true\"]",
            "gives an empty secret",
        ),
        ("client_secret_command = []", "names no command"),
        (
            "client_secret_command = [\"no-such-program\"]",
            "No such file",
        ),
        (
            "client_secret_command = [\"echo $HOME; exit 1\"]",
            "No such file",
        ),
    ] {
        let ran = Ran::of(&mut with_settings(&tenant, settings)).expect(2);
        assert_contains(&ran.stderr, reason);
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let tenant = tenant_that_knows("public.pem");
    tenant.write("secret", "hunter2");
    tenant.write("key.pem", &key("pkcs8.pem"));
    let open_file = |file: &str| format!("chmod 600 {file}");
    for (settings, file) in [
        ("client_secret_file = \"secret\"", "secret"),
        ("private_key_file = \"key.pem\"", "key.pem"),
        ("client_secret = \"hunter2\"", "settings.toml"),
    ] {
        let ran = Ran::of(&mut with_settings(&tenant, settings)).expect(2);
        assert_contains(&ran.stderr, open_file(file));
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
    let path = tenant.path("key.pem");
    let ran = Ran::of(&mut plan_with_key(&tenant, path.to_str().unwrap())).expect(2);
    assert_contains(&ran.stderr, "chmod 600");
    assert!(tenant.log().is_empty());
}

#[test]
fn two_proofs_of_a_client_in_one_place_are_refused() {
    let tenant = tenant_that_knows("public.pem");
    let both = "client_secret_file = \"secret\"\nprivate_key_file = \"key.pem\"";
    let ran = Ran::of(&mut with_settings(&tenant, both)).expect(2);
    assert_contains(&ran.stderr, "both private_key_file and client_secret_file");
}

#[test]
fn a_profile_holds_a_tenant_and_an_unknown_one_fails() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    let url = &tenant.url;
    let settings = format!(
        "batch_size = 7\ncustomer_id = \"1\"\n\
         [profiles.acme]\nstyle = \"legacy\"\ncustomer_id = \"{CUSTOMER}\"\nclient_id = \"a\"\nclient_secret = \"hidden\"\nbase_url = \"{url}\"\n\
         [profiles.beta]\nstyle = \"oneapi\"\nclient_id = \"b\"\nclient_secret = \"hidden\"\nbase_url = \"{url}\"\n"
    );
    tenant.write_private("settings.toml", &settings);
    let doctor = |profile: &str| {
        let mut command = zpa_bulk();
        command
            .current_dir(tenant.path(""))
            .args(["doctor", "--json"]);
        command.env("ZPA_BULK_CONFIG", "settings.toml");
        command.env("ZPA_BULK_PROFILE", profile);
        Ran::of(&mut command)
    };
    let acme = doctor("acme").expect(0);
    let at = |ran: &Ran, setting| source(ran, setting).unwrap();
    let own = "settings.toml, profile acme".to_owned();
    assert_eq!(at(&acme, "customer_id"), (CUSTOMER.to_owned(), own.clone()));
    assert_eq!(at(&acme, "client_secret"), ("(hidden)".to_owned(), own));
    assert_eq!(
        at(&acme, "batch_size"),
        ("7".to_owned(), "settings.toml".to_owned())
    );
    let beta = doctor("beta").expect(0);
    assert_eq!(at(&beta, "style").0, "oneapi");
    assert_eq!(
        at(&beta, "customer_id"),
        ("1".to_owned(), "settings.toml".to_owned())
    );
    let mut command = zpa_bulk();
    command.current_dir(tenant.path(""));
    command.args([
        "plan",
        "links.csv",
        "--config",
        "settings.toml",
        "--profile",
        "gamma",
    ]);
    let unknown = Ran::of(&mut command).expect(2);
    assert_contains(&unknown.stderr, "no profile \"gamma\"; it has acme, beta");
    let none = Ran::of(zpa_bulk().args(["runs", "--profile", "acme"])).expect(2);
    assert_contains(&none.stderr, "--config");
}

/// A home directory with the vendor's settings file in it.
fn home_with(tenant: &Tenant, yaml: &str) -> PathBuf {
    let home = tenant.path("home");
    fs::create_dir_all(home.join(".zscaler")).unwrap();
    write_private(&home.join(".zscaler/zscaler.yaml"), yaml);
    home
}

#[test]
fn the_vendor_file_is_read_without_another_client() {
    let tenant = tenant_that_knows("public.pem");
    let key = key("pkcs1.pem").replace('\n', "\n      ");
    let yaml = format!(
        "zscaler:\n  client:\n    clientId: \"me\"\n    privateKey: |\n      {key}\n    customerId: {CUSTOMER}\n    cloud: \"PRODUCTION\"\n    requestTimeout: 0\n"
    );
    let home = home_with(&tenant, &yaml);
    let doctor = |variables: &[(&str, &str)]| {
        let mut command = tenant.stranger(&["doctor", "--json"]);
        command.env_remove("ZPA_CUSTOMER_ID").env("HOME", &home);
        command.envs(variables.iter().copied());
        Ran::of(&mut command)
    };
    let ran = doctor(&[]).expect(0);
    let file = home
        .join(".zscaler/zscaler.yaml")
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        source(&ran, "customer_id").unwrap(),
        (CUSTOMER.to_owned(), file.clone())
    );
    assert_eq!(
        source(&ran, "private_key").unwrap(),
        ("(hidden)".to_owned(), file)
    );
    assert!(!ran.stdout.contains("BEGIN"), "{}", ran.stdout);
    let ran = doctor(&[("ZPA_CUSTOMER_ID", "1")]).expect(0);
    assert_eq!(source(&ran, "customer_id").unwrap().1, "ZPA_CUSTOMER_ID");
    let client = [
        ("ZPA_CLIENT_ID", "a"),
        ("ZPA_CLIENT_SECRET", "b"),
        ("ZPA_CUSTOMER_ID", "1"),
    ];
    let ran = doctor(&client).expect(0);
    assert_eq!(source(&ran, "private_key"), None, "another client's key");
}

#[test]
fn an_open_or_broken_vendor_file_is_refused() {
    let tenant = tenant_that_knows("public.pem");
    let yaml = "zscaler:\n  client:\n    clientId: me\n    clientSecret: hunter2\n";
    let home = home_with(&tenant, yaml);
    let file = home.join(".zscaler/zscaler.yaml");
    fs::remove_file(&file).unwrap();
    fs::write(&file, yaml).unwrap();
    let plan = || Ran::of(tenant.stranger(&["plan", "links.csv"]).env("HOME", &home)).expect(2);
    assert_contains(&plan().stderr, "chmod 600");
    write_private(&file, "zscaler:\n  client:\n    clientSecret: \"hunter2\n");
    let broken = plan();
    assert_contains(&broken.stderr, "this is not YAML");
    assert!(!broken.stderr.contains("hunter2"), "{}", broken.stderr);
    assert!(tenant.log().is_empty());
}

#[test]
fn settings_override_each_other_in_order() {
    let tenant = Tenant::start(QUICK);
    let home = home_with(
        &tenant,
        "zscaler:\n  client:\n    clientId: y\n    clientSecret: y\n    customerId: 5\n    microtenantId: 5\n",
    );
    let settings = "customer_id = \"4\"\njobs = 4\nbatch_size = 4\n\
         [profiles.p]\ncustomer_id = \"3\"\njobs = 3\n";
    tenant.write("settings.toml", settings);
    let layers: [&[(&str, &str)]; 2] = [&[("ZPA_CUSTOMER_ID", "2")], &[]];
    let ran = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = tenant.stranger(&["doctor", "--json", "--config", "settings.toml"]);
        command
            .args(args)
            .env_remove("ZPA_CUSTOMER_ID")
            .env("HOME", &home);
        command.envs(variables.iter().copied());
        Ran::of(&mut command)
    };
    let customer = |ran: Ran| source(&ran, "customer_id").unwrap();
    let is = |value: &str, place: &str| (value.to_owned(), place.to_owned());
    let flag = ["--profile", "p", "--customer-id", "1"];
    assert_eq!(customer(ran(layers[0], &flag)), is("1", "--customer-id"));
    let profile = &flag[..2];
    assert_eq!(
        customer(ran(layers[0], profile)),
        is("2", "ZPA_CUSTOMER_ID")
    );
    assert_eq!(
        customer(ran(layers[1], profile)),
        is("3", "settings.toml, profile p")
    );
    assert_eq!(customer(ran(layers[1], &[])), is("4", "settings.toml"));
    let all = ran(layers[0], &flag);
    assert_eq!(
        source(&all, "jobs").unwrap(),
        is("3", "settings.toml, profile p")
    );
    assert_eq!(
        source(&all, "batch_size").unwrap(),
        is("4", "settings.toml")
    );
    assert_eq!(source(&all, "microtenant_id").unwrap().0, "5");
    assert_eq!(source(&all, "client_id").unwrap().0, "y");
    let microtenant = ran(&[("ZPA_MICROTENANT_ID", "6")], &["--microtenant", "7"]);
    assert_eq!(
        source(&microtenant, "microtenant_id").unwrap(),
        is("7", "--microtenant")
    );
}

#[test]
fn an_empty_variable_is_none() {
    let tenant = Tenant::start(QUICK);
    tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
    let mut command = tenant.command(&["plan", "links.csv", "--json"]);
    command
        .env("ZPA_MICROTENANT_ID", "")
        .env("ZSCALER_CLIENT_ID", "");
    Ran::of(&mut command).expect(0);
    assert_eq!(paths(&tenant)[0], "/signin");
}

#[test]
fn a_key_and_its_assertions_are_only_on_the_wire() {
    let tenant = tenant_that_knows("public.pem");
    let mut command = tenant.stranger(&["apply", "links.csv", "--yes", "-vvv"]);
    command
        .env("ZSCALER_CLIENT_ID", "me")
        .env("ZSCALER_PRIVATE_KEY", key("pkcs8.pem"));
    let ran = Ran::of(&mut command).expect(0);
    assert_contains(&ran.stderr, "signed in");
    let mut texts = vec![ran.stdout, ran.stderr];
    for entry in fs::read_dir(tenant.run_dir()).unwrap() {
        texts.push(fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let secret = key("pkcs8.pem").lines().nth(1).unwrap().to_owned();
    for text in &texts {
        // Every JSON web token begins so.
        assert!(!text.contains(&secret) && !text.contains("eyJ"), "{text}");
    }
}

#[test]
fn a_run_records_neither_client_nor_key_file() {
    let tenant = tenant_that_knows("public.pem");
    tenant.write_private("key.pem", &key("pkcs8.pem"));
    tenant.write(
        "settings.toml",
        "client_id = \"its-name\"\nprivate_key_file = \"key.pem\"\n",
    );
    let args = ["apply", "links.csv", "--yes", "--config", "settings.toml"];
    Ran::of(&mut tenant.stranger(&args)).expect(0);
    let journal = fs::read_to_string(tenant.run_dir().join("journal.jsonl")).unwrap();
    let header = journal.lines().next().unwrap();
    assert_contains(header, "settle");
    assert!(
        !header.contains("key.pem") && !header.contains("its-name"),
        "{header}"
    );
}

#[test]
fn a_sign_in_that_met_another_change_is_tried_again() {
    let tenant = Tenant::start(&format!(
        "{QUICK}[[fault]]\nkind = \"status\"\nstatus = 409\nid = \"api.concurrent.access.error\"\n\
         match = \"POST */signin\"\ntimes = 1\n"
    ));
    tenant.run(&["export", "user-portal"]).expect(0);
    let statuses: Vec<u64> = tenant
        .log_of("auth")
        .iter()
        .map(|entry| entry["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [409, 200]);
}
