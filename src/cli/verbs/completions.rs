//! `zpa-bulk completions`: print the script by which a shell completes command lines.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::context::Context;
use crate::cli::ui::exit;
use crate::ops::Error;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Shell that is to complete command lines
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk completions bash > ~/.local/share/bash-completion/completions/zpa-bulk
  zpa-bulk completions zsh > ~/.zfunc/_zpa-bulk
  zpa-bulk completions fish > ~/.config/fish/completions/zpa-bulk.fish";

pub(crate) fn run(
    args: &CompletionsArgs,
    mut command: Command,
    context: &Context<'_>,
) -> Result<u8, Error> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "zpa-bulk", &mut script);
    let script = String::from_utf8_lossy(&script);
    let lines: Vec<String> = script.lines().map(str::to_owned).collect();
    context.terminal.result(&lines)?;
    Ok(exit::SUCCESS)
}
