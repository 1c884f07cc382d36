//! The command line: arguments and settings become one call into [`ops`](crate::ops).
//!
//! Results go to standard output, messages and progress to standard error. `verbs/` holds one file for each verb,
//! `settings/` the layers of settings, and `ui/` everything that prints or asks.

mod args;
mod flags;
mod settings;
mod ui;
mod verbs;
mod version;

use std::pin::Pin;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::error::ErrorKind;
use clap::{ColorChoice, Command, FromArgMatches as _};

use self::args::{Cli, Verb};
use self::flags::Output;
use self::settings::{Settings, Typed};
pub use self::ui::exit;
use self::ui::{Terminal, log_to, show_panics, usage};
use self::verbs::context::Context;
use self::verbs::{
    apply, complete, completions, doctor, export, init, journal, man, plan, prune, report, resume,
    retry, runs, show, simulate, status, template, undo, verify,
};
use crate::clock::monotonic;
use crate::ops::Error;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    show_panics();
    let (cli, typed) = match parsed() {
        Ok(parsed) => parsed,
        Err(code) => return ExitCode::from(code),
    };
    let terminal = Terminal::new(&cli.output);
    log_to(&terminal, &cli.output);
    let code = run(cli, &typed, &terminal).unwrap_or_else(|error| {
        if wants_json() {
            terminal.json_of(&error);
        }
        terminal.error(&error);
        exit::code(error.kind)
    });
    terminal.end_events();
    ExitCode::from(code)
}

/// Parses the arguments of this process. If they cannot be parsed, or ask for help, writes a text and returns the exit
/// code.
fn parsed() -> Result<(Cli, Typed), u8> {
    // The flag counts even if the arguments cannot be parsed.
    let no_color = std::env::args_os().any(|typed| typed == "--no-color");
    let colour = if no_color {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let parse = |command: Command| {
        let matches = command.clone().try_get_matches()?;
        let typed = Typed::of(&command, &matches);
        Ok((Cli::from_arg_matches(&matches)?, typed))
    };
    let error: clap::Error = match parse(args::command().color(colour)) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::DisplayVersion && version::is_wordy(std::env::args_os()) {
        let shown = Terminal::new(&Output::default()).result(&version::lines());
        return Err(shown.map_or(exit::UNEXPECTED, |()| exit::SUCCESS));
    }
    if !error.use_stderr() {
        // If the text cannot be written, a message cannot be written either.
        let _ = error.print();
        return Err(exit::SUCCESS);
    }
    let output = Output {
        no_color,
        ..Output::default()
    };
    let plain = parse(args::command().styles(Styles::plain()));
    let lines = usage::lines(plain.err().unwrap_or(error));
    let terminal = Terminal::new(&output);
    if wants_json() {
        terminal.json_of(&Error::usage(usage::message(&lines)));
    }
    terminal.usage(&lines);
    Err(exit::USAGE)
}

/// Tells whether the user asked for one document on standard output. That counts even if the arguments cannot be parsed.
fn wants_json() -> bool {
    std::env::args_os().any(|typed| typed == "--json")
}

fn run(cli: Cli, typed: &Typed, terminal: &Terminal) -> Result<u8, Error> {
    // These take no settings; the file that `init` writes may hold no such profile yet.
    let needs_none = matches!(
        cli.verb,
        Verb::Init(_) | Verb::Complete(_) | Verb::Completions(_) | Verb::Man(_)
    );
    let file = if needs_none {
        Settings::default()
    } else {
        settings::file::read(cli.config.as_deref(), cli.profile.as_deref())?
    };
    let context = Context {
        config: cli.config,
        profile: cli.profile,
        file,
        typed,
        terminal,
        started: monotonic(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::unexpected("the runtime cannot be started", &error))?;
    // Futures of one type: the runtime is compiled once, and not again for each verb.
    let running: Pin<Box<dyn Future<Output = Result<u8, Error>>>> = match cli.verb {
        Verb::Plan(args) => Box::pin(plan::run(args, context)),
        Verb::Apply(args) => Box::pin(apply::run(args, context)),
        Verb::Prune(args) => Box::pin(prune::run(args, context)),
        Verb::Export(args) => Box::pin(export::run(args, context)),
        Verb::Template(args) => Box::pin(template::run(args, context)),
        Verb::Show(args) => Box::pin(show::run(args, context)),
        Verb::Resume(args) => Box::pin(resume::run(args, context)),
        Verb::Retry(args) => Box::pin(retry::run(args, context)),
        Verb::Verify(args) => Box::pin(verify::run(args, context)),
        Verb::Undo(args) => Box::pin(undo::run(args, context)),
        Verb::Status(args) => Box::pin(status::run(args, context)),
        Verb::Report(args) => Box::pin(async move { report::run(&args, &context) }),
        Verb::Runs(args) => Box::pin(runs::run(args, context)),
        Verb::Journal(args) => Box::pin(journal::run(args, context)),
        Verb::Doctor(args) => Box::pin(doctor::run(args, context)),
        Verb::Init(args) => Box::pin(init::run(args, context)),
        Verb::Simulate(args) => Box::pin(simulate::run(args, context)),
        Verb::Completions(args) => {
            Box::pin(async move { completions::run(&args, &args::command(), &context) })
        }
        Verb::Complete(args) => Box::pin(async move { complete::run(&args, &context) }),
        Verb::Man(args) => Box::pin(async move { man::run(&args, args::command(), &context) }),
    };
    let code = runtime.block_on(running);
    // Tasks in the background need not end in order.
    runtime.shutdown_background();
    code
}
