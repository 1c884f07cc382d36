//! The use case `prune`: chooses stale app connectors and deletes them in a new run.
//!
//! The choice becomes a manifest, which is carried out like any other. So the same checks apply, whether the choice is
//! deleted at once or reviewed and applied later.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::carry_out::RunEnd;
use super::error::{Error, ErrorKind};
use super::plan::{ItemSink, plan_rows};
use super::plan_input::{PlanInput, StartOptions};
use super::preview::{PlanSummary, Preview};
use super::session::{Later, Session};
use super::start::start;
use super::tenant::Tenant;
use crate::clock::wall;
use crate::manifest::CsvWriter;
use crate::plan::prune::{Choice, Criteria, choose as chosen, group_name, name};
use crate::plan::{Defaults, Snapshot};
use crate::resource::connector::CONDITION_COLUMN;
use crate::resource::{Kind, Scope};
use crate::run::{self, Checked, Origin, PlanError, RunError};
use crate::wire::{Id, Object};

/// The name of a choice's manifest in messages and reports.
const MANIFEST: &str = "prune connectors";

/// Returns the microtenant whose connectors are chosen. The Default microtenant is named too, since the choice may be
/// applied later with settings that name another.
#[must_use]
pub fn microtenant(tenant: &Tenant) -> Id {
    tenant.microtenant.clone().unwrap_or_else(|| Id::from(0))
}

/// Chooses connectors and hands the choice to `show`, with the number of all connectors. Nothing is deleted.
///
/// # Errors
/// [`ErrorKind::Guard`] if not all connectors can be read, [`ErrorKind::Usage`] for names that no connector has.
pub async fn choose<T>(
    criteria: &Criteria,
    tenant: &mut Tenant,
    show: impl FnOnce(&Choice<'_>, usize) -> T,
) -> Result<T, Error> {
    let scope = scope(tenant);
    // An incomplete listing must not lead to a choice, so its error counts as a guard's.
    let live = tenant
        .snapshot(vec![scope.clone()], ErrorKind::Guard)
        .await?;
    let connectors = live.objects(&scope);
    refuse_unmatched(criteria, connectors)?;
    Ok(show(
        &chosen(connectors, criteria, judged_at(&live)),
        connectors.len(),
    ))
}

/// Chooses connectors, asks, and deletes them in a new run below `runs`. Returns `None` if none is chosen. `confirm` is
/// the tenant's id; if it is not given, a person must type it.
///
/// # Errors
/// The errors of [`choose`] and of [`apply`](super::apply).
pub async fn prune(
    runs: &Path,
    criteria: Criteria,
    confirm: Option<String>,
    tenant: &mut Tenant,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    let mut input = Prune {
        criteria,
        confirm,
        scope: scope(tenant),
        microtenant: microtenant(tenant),
        rows: None,
        count: 0,
        session,
    };
    let options = StartOptions {
        runs,
        previous: None,
        yes: false,
        full: false,
        unread: ErrorKind::Guard,
    };
    start(&mut input, options, tenant, session).await
}

fn scope(tenant: &Tenant) -> Scope {
    Scope::of(Kind::connector(), Some(microtenant(tenant)))
}

/// Returns the instant by which connectors are judged: the earlier of this machine's time and the server's. A clock that is
/// ahead would make connectors look older than they are.
fn judged_at(live: &Snapshot) -> Timestamp {
    let now = wall();
    live.server_time.map_or(now, |told| told.min(now))
}

struct Prune<'p> {
    criteria: Criteria,
    confirm: Option<String>,
    scope: Scope,
    microtenant: Id,
    rows: Option<Checked>,
    count: usize,
    session: &'p Session<'p>,
}

