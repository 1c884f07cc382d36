//! The command line: arguments and settings become one call into [`ops`](crate::ops).
//!
//! Results go to standard output, messages and progress to standard error. `verbs/` holds one file for each verb,
//! `settings/` the layers of settings, and `ui/` everything that prints or asks.

mod args;
mod flags;
mod settings;
mod ui;
mod verbs;

use std::process::ExitCode;

use clap::{ColorChoice, FromArgMatches as _};

use self::args::{Cli, Verb};
use self::settings::Typed;
pub use self::ui::exit;
use self::ui::{Terminal, log_to};
use self::verbs::context::Context;
use self::verbs::{
    apply, doctor, export, journal, plan, prune, resume, retry, runs, show, simulate, status, undo,
    verify,
};
use crate::clock::monotonic;
use crate::ops::Error;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    // The flag counts even if the arguments cannot be parsed.
    let colour = if std::env::args_os().any(|typed| typed == "--no-color") {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let command = args::command().color(colour);
    let parsed = command.clone().try_get_matches().and_then(|matches| {
        let typed = Typed::of(&command, &matches);
        Ok((Cli::from_arg_matches(&matches)?, typed))
    });
    let (cli, typed) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // If the text cannot be written, a message cannot be written either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            });
        }
    };
    let terminal = Terminal::new(&cli.output);
    log_to(&terminal, &cli.output);
    match run(cli, &typed, &terminal) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(exit::code(error.kind))
        }
    }
}

fn run(cli: Cli, typed: &Typed, terminal: &Terminal) -> Result<u8, Error> {
    let context = Context {
        file: settings::file::read(cli.config.as_deref(), cli.profile.as_deref())?,
        typed,
        terminal,
        started: monotonic(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::unexpected("the runtime cannot be started", &error))?;
    let code = match cli.verb {
        Verb::Plan(args) => runtime.block_on(plan::run(args, context)),
        Verb::Apply(args) => runtime.block_on(apply::run(args, context)),
        Verb::Prune(args) => runtime.block_on(prune::run(args, context)),
        Verb::Export(args) => runtime.block_on(export::run(args, context)),
        Verb::Show(args) => runtime.block_on(show::run(args, context)),
        Verb::Resume(args) => runtime.block_on(resume::run(args, context)),
        Verb::Retry(args) => runtime.block_on(retry::run(args, context)),
        Verb::Verify(args) => runtime.block_on(verify::run(args, context)),
        Verb::Undo(args) => runtime.block_on(undo::run(args, context)),
        Verb::Status(args) => status::run(&args, &context),
        Verb::Runs(args) => runs::run(&args, &context),
        Verb::Journal(args) => runtime.block_on(journal::run(args, context)),
        Verb::Doctor(args) => runtime.block_on(doctor::run(args, context)),
        Verb::Simulate(args) => runtime.block_on(simulate::run(args, context)),
    };
    // Tasks in the background need not end in order.
    runtime.shutdown_background();
    code
}
