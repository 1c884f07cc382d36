//! `zpa-bulk doctor`: check everything that a run needs. Changes nothing.
//!
//! The check takes few calls, inside the read quota: one to each host, one sign-in, and one row of each kind of object.

mod checks;

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::{sleep, sleep_until};

use self::checks::{Check, Clock, Quotas};
use super::context::Context;
use crate::cli::flags::{JsonArg, TenantArgs};
use crate::cli::settings::{Connector, Gathered, Resolved, Typed, share};
use crate::clock::{monotonic, wall};
use crate::coordination::{Coordination, Fact, Now};
use crate::journal;
use crate::ops::{Connect as _, Error, Sharing};
use crate::pacer::{Admission, Pace, Pacer, SlotRequest};
use crate::resource::{Kind, Scope};
use crate::wire::{Answer, Id, QuotaClass, Reply, Request};
use crate::zpa::{Api as _, Connection, HttpApi};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Forget what runs have learned of the tenant's limits
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    json: JsonArg,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk doctor
  zpa-bulk doctor --simulate
  zpa-bulk doctor --profile acme --json";

pub(crate) async fn run(args: DoctorArgs, context: Context<'_>) -> Result<u8, Error> {
    let connector = context.connector(&args.tenant);
    let report = report(connector, context.typed, args.forget).await;
    if args.json.json {
        context.terminal.json(&report)?;
    } else {
        context.terminal.result(&report.lines())?;
    }
    Ok(checks::exit_code(&report.checks))
}

/// Checks the way to a tenant, shows what was found, and returns the exit code.
///
/// # Errors
/// [`ErrorKind::Unexpected`](crate::ops::ErrorKind::Unexpected) if it cannot be shown.
pub(super) async fn check(connector: Connector, context: &Context<'_>) -> Result<u8, Error> {
    // Flags and variables of the command that wrote the settings are no source of them.
    let report = report(connector, &Typed::default(), false).await;
    context.terminal.result(&report.lines())?;
    Ok(checks::exit_code(&report.checks))
}

async fn report(mut connector: Connector, typed: &Typed, forget: bool) -> Report {
    let mut report = Report {
        format: 1,
        settings: Vec::new(),
        checks: Vec::new(),
    };
    match connector.gather(None).await {
        Ok(gathered) => {
            report.settings = given(&gathered, typed);
            // An embedded simulated tenant is new, so nothing is known of it.
            let learned = (!connector.simulates()).then_some(forget);
            if let Err(error) = examine(&gathered, learned, &mut report.checks).await {
                report.checks.push(checks::settings_refused(&error));
            }
        }
        Err(error) => report.checks.push(checks::settings_refused(&error)),
    }
    connector.close().await;
    report
}

#[derive(Debug, Serialize)]
struct Report {
    format: u32,
    settings: Vec<Given>,
    checks: Vec<Check>,
}

/// One setting that is given.
#[derive(Debug, Serialize)]
struct Given {
    setting: String,
    /// The value, or `(hidden)` for a secret.
    value: String,
    source: String,
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let settings = self.settings.iter();
        let settings = settings.map(|given| {
            format!(
                "      {} = {} ({})",
                given.setting, given.value, given.source
            )
        });
        settings
            .chain(self.checks.iter().map(Check::line))
            .collect()
    }
}

/// Returns every setting that is given, with its source: a flag, a variable, a profile or a file.
fn given(gathered: &Gathered, typed: &Typed) -> Vec<Given> {
    let settings = &gathered.settings;
    let shown = settings.shown().into_iter().map(|(setting, value)| {
        let source = typed
            .place_of(setting)
            .filter(|_| settings.source(setting) != Some("--simulate"));
        let source = source.or_else(|| settings.source(setting));
        Given {
            source: source.unwrap_or("given").to_owned(),
            setting: setting.to_owned(),
            value,
        }
    });
    let proxy = gathered.proxy.iter().map(|variable| Given {
        setting: "proxy".to_owned(),
        value: "(hidden)".to_owned(),
        source: variable.name.to_owned(),
    });
    shown.chain(proxy).collect()
}

