//! Every resource from manifests, as a user meets it.

use serde_json::{Value, json};

use crate::support::command::{Ran, assert_contains, rows};
use crate::support::tenant::{OPEN, Tenant};

fn start(scenario: &str) -> Tenant {
    Tenant::start(&format!("{OPEN}{scenario}")).unpaced()
}

fn apply(tenant: &Tenant, manifest: &str) -> Ran {
    tenant.apply("manifest.csv", manifest)
}

/// Applies without a failure, and answers the summary.
fn applied(tenant: &Tenant, manifest: &str) -> Value {
    apply(tenant, manifest).summary()
}

/// The one message of the one row that failed.
fn failure(tenant: &Tenant, manifest: &str) -> String {
    let report = apply(tenant, manifest).expect(4).json();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors[0]["error"].as_str().unwrap().to_owned()
}

/// The writes as `METHOD last/segments`, ids as `*`.
fn writes(tenant: &Tenant) -> Vec<String> {
    let calls = tenant.log_of("write");
    let call = |entry: &Value| {
        let path = entry["path"]
            .as_str()
            .unwrap()
            .split("/customers/")
            .nth(1)
            .unwrap();
        let segments = path.split('/').skip(1);
        let is_id = |text: &str| text.len() > 10 && text.bytes().all(|b| b.is_ascii_digit());
        let shown: Vec<&str> = segments.map(|s| if is_id(s) { "*" } else { s }).collect();
        format!("{} {}", entry["method"].as_str().unwrap(), shown.join("/"))
    };
    calls.iter().map(call).collect()
}

#[test]
fn a_portal_is_created_updated_and_deleted_by_rows() {
    let tenant = start("");
    let manifest = "name,description,ext_label,ext_domain,managed_by_zs\n\
                    Field Portal,For the field,field-1,acme.com,true\n";
    assert_eq!(applied(&tenant, manifest)["created"], 1);
    let made = tenant.object("user_portals", "Field Portal");
    assert_eq!(made["extLabel"], "field-1");
    assert_eq!(applied(&tenant, manifest)["unchanged"], 1);
    let update = "resource,name,user_notification,user_notification_enabled\n\
                  user-portal,Field Portal,Closed on Sunday,yes\n";
    assert_eq!(applied(&tenant, update)["updated"], 1);
    let changed = tenant.object("user_portals", "Field Portal");
    assert_eq!(changed["userNotification"], "Closed on Sunday");
    assert_eq!(
        changed["description"], "For the field",
        "what a row does not name stays"
    );
    let delete = "resource,name,action\nuser-portal,Field Portal,delete\n";
    assert_eq!(applied(&tenant, delete)["deleted"], 1);
    assert_eq!(tenant.object("user_portals", "Field Portal"), Value::Null);
    assert_eq!(
        writes(&tenant),
        ["POST userPortal", "PUT userPortal/*", "DELETE userPortal/*"]
    );
}

#[test]
fn a_portal_with_its_own_certificate_needs_a_domain() {
    let tenant = start("");
    let ran = apply(
        &tenant,
        "name,managed_by_zs,certificate_id,domain,ext_label\n\
         A,false,,portal.acme.com,abc\n\
         B,false,7,,abc\n\
         C,false,7,http://portal.acme.com,abc\n\
         D,true,7,,abc\n\
         E*,true,,,abc\n\
         F,true,,,AB\n",
    )
    .expect(3);
    for line in [
        "2: column \"certificate_id\": a portal whose certificate Zscaler does not manage needs it",
        "3: column \"domain\": a portal whose certificate Zscaler does not manage needs it",
        "4: column \"domain\": \"http://portal.acme.com\" is not an https:// address",
        "5: column \"certificate_id\": a portal whose certificate Zscaler manages has none of its own",
        "6: column \"name\": the name of a user portal cannot have '*'",
        "7: column \"ext_label\": \"AB\" is not 3 to 31 lower-case letters",
    ] {
        assert!(ran.stderr.contains(line), "{line}\n{}", ran.stderr);
    }
    assert!(tenant.log().is_empty());
    let own = "name,managed_by_zs,certificate_id,domain\n\
               Own,false,72058304855047746,https://portal.acme.com\n";
    assert_eq!(applied(&tenant, own)["created"], 1);
    assert_eq!(applied(&tenant, own)["unchanged"], 1);
}

