//! `zpa-bulk apply`: plan, ask, carry out, report.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use crate::cli::flags::{GuardArgs, ManifestArgs, WorkArgs};
use crate::cli::ui::{Watcher, conclude};
use crate::ops::{self, ApplyOptions, Connect as _, Error, SavedOptions};
use crate::run::is_saved_plan;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Plan the rows of a saved plan anew, against the tenant as it is now
    #[arg(long)]
    refresh: bool,
    /// Accept a plan that was saved by another user or on another machine, or that others can change. Of its settings,
    /// only those are used that slow the run down
    #[arg(long)]
    trust_plan: bool,
    /// Carry the plan out without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    guards: GuardArgs,
    #[command(flatten)]
    work: WorkArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk apply links.csv                          show what would change, ask, and carry it out
  zpa-bulk apply links.csv --yes                    do not ask
  zpa-bulk apply links.plan                         carry out a plan that plan -o has saved
  zpa-bulk apply links.csv --window 22:00-04:30     work at night only; resume continues
  zpa-bulk apply links.csv --simulate --yes         try it on a simulated tenant";

pub(crate) async fn run(args: ApplyArgs, context: Context<'_>) -> Result<u8, Error> {
    let watcher = Watcher::new(context.terminal);
    let session = context.session(&watcher);
    let runs = context.runs_dir(&args.work.runs);
    let saved = saved_plan(&args, &context)?;
    let mut connector = context
        .work_connector(&args.work)?
        .trusting(args.trust_plan)
        .max_deletes(args.guards.max_deletes);
    let ended = if let Some(plan) = saved {
        let options = SavedOptions {
            plan: &plan,
            largest: args.manifests.max_manifest,
            runs: &runs,
            yes: args.yes,
            refresh: args.refresh,
        };
        ops::apply_saved(options, &mut connector, &session).await
    } else {
        let mut tenant = connector.connect(None, session.stop.clone()).await?;
        let manifests = args.manifests.with_layout(&context.file)?;
        let options = ApplyOptions {
            manifests: &manifests,
            runs: &runs,
            yes: args.yes,
        };
        ops::apply(options, &mut tenant, &session).await
    };
    connector.close().await;
    conclude(ended?, &args.work, context.terminal)
}

/// Returns the saved plan that is to be carried out, if the command names one.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) for flags that do not go with what is named.
fn saved_plan(args: &ApplyArgs, context: &Context<'_>) -> Result<Option<PathBuf>, Error> {
    /// The flags for reading manifests, which a saved plan has behind it.
    const READING: [&str; 11] = [
        "delimiter",
        "encoding",
        "sheet",
        "include_hidden",
        "map",
        "set",
        "layout",
        "fix",
        "write_fixed",
        "resource",
        "action",
    ];
    let [path] = args.manifests.paths.as_slice() else {
        return refuse_refresh(args);
    };
    if !is_saved_plan(path) {
        return refuse_refresh(args);
    }
    let mut typed = READING
        .iter()
        .filter_map(|flag| context.typed.place_of(flag));
    match typed.find(|place| place.starts_with("--")) {
        None => Ok(Some(path.clone())),
        Some(flag) => Err(Error::usage(format!(
            "{flag} is for manifests, and {} is a saved plan",
            path.display()
        ))
        .hint(
            "the saved plan has the values of such flags; plan the manifest anew to change them",
        )),
    }
}

fn refuse_refresh(args: &ApplyArgs) -> Result<Option<PathBuf>, Error> {
    if args.refresh || args.trust_plan {
        return Err(
            Error::usage("--refresh and --trust-plan are for a saved plan")
                .hint("zpa-bulk plan MANIFEST -o PLAN saves one"),
        );
    }
    Ok(None)
}