impl Prune<'_> {
    fn choice<'l>(&self, live: &'l Snapshot) -> Choice<'l> {
        chosen(live.objects(&self.scope), &self.criteria, judged_at(live))
    }

    /// Returns the choice as the checked rows of a manifest.
    fn rows_of(&self, choice: &Choice<'_>) -> Result<Checked, PlanError> {
        let write = || -> io::Result<_> {
            let file = tempfile::Builder::new().suffix(".csv").tempfile()?;
            std::fs::write(file.path(), manifest(choice, &self.microtenant)?)?;
            Ok(file)
        };
        let file = write().map_err(RunError::io(
            &std::env::temp_dir(),
            "the list of chosen connectors cannot be written here",
        ))?;
        let defaults = Defaults {
            microtenant: Some(self.microtenant.clone()),
            ..Defaults::default()
        };
        run::check_named(
            &[(file.path().to_owned(), MANIFEST.to_owned())],
            u64::MAX,
            defaults,
        )
    }
}

impl PlanInput for Prune<'_> {
    fn scopes(&self) -> Vec<Scope> {
        vec![self.scope.clone()]
    }

    fn decide(&mut self, live: &Snapshot, _: HashSet<Id>) -> Result<bool, Error> {
        let connectors = live.objects(&self.scope);
        refuse_unmatched(&self.criteria, connectors)?;
        let choice = self.choice(live);
        self.session.observer.choice(&choice, connectors.len());
        self.count = choice.delete.len();
        self.rows = Some(self.rows_of(&choice)?);
        Ok(self.count > 0)
    }

    fn origin(&self) -> Origin {
        self.rows.as_ref().map(Checked::origin).unwrap_or_default()
    }

    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError> {
        match &self.rows {
            Some(rows) => plan_rows(rows, live, tenant, sink),
            None => plan_rows(&self.rows_of(&self.choice(live))?, live, tenant, sink),
        }
    }

    fn approve<'a>(
        &'a self,
        _: &'a Preview<'a>,
        tenant: &'a Tenant,
        session: &'a Session<'a>,
    ) -> Later<'a, Result<(), Error>> {
        Box::pin(async {
            let own = &tenant.connection.customer;
            let count = self.count;
            let question = format!(
                "To delete {count} app connectors, which must then be enrolled again, type the tenant's id ({own}):"
            );
            let answer = match &self.confirm {
                Some(confirm) => Some(confirm.clone()),
                None => session.text(&question).await,
            };
            let message = match answer {
                Some(answer) if answer == *own => return Ok(()),
                Some(answer) => {
                    format!("nothing was deleted: {answer:?} is not this tenant's id, {own}")
                }
                None => "nothing was deleted".to_owned(),
            };
            Err(Error::usage(message).hint(format!(
                "--confirm={own} deletes without asking; -o FILE writes the choice for review"
            )))
        })
    }
}

/// Refuses the name of a group or of a protected connector that does not exist. A misspelt name would protect nothing.
fn refuse_unmatched(criteria: &Criteria, connectors: &[Object]) -> Result<(), Error> {
    let unmatched = criteria.unmatched(connectors);
    if unmatched.is_empty() {
        return Ok(());
    }
    Err(Error {
        messages: unmatched,
        ..Error::usage("").hint("nothing was deleted; names are compared without regard to case")
    })
}

/// Returns a choice as the text of a CSV manifest, which `apply` takes.
///
/// # Errors
/// An [`io::Error`] if the text cannot be written.
pub fn manifest(choice: &Choice<'_>, microtenant: &Id) -> io::Result<String> {
    let mut writer = CsvWriter::new(Vec::new());
    let header = [
        "resource",
        "action",
        "id",
        "name",
        "group",
        CONDITION_COLUMN,
        "microtenant",
    ];
    writer.row(header)?;
    for one in &choice.delete {
        let (name, group) = (name(one.connector), group_name(one.connector));
        let row = [
            Kind::connector().name(),
            "delete",
            one.id.as_str(),
            &name,
            &group,
            &one.condition,
            microtenant.as_str(),
        ];
        writer.row(row)?;
    }
    String::from_utf8(writer.finish()?).map_err(io::Error::other)
}