/// Makes all checks, and stops at the first failure without which the others make no sense.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for settings that cannot be used.
async fn examine(
    gathered: &Gathered,
    forgets: Option<bool>,
    found: &mut Vec<Check>,
) -> Result<(), Error> {
    let resolved = Resolved::of(&gathered.settings)?;
    let (connection, engine) = (&resolved.connection, &resolved.engine);
    let api = gathered.api(&resolved).await?;
    found.push(checks::settings_accepted(connection));
    let is_shared = forgets.is_some() && resolved.shares_state;
    let table = match is_shared.then(|| share(&connection.customer)) {
        Some(Sharing::Table(table)) => Some(table),
        _ => None,
    };
    let facts = learned(table.as_ref(), forgets == Some(true))?;
    found.push(checks::learned(&facts));
    let engine = engine
        .clone()
        .knowing(facts.iter().map(|fact| fact.learned));
    let mut calls = Calls::new(engine.read_quota, table);
    let reachable = reach(gathered, connection, &api, &mut calls, found).await?;
    if !reachable {
        return Ok(());
    }
    let signed_in = api.sign_in().await;
    found.push(checks::signed_in(&signed_in));
    if signed_in.is_err() {
        return Ok(());
    }
    let mut quotas = Quotas {
        read: engine.read_quota,
        write: engine.write_quota,
        read_calls: 0,
        refused: false,
        gateway: None,
    };
    let permissions = permissions(&api, resolved.microtenant.as_ref(), &mut calls, &mut quotas);
    found.extend(checks::judged_together(permissions.await?));
    quotas.read_calls = calls.sent;
    found.push(checks::quota(&quotas));
    Ok(())
}

/// Returns what runs have learned of the tenant's limits, unless that is to be forgotten.
fn learned(table: Option<&Coordination>, forget: bool) -> Result<Vec<Fact>, Error> {
    let Some(table) = table else {
        return Ok(Vec::new());
    };
    if forget {
        table.forget_learned(Now::read())?;
    }
    Ok(table.learned(Now::read())?)
}

/// Paces and counts all calls except the sign-in.
struct Calls {
    pacer: Pacer,
    /// The table of the slots that processes share.
    table: Option<Coordination>,
    sent: u32,
}

impl Calls {
    fn new(pace: Pace, table: Option<Coordination>) -> Self {
        Self {
            pacer: Pacer::new(pace, monotonic().into_std()),
            table,
            sent: 0,
        }
    }

    /// Waits until one more call may go.
    async fn admit(&mut self) -> Result<(), Error> {
        while let Admission::NotBefore(at) = self.pacer.admit(monotonic().into_std()) {
            sleep_until(at.into()).await;
        }
        if let (Some(table), Some(terms)) = (&self.table, self.pacer.terms()) {
            let request = SlotRequest::of_class(QuotaClass::Read, terms, monotonic().into_std());
            let now = Now::read();
            let slot = table.change(now, |table| {
                table.take_slot(&request, now.uptime, None, journal::is_locked)
            })?;
            let wait = slot.at.saturating_sub(Now::read().uptime);
            sleep(Duration::from_nanos(wait.try_into().unwrap_or(0))).await;
        }
        self.sent += 1;
        Ok(())
    }
}

/// Checks whether the hosts answer, and compares their clock with ours. Returns false if a host cannot be reached.
async fn reach(
    gathered: &Gathered,
    connection: &Connection,
    api: &HttpApi,
    calls: &mut Calls,
    found: &mut Vec<Check>,
) -> Result<bool, Error> {
    let mut clock = None;
    let mut reachable = true;
    for root in connection.roots() {
        calls.admit().await?;
        let before = wall();
        let reply = api.knock(&root).await;
        if let Reply::Answer(Answer { date, .. }) = &reply {
            clock.get_or_insert(Clock {
                date: date.clone(),
                before,
                after: wall(),
                signs: gathered.settings.has_key(),
            });
        }
        let check = checks::reached(&root, &reply, gathered.proxy_to(&root));
        reachable &= !check.failed();
        found.push(check);
    }
    found.extend(clock.as_ref().map(checks::clock));
    Ok(reachable)
}

/// Reads one row of each kind, until the server refuses a read for its rate. If a kind has several parts, one of them
/// is enough, since the same permission covers all.
async fn permissions(
    api: &HttpApi,
    microtenant: Option<&Id>,
    calls: &mut Calls,
    quotas: &mut Quotas,
) -> Result<Vec<Check>, Error> {
    let mut found = Vec::new();
    for kind in Kind::all() {
        let Some(scope) = Scope::all(kind, microtenant).into_iter().next() else {
            continue;
        };
        if quotas.refused {
            // Others use the quota too, and need it more than this check.
            found.push(checks::not_read(kind));
            continue;
        }
        calls.admit().await?;
        let probe = api.probe(&one_row(&scope)).await;
        quotas.gateway = probe.gateway.or(quotas.gateway.take());
        quotas.refused = matches!(&probe.reply, Reply::Answer(Answer { status: 429, .. }));
        let now = monotonic().into_std();
        found.push(checks::permission(scope, &probe.reply, now));
    }
    Ok(found)
}

/// Returns the request for the first page of a listing, with one row.
fn one_row(scope: &Scope) -> Request {
    let mut request = scope.list_page(1);
    for (name, value) in &mut request.query {
        if *name == "pagesize" {
            "1".clone_into(value);
        }
    }
    request
}