#[test]
fn a_schedule_is_posted_once_and_put_from_then_on() {
    for scenario in [
        "",
        "connector_schedule = { absent = \"empty\", numbers = \"numbers\" }",
    ] {
        let tenant = start(scenario);
        let schedule =
            |days: u32| format!("frequency_interval,enabled,delete_disabled\n{days},true,false\n");
        assert_eq!(applied(&tenant, &schedule(14))["created"], 1);
        assert_eq!(applied(&tenant, &schedule(14))["unchanged"], 1);
        assert_eq!(applied(&tenant, &schedule(30))["updated"], 1);
        let live = tenant.state()["connector_schedule"].clone();
        let live = live.as_array().map_or(live.clone(), |all| all[0].clone());
        assert_eq!(
            live["frequencyInterval"].to_string().trim_matches('"'),
            "30",
            "{live}"
        );
        assert_eq!(
            writes(&tenant),
            ["POST connectorSchedule", "PUT connectorSchedule/*"],
            "{scenario}"
        );
    }
}

#[test]
fn a_short_schedule_or_its_delete_is_refused_unsent() {
    let tenant = start("");
    let ran = apply(&tenant, "frequency_interval,action\n4,ensure\n").expect(3);
    assert_contains(&ran.stderr, "4 days are too few; the least is 5");
    let ran = apply(&tenant, "frequency_interval,action\n5,delete\n").expect(3);
    assert_contains(
        &ran.stderr,
        "\"delete\" is nothing to do with a connector schedule; known are ensure, create, update",
    );
    assert!(tenant.log().is_empty());
}

#[test]
fn connectors_are_updated_alone_and_deleted_together() {
    let tenant = start("connectors = { live = 20, stale = 4 }");
    let rename = "resource,name,description,enabled\nconnector,stale-02,Old machine,false\n";
    assert_eq!(applied(&tenant, rename)["updated"], 1);
    let changed = tenant.object("connectors", "stale-02");
    assert_eq!(changed["description"], "Old machine");
    assert_eq!(changed["enabled"], false);
    assert!(changed["fingerprint"].is_string() && changed["appConnectorGroupId"].is_string());
    assert_eq!(applied(&tenant, rename)["unchanged"], 1);
    let one = "resource,name,action\nconnector,stale-02,delete\n";
    assert_eq!(applied(&tenant, one)["deleted"], 1);
    let two = "resource,name,action\nconnector,stale-03,delete\nconnector,stale-04,delete\n";
    assert_eq!(applied(&tenant, two)["deleted"], 2);
    assert_eq!(
        writes(&tenant),
        [
            "PUT connector/*",
            "DELETE connector/*",
            "POST connector/bulkDelete"
        ]
    );
    assert_eq!(tenant.object("connectors", "stale-03"), Value::Null);
}

#[test]
fn locked_and_new_connectors_fail_with_the_reason() {
    let tenant = start("");
    let why = failure(
        &tenant,
        "resource,name,description\nconnector,managed-01,x\n",
    );
    assert_eq!(why, "the app connector cannot be changed: it is read-only");
    let why = failure(
        &tenant,
        "resource,name,action\nconnector,managed-01,delete\n",
    );
    assert_eq!(why, "the app connector cannot be deleted: it is read-only");
    let why = failure(&tenant, "resource,name,description\nconnector,new-01,x\n");
    assert!(
        why.ends_with("enrols itself with a provisioning key and cannot be created here"),
        "{why}"
    );
    apply(&tenant, "resource,name,action\nconnector,new-01,create\n").expect(3);
    assert!(tenant.log_of("write").is_empty());
}

#[test]
fn domains_are_merged_into_the_list_of_any_server() {
    for post in ["replace", "add"] {
        let scenario = format!(
            "domains = {{ post = \"{post}\", seed = [\"old.example.com\", \"kept.example.com\"] }}"
        );
        let tenant = start(&scenario);
        let manifest = "resource,domain,association_type,capture\n\
                        domain,new.example.com,,true\n\
                        domain,OLD.example.com,SEARCH_SUFFIX,\n\
                        domain,shared.example.com,shared,\n";
        let summary = applied(&tenant, manifest);
        assert_eq!(
            (&summary["created"], &summary["unchanged"]),
            (&json!(2), &json!(1)),
            "{post}"
        );
        let summary = applied(&tenant, manifest);
        assert_eq!(
            (&summary["unchanged"], &summary["write_calls"]),
            (&json!(3), &json!(0)),
            "{post}"
        );
        assert_eq!(
            domains(&tenant, "SEARCH_SUFFIX"),
            ["kept.example.com", "new.example.com", "old.example.com"]
        );
        assert_eq!(domains(&tenant, "SHARED"), ["shared.example.com"]);
    }
}

