//! `zpa-bulk report`: write the page of a run. Changes nothing on the tenant.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use crate::cli::flags::RunsDir;
use crate::cli::ui::{Watcher, exit, output};
use crate::ops::{self, Error};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run]
    run: Option<String>,
    /// File to write [default: report.html in the run directory]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsDir,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk report                         write report.html of the newest run again
  zpa-bulk report 20261122 -o run.html    write it to another file";

pub(crate) fn run(args: &ReportArgs, context: &Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let watcher = Watcher::new(terminal);
    let runs = context.runs_dir(&args.runs);
    let page = ops::report(&runs, args.run.as_deref(), &watcher)?;
    let path = args.output.as_deref().unwrap_or(&page.path);
    output::write(path, page.text.as_bytes())?;
    terminal.result(&[format!("report: {}", path.display())])?;
    Ok(exit::SUCCESS)
}
