//! The command line: what was typed, what it means, and one call into the library.
//!
//! Results go to standard output, messages and progress to standard error. One file a verb.

mod apply;
mod args;
mod config;
mod doctor;
mod earlier;
mod error;
mod export;
mod journal;
mod output;
mod plan;
mod planning;
mod progress;
mod prune;
mod recorded;
mod retry;
mod secret;
mod select_run;
mod show;
mod simulate;
mod status;
mod tenant;
mod terminal;
mod undo;
mod vendor_file;
mod verify;
mod window;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};

use self::args::{Cli, Typed, Verb};
use self::config::Config;
use self::error::CliError;
pub use self::error::exit;
use self::terminal::Terminal;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    // It counts also where the arguments cannot be understood.
    let colour = if std::env::args_os().any(|typed| typed == "--no-color") {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let parsed = Cli::command()
        .color(colour)
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, Typed::of(&matches))));
    let (cli, typed) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A help text that cannot be written has nobody to be told.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            });
        }
    };
    let terminal = Terminal::new(&cli.output);
    terminal::log_to(&terminal, &cli.output);
    match run(cli, &typed, &terminal) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(error.code)
        }
    }
}

fn run(cli: Cli, typed: &Typed, terminal: &Terminal) -> Result<u8, CliError> {
    let config = Config::read(cli.config.as_deref(), cli.profile.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::unexpected("the runtime cannot be started", &error))?;
    let code = match cli.verb {
        Verb::Plan(args) => runtime.block_on(plan::run(args, config, terminal)),
        Verb::Apply(args) => runtime.block_on(apply::run(args, config, terminal)),
        Verb::Prune(args) => runtime.block_on(prune::run(args, config, terminal)),
        Verb::Export(args) => runtime.block_on(export::run(args, config, terminal)),
        Verb::Show(args) => runtime.block_on(show::run(args, config, terminal)),
        Verb::Resume(args) => runtime.block_on(apply::resume(args, config, terminal)),
        Verb::Retry(args) => runtime.block_on(retry::run(args, config, terminal)),
        Verb::Verify(args) => runtime.block_on(verify::run(args, config, terminal)),
        Verb::Undo(args) => runtime.block_on(undo::run(args, config, terminal)),
        Verb::Status(args) => status::run(&args, &config, terminal),
        Verb::Runs(args) => status::runs(&args, &config, terminal),
        Verb::Journal(args) => runtime.block_on(journal::run(args, &config, terminal)),
        Verb::Doctor(args) => runtime.block_on(doctor::run(args, config, typed, terminal)),
        Verb::Simulate(args) => runtime.block_on(simulate::run(args, terminal)),
    };
    // Whatever still runs in the background has nothing to say any more.
    runtime.shutdown_background();
    code
}