fn domains(tenant: &Tenant, of: &str) -> Vec<String> {
    let mut domains: Vec<String> = tenant
        .objects("domains")
        .iter()
        .filter(|one| one["associationType"] == of)
        .map(|one| one["domain"].as_str().unwrap().to_owned())
        .collect();
    domains.sort();
    domains
}

#[test]
fn a_domain_goes_only_by_a_row_of_its_own() {
    let seeded = "domains = { seed = [\"a.example.com\", \"b.example.com\"] }";
    let tenant = start(seeded);
    let delete = "resource,domain,action\ndomain,a.example.com,delete\n";
    let summary = applied(&tenant, delete);
    assert_eq!(
        (&summary["deleted"], &summary["write_calls"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(domains(&tenant, "SEARCH_SUFFIX"), ["b.example.com"]);
    let last = tenant.log().pop().unwrap();
    assert_eq!(
        last["method"], "GET",
        "it is read again after it was written"
    );
    assert_eq!(applied(&tenant, delete)["unchanged"], 1);

    let tenant = start(&seeded.replace("{ seed", "{ post = \"add\", seed"));
    let why = failure(&tenant, delete);
    assert_contains(&why, "this tenant only ever adds");
    assert_eq!(tenant.writes(), 2, "once could be another administrator");
    assert_eq!(
        domains(&tenant, "SEARCH_SUFFIX"),
        ["a.example.com", "b.example.com"]
    );
}

#[test]
fn a_domain_added_by_another_after_the_plan_stays() {
    for post in ["replace", "add"] {
        let tenant = start(&format!(
            "domains = {{ post = \"{post}\", seed = [\"old.example.com\"], intruder = \"late.example.com\", intruder_after = 1 }}"
        ));
        let summary = applied(&tenant, "resource,domain\ndomain,new.example.com\n");
        assert_eq!(summary["created"], 1);
        assert_eq!(
            domains(&tenant, "SEARCH_SUFFIX"),
            ["late.example.com", "new.example.com", "old.example.com"],
            "{post}"
        );
    }
}

#[test]
fn a_rounded_id_is_refused_with_the_one_meant() {
    let tenant = start("tenant = { links = 3 }");
    tenant.wake();
    let links = tenant.objects("portal_links");
    let ids = links
        .iter()
        .map(|link| link["id"].as_str().unwrap().to_owned());
    let id = ids.min().unwrap();
    let rounded = format!("{}000", &id[..15]);
    let manifest = |id: &str| format!("resource,action,id\nportal-link,delete,{id}\n");
    let ran = apply(&tenant, &manifest(&rounded)).expect(3);
    let message = format!("has the id {rounded}, which looks rounded by a program");
    assert_contains(&ran.stderr, &message);
    assert_contains(&ran.stderr, &id);
    let ran = apply(&tenant, &manifest("1.45284E+17")).expect(3);
    assert_contains(
        &ran.stderr,
        "\"1.45284E+17\" is an id that a spreadsheet has rounded",
    );
    assert!(tenant.log_of("write").is_empty());
    assert_eq!(applied(&tenant, &manifest(&id))["deleted"], 1);
}

#[test]
fn any_delete_can_be_limited() {
    let tenant = start("tenant = { links = 4 }");
    tenant.wake();
    let mut manifest = "resource,action,id\n".to_owned();
    for link in tenant.objects("portal_links") {
        manifest += &format!("portal-link,delete,{}\n", link["id"].as_str().unwrap());
    }
    tenant.write("all.csv", &manifest);
    for most in ["3", "75%"] {
        let ran = tenant
            .run(&["apply", "all.csv", "--yes", "--max-deletes", most])
            .expect(8);
        assert_contains(&ran.stderr, "would be deleted; at most 3 may be");
        tenant
            .run(&["plan", "all.csv", "--max-deletes", most])
            .expect(8);
    }
    assert!(tenant.log_of("write").is_empty());
    tenant
        .run(&["apply", "all.csv", "--yes", "--max-deletes", "4"])
        .expect(0);
    assert_eq!(tenant.objects("portal_links").len(), 0);
}

#[test]
fn one_manifest_may_be_about_everything() {
    let tenant = start("");
    let manifest = "resource,action,name,url,description,domain,frequency_interval,ext_label,ext_domain\n\
                    portal-link,,Wiki,https://wiki.acme.com,The wiki,,,,\n\
                    user-portal,,Field Portal,,For the field,,,field,acme.com\n\
                    domain,,,,,acme.com,,,\n\
                    connector-schedule,,,,,,30,,\n\
                    connector,update,stale-03,,Old,,,,\n";
    let summary = applied(&tenant, manifest);
    assert_eq!(
        (&summary["created"], &summary["updated"]),
        (&json!(4), &json!(1))
    );
    let success = rows(&tenant.run_dir().join("success.csv"));
    assert!(
        success.iter().all(|row| !row["_id"].is_empty()),
        "{success:#?}"
    );
    assert_eq!(applied(&tenant, manifest)["write_calls"], 0);
}

#[test]
fn every_call_in_a_microtenant_names_it() {
    let tenant = start("microtenants = { names = [\"North\"] }");
    let north = tenant.microtenants().remove(0);
    let manifest = "resource,action,name,url,domain,frequency_interval,ext_label,ext_domain\n\
                    portal-link,,Wiki,https://wiki.acme.com,,,,\n\
                    user-portal,,Field Portal,,,,field,acme.com\n\
                    domain,,,,acme.com,,,\n\
                    connector-schedule,,,,,30,,\n\
                    connector,delete,stale-03,,,,,\n";
    tenant.write("all.csv", manifest);
    let args = ["apply", "all.csv", "--yes", "--microtenant", &north];
    tenant.run(&args).expect(0);
    let named = format!("microtenantId={north}");
    let calls = tenant.log();
    let mut calls = calls.iter().filter(|entry| entry["class"] != "auth");
    assert!(calls.all(|entry| entry["query"].as_str().unwrap_or_default().contains(&named)));
    for of in ["portal_links", "domains"] {
        let all = tenant.objects(of);
        assert!(
            all.iter().any(|one| one["microtenantId"] == *north),
            "{of}: {all:#?}"
        );
    }
}

#[test]
fn an_id_and_a_name_of_two_objects_delete_neither() {
    let tenant = start("connectors = { live = 20, stale = 4 }");
    tenant.wake();
    let id = tenant.id("connectors", "live-01");
    let row =
        |id: &str, name: &str| format!("resource,action,id,name\nconnector,delete,{id},{name}\n");
    let ran = apply(&tenant, &row(&id, "stale-03")).expect(3);
    assert_contains(&ran.stderr, "are of two different app connectors");
    let why = failure(&tenant, &row("123456789012345678", "stale-03"));
    assert_contains(&why, "the one called \"stale-03\" has the id");
    assert!(tenant.log_of("write").is_empty());
    tenant.write("renamed.csv", &row(&id, "a name it had once"));
    let plan = tenant.run(&["plan", "renamed.csv"]).expect(0);
    assert!(
        plan.stdout.contains("- \"live-01\""),
        "the live name is shown: {}",
        plan.stdout
    );
}

#[test]
fn a_domain_cannot_be_renamed_by_its_id() {
    let tenant = start("domains = { seed = [\"a.example.com\", \"b.example.com\"] }");
    tenant
        .run(&["export", "domain", "-o", "domains.csv"])
        .expect(0);
    let id = rows(&tenant.path("domains.csv"))[0]["id"].clone();
    let row = |action: &str, domain: &str| {
        format!("resource,action,id,domain\ndomain,{action},{id},{domain}\n")
    };
    let why = failure(&tenant, &row("ensure", "c.example.com"));
    assert_contains(&why, "cannot be renamed");
    apply(&tenant, &row("delete", "b.example.com")).expect(3);
    assert!(tenant.log_of("write").is_empty());
    assert_eq!(
        applied(&tenant, &row("delete", "a.example.com"))["deleted"],
        1
    );
    assert_eq!(domains(&tenant, "SEARCH_SUFFIX"), ["b.example.com"]);
}
