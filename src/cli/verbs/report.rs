//! `zpa-bulk report`: write the page of a run. Changes nothing on the tenant.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use crate::cli::flags::RunsDir;
use crate::cli::settings::sealer;
use crate::cli::ui::{Terminal, Watcher, exit, output};
use crate::ops::{self, Error};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// Run: its directory, its name or the beginning of its name [default: the newest run]
    run: Option<String>,
    /// File to write [default: report.html in the run directory]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write an evidence pack instead: a ZIP file with manifest, plan, journal, results, page, settings and checksums
    #[arg(long, value_name = "FILE.zip", conflicts_with = "output")]
    pack: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsDir,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk report                         write report.html of the newest run again
  zpa-bulk report 20261122 -o run.html    write it to another file
  zpa-bulk report --pack evidence.zip     put all that the newest run has to show into one file
  zpa-bulk verify evidence.zip            check that file, on any machine";

pub(crate) fn run(args: &ReportArgs, context: &Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let watcher = Watcher::new(terminal);
    let runs = context.runs_dir(&args.runs);
    if let Some(path) = &args.pack {
        return pack(path, &runs, args.run.as_deref(), &watcher, terminal);
    }
    let page = ops::report(&runs, args.run.as_deref(), &watcher)?;
    let path = args.output.as_deref().unwrap_or(&page.path);
    output::write(path, page.text.as_bytes())?;
    terminal.result(&[format!("report: {}", path.display())])?;
    Ok(exit::SUCCESS)
}

fn pack(
    path: &Path,
    runs: &Path,
    run: Option<&str>,
    watcher: &Watcher,
    terminal: &Terminal,
) -> Result<u8, Error> {
    let pack = ops::pack(runs, run, sealer().as_ref(), watcher)?;
    output::write(path, &pack.bytes)?;
    for manifest in &pack.list.manifests {
        if let Some(reason) = &manifest.left_out {
            let name = &manifest.name;
            terminal.say(&format!(
                "{name}: the manifest is not in the pack: {reason}"
            ));
        }
    }
    terminal.result(&[
        format!("pack: {}", path.display()),
        format!("SHA-256: {}", pack.sha256),
    ])?;
    Ok(exit::SUCCESS)
}
