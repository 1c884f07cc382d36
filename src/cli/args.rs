//! The arguments: one subcommand for each verb, and the global flags.

use std::path::PathBuf;

use clap::{Command, CommandFactory as _, Parser, Subcommand};

use super::flags::Output;
use super::verbs::{
    apply, complete, completions, doctor, export, init, journal, man, plan, prune, report, resume,
    retry, runs, show, simulate, status, template, undo, verify,
};

/// Bulk operations on Zscaler Private Access, inside its rate limit and resumable.
#[derive(Debug, Parser)]
#[command(name = "zpa-bulk", version, propagate_version = true, before_help = EXAMPLES, after_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// Settings file in TOML; see samples/zpa-bulk.toml [default: the one that zpa-bulk init writes]
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_CONFIG", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Settings of one tenant: a table `[profiles.NAME]` of the settings file [default: the one of the name default, if
    /// there is one]
    #[arg(long, value_name = "NAME", env = "ZPA_BULK_PROFILE", global = true)]
    pub(super) profile: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk apply samples/portal-links.csv --simulate --yes   try it with no tenant
  zpa-bulk init                                              set up your tenant
  zpa-bulk plan links.csv                                    show what would change
  zpa-bulk apply links.csv                                   show it, ask, and carry it out
  zpa-bulk resume                                            continue the newest unfinished run
  zpa-bulk prune connectors --disconnected-for 30d           find and delete stale connectors";

const AFTER_HELP: &str = "\
Settings: a flag overrides an environment variable, a variable overrides the profile, and the profile overrides the \
rest of the settings file. If none of them names a client, ~/.zscaler/zscaler.yaml of Zscaler's own tools is read. \
zpa-bulk doctor shows the source of each setting. A settings file that others can change is refused if it says where to \
connect, what to run or which file to read.

Exit codes: 0 everything is done; 1 unexpected; 2 usage or settings; 3 manifest invalid, nothing sent; \
4 finished, but some items failed, or a claim of the run does not hold (verify); 5 stopped early, resumable; \
6 credentials refused; 7 run refused: its journal or plan; 8 stopped by a guard, nothing deleted; 130 interrupted twice";

/// The order of a help text. Examples come first.
const HELP: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Compare manifests with the tenant and show what would change; writes nothing
    Plan(plan::PlanArgs),
    /// Compare manifests with the tenant, show what would change, ask, and carry it out
    Apply(apply::ApplyArgs),
    /// Find stale app connectors and delete them after confirmation
    Prune(prune::PruneArgs),
    /// Write live state as a manifest; changes nothing
    Export(export::ExportArgs),
    /// Write an empty workbook to fill in; changes nothing
    Template(template::TemplateArgs),
    /// Show one object as the API returns it
    Show(show::ShowArgs),
    /// Continue an unfinished run
    Resume(resume::ResumeArgs),
    /// Carry out the failed rows of a run in a new run
    Retry(retry::RetryArgs),
    /// Check the files of a run, and look up its successes on the tenant; changes nothing
    Verify(verify::VerifyArgs),
    /// Take back the changes of a run, except where others have changed the same objects since
    Undo(undo::UndoArgs),
    /// Show the state of a run
    Status(status::StatusArgs),
    /// Write the page of a run: its outcomes, its calls against the quota, and what failed
    Report(report::ReportArgs),
    /// List the runs
    Runs(runs::RunsArgs),
    /// Repair the journal of a run
    Journal(journal::JournalArgs),
    /// Ask for a tenant and how to sign in, write both into a settings file, and check them
    Init(init::InitArgs),
    /// Check settings, sign-in, clock, hosts, permissions and quotas; changes nothing
    Doctor(doctor::DoctorArgs),
    /// Serve a simulated tenant on loopback
    Simulate(simulate::SimulateArgs),
    /// Print the script by which a shell completes command lines
    Completions(completions::CompletionsArgs),
    /// Print names for the script of a shell
    #[command(hide = true)]
    Complete(complete::CompleteArgs),
    /// Write the manual pages
    Man(man::ManArgs),
}

/// Returns the command, with all parts of its help texts in the same order. They show neither the name by which the
/// program was started nor the values of variables, which come from outside.
pub(super) fn command() -> Command {
    fn in_order(command: Command) -> Command {
        command
            .help_template(HELP)
            .mut_args(|argument| argument.hide_env_values(true))
            .mut_subcommands(in_order)
    }
    in_order(Cli::command()).bin_name("zpa-bulk")
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn no_two_flags_of_a_command_contradict() {
        Cli::command().debug_assert();
    }

    /// Returns the command lines of all examples in the help texts of a command and its subcommands.
    fn examples(command: &Command) -> Vec<String> {
        let help = command.get_before_help().map(ToString::to_string);
        let own = help.unwrap_or_default();
        let own = own.lines().filter_map(|line| {
            let line = line.strip_prefix("  ")?;
            Some(line.split("   ").next()?.to_owned())
        });
        let mut all: Vec<String> = own.collect();
        for verb in command.get_subcommands() {
            all.extend(examples(verb));
        }
        all
    }

    #[test]
    fn every_example_of_a_help_text_can_be_typed() {
        let all = examples(&command());
        for verb in command().get_subcommands().filter(|c| !c.has_subcommands()) {
            let name = format!("zpa-bulk {}", verb.get_name());
            assert!(
                all.iter().any(|e| e.starts_with(&name)),
                "{name}: no example"
            );
        }
        for example in all {
            let words = example.split_whitespace().take_while(|word| *word != ">");
            let matched = command().try_get_matches_from(words);
            let parsed = matched.and_then(|matches| Cli::from_arg_matches(&matches));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }
}
