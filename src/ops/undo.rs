//! The use case `undo`: starts a new run that takes back the changes of another.

use std::collections::HashSet;
use std::iter::once;
use std::path::Path;

use super::carry_out::RunEnd;
use super::error::{Error, ErrorKind};
use super::known_runs;
use super::plan::ItemSink;
use super::plan_input::{PlanInput, StartOptions};
use super::preview::{PlanSummary, Preview};
use super::recorded::{believed, refuse_rehearsal, refuse_simulated};
use super::session::{Later, Session};
use super::start::start;
use super::tenant::{Connect, Tenant};
use crate::plan::Snapshot;
use crate::resource::Scope;
use crate::run::{self, Lineage, Origin, PlanError, Replaced, RunDirectory, RunEffects, RunState};
use crate::text::shell_word;
use crate::wire::Id;

/// The options of [`undo`].
#[derive(Clone, Copy, Debug)]
pub struct UndoOptions<'o> {
    /// The directory of all runs.
    pub runs: &'o Path,
    /// The run: its directory, its name or the beginning of its name.
    pub name: &'o str,
    /// True to show every row in the preview.
    pub full: bool,
    /// True to carry the undo out without a question.
    pub yes: bool,
}

/// Takes back the changes of a run, except where others have changed the same objects since.
///
/// # Errors
/// [`ErrorKind::Usage`] for a run that is not finished or is being undone already, and the errors of
/// [`apply`](super::apply).
pub async fn undo(
    options: UndoOptions<'_>,
    connect: &mut dyn Connect,
    session: &Session<'_>,
) -> Result<Option<RunEnd>, Error> {
    refuse_simulated(connect, "undo")?;
    let UndoOptions {
        runs, full, yes, ..
    } = options;
    let past = RunState::read(RunDirectory::find(runs, options.name)?)?;
    // The new run stands beside the one that it undoes, so that each is known to the other.
    let runs = past.directory.runs_dir();
    let recorded = believed(connect, &past.directory, &past.header)?;
    refuse_unfinished(&past)?;
    refuse_rehearsal(&recorded)?;
    let replaced = replaced_by(&past, connect, session)?;
    let mut tenant = connect
        .connect(Some(&recorded), session.stop.clone())
        .await?;
    let runs_undone: Vec<&RunDirectory> = once(&past.directory).chain(&replaced).collect();
    let others = known_runs::owned_by_others(&runs_undone, &tenant)?;
    let mut input = Undo {
        effects: RunEffects::read(&past.directory, &replaced, others)?,
        runs,
        yes,
    };
    input.recheck()?;
    let options = StartOptions {
        runs,
        previous: Some(&past),
        yes,
        full,
        unread: ErrorKind::Unexpected,
    };
    start(&mut input, options, &mut tenant, session).await
}

/// Returns the unfinished runs whose place the run took, newest first. Their changes are taken back with it.
fn replaced_by(
    past: &RunState,
    connect: &dyn Connect,
    session: &Session<'_>,
) -> Result<Vec<RunDirectory>, Error> {
    let replaced = Replaced::by(&past.directory)?;
    for name in &replaced.missing {
        session.observer.warn(&format!(
            "this run took the place of {name}, which is not there any more: what that run changed stays as it is"
        ));
    }
    for directory in &replaced.found {
        let name = directory.name().to_string();
        check_replaced(directory, past, connect).map_err(|error| error.of_run(&name))?;
        session.observer.say(&format!(
            "this run took the place of {name}, which was not finished: what that run changed is taken back too"
        ));
    }
    Ok(replaced.found)
}

/// Refuses a replaced run that is not to be believed, or on which a process works.
fn check_replaced(
    directory: &RunDirectory,
    past: &RunState,
    connect: &dyn Connect,
) -> Result<(), Error> {
    let replaced = RunState::read(directory.clone())?;
    believed(connect, directory, &replaced.header)?;
    if replaced.header.tenant != past.header.tenant {
        let message = format!("this run is of tenant {}", replaced.header.tenant);
        return Err(Error::new(ErrorKind::Run, message));
    }
    if replaced.active {
        let message = "a process is working on this run, so its changes are not final";
        return Err(Error::new(ErrorKind::Run, message).hint("wait for it, or stop it"));
    }
    Ok(())
}

struct Undo<'u> {
    effects: RunEffects,
    runs: &'u Path,
    yes: bool,
}

impl PlanInput for Undo<'_> {
    /// Refuses a second undo of one of the same runs: both would create the same deleted objects again.
    fn recheck(&self) -> Result<(), Error> {
        let own = self.effects.origin();
        for directory in run::list(self.runs)? {
            let Ok(other) = Origin::read(directory.path()) else {
                continue;
            };
            let is_shared = other
                .undone()
                .any(|name| own.undone().any(|own| own == name));
            if is_shared && !RunState::read(directory.clone())?.is_finished() {
                let directory = shell_word(directory.path().display());
                return Err(Error::usage("an undo of this run is not finished")
                    .hint(format!("to go on with it: zpa-bulk resume {directory}")));
            }
        }
        Ok(())
    }

    fn scopes(&self) -> Vec<Scope> {
        self.effects.scopes()
    }

    fn decide(&mut self, _: &Snapshot, _: HashSet<Id>) -> Result<bool, Error> {
        Ok(true)
    }

    fn origin(&self) -> Origin {
        self.effects.origin()
    }

    fn plan(
        &self,
        live: &Snapshot,
        tenant: &Tenant,
        sink: ItemSink<'_>,
    ) -> Result<PlanSummary, PlanError> {
        let planner = self.effects.plan(live, tenant.rules, sink)?;
        Ok(PlanSummary::of(&planner, tenant))
    }

    fn approve<'a>(
        &'a self,
        preview: &'a Preview<'a>,
        _: &'a Tenant,
        session: &'a Session<'a>,
    ) -> Later<'a, Result<(), Error>> {
        Box::pin(async {
            // The plan is shown even with --yes, since it names the changes that cannot be taken back.
            session.observer.plan(preview);
            let changes = preview.summary().totals.changes() > 0;
            if !changes || self.yes || session.confirm("Carry it out?").await {
                return Ok(());
            }
            Err(Error::usage("nothing was changed").hint("--yes undoes the run without asking"))
        })
    }
}

/// Refuses an unfinished run: its changes are not known yet.
fn refuse_unfinished(past: &RunState) -> Result<(), Error> {
    if past.is_finished() {
        return Ok(());
    }
    let name = past.directory.name().to_string();
    if let Some(other) = Lineage::around(&past.directory)?.successor_of(&name) {
        let message = format!("this run was not finished: {other} was started in its place");
        let other = shell_word(past.directory.runs_dir().join(other).display());
        return Err(Error::usage(message).hint(format!("to take back both: zpa-bulk undo {other}")));
    }
    let directory = shell_word(past.directory.path().display());
    Err(
        Error::usage("this run is not finished, so its changes are not known yet")
            .hint(format!("finish it first: zpa-bulk resume {directory}")),
    )
}
