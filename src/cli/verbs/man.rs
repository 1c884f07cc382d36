//! `zpa-bulk man`: write the manual pages.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};

use super::context::Context;
use crate::cli::ui::exit;
use crate::ops::Error;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Directory to write into; it is made if needed, and pages in it are replaced
    dir: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk man ~/.local/share/man/man1";

pub(crate) fn run(args: &ManArgs, command: Command, context: &Context<'_>) -> Result<u8, Error> {
    let written =
        fs::create_dir_all(&args.dir).and_then(|()| clap_mangen::generate_to(command, &args.dir));
    let dir = args.dir.display();
    written.map_err(|error| {
        let message = format!("{dir}: no manual page can be written there: {error}");
        Error::usage(message).hint("name another directory, or let this user write there")
    })?;
    context.terminal.say(&format!(
        "the pages are in {dir}; for example: man {dir}/zpa-bulk.1"
    ));
    Ok(exit::SUCCESS)
}
