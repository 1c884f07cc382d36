//! `zpa-bulk completions`: print the script by which a shell completes command lines.
//!
//! `clap_complete` writes the script. For bash, zsh and fish, names of runs and profiles are added, which the script asks
//! of the hidden verb `complete`.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::context::Context;
use crate::cli::ui::exit;
use crate::ops::Error;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Shell that is to complete command lines. In bash, zsh and fish, names of runs and profiles are completed too
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk completions bash > ~/.local/share/bash-completion/completions/zpa-bulk
  zpa-bulk completions zsh > ~/.zfunc/_zpa-bulk
  zpa-bulk completions fish > ~/.config/fish/completions/zpa-bulk.fish";

pub(crate) fn run(
    args: &CompletionsArgs,
    command: &Command,
    context: &Context<'_>,
) -> Result<u8, Error> {
    let script = script(args.shell, command);
    let lines: Vec<String> = script.lines().map(str::to_owned).collect();
    context.terminal.result(&lines)?;
    Ok(exit::SUCCESS)
}

fn script(shell: Shell, command: &Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut public(command), "zpa-bulk", &mut script);
    let script = String::from_utf8_lossy(&script);
    with_names(shell, &script, &verbs_with_run(command))
}

/// Returns the command without its hidden verbs, which `clap_complete` would offer.
fn public(command: &Command) -> Command {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new("zpa-bulk")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(command.get_arguments())
        .subcommands(verbs)
}

/// Returns the verbs that take a run.
fn verbs_with_run(command: &Command) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for verb in command.get_subcommands() {
        if verb
            .get_positionals()
            .any(|argument| argument.get_id() == "run")
        {
            found.push(verb.get_name());
        }
        found.extend(verbs_with_run(verb));
    }
    found
}

/// Returns the script with the names of runs and profiles, if the shell can ask for them.
fn with_names(shell: Shell, script: &str, verbs: &[&str]) -> String {
    match shell {
        Shell::Bash => bash(script, verbs),
        Shell::Zsh => zsh(script),
        Shell::Fish => format!("{script}{}", FISH.replace("@VERBS@", &verbs.join(" "))),
        _ => script.to_owned(),
    }
}

/// Goes first, and leaves to the function of `clap_complete` whatever is no name.
const BASH: &str = r#"
_zpa_bulk_names() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(zpa-bulk complete "$1" -- "${COMP_WORDS[@]:1}" 2>/dev/null)" -- "$2"))
    [[ ${#COMPREPLY[@]} -gt 0 ]]
}

_zpa_bulk_with_names() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} word
    [[ $current == = ]] && { before="$before="; current=; }
    [[ $before == = ]] && before="${COMP_WORDS[COMP_CWORD-2]}="
    if [[ ${before%=} == --profile ]]; then
        _zpa_bulk_names profiles "$current"
        return 0
    fi
    if [[ $current != -* && $before != -* ]]; then
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            case $word in
                @VERBS@) _zpa_bulk_names runs "$current" && return 0 ;;
            esac
        done
    fi
    @STATIC@ "$@"
}

complete -o bashdefault -o default -F _zpa_bulk_with_names zpa-bulk
[[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]] &&
    complete -o nosort -o bashdefault -o default -F _zpa_bulk_with_names zpa-bulk
"#;

fn bash(script: &str, verbs: &[&str]) -> String {
    // clap_complete 4.6 takes the hyphen of the program's name for a step to a verb in one of two places, so that it
    // completes nothing behind a verb.
    let script = script.replace("zpa__subcmd__bulk", "zpa__bulk");
    let mut words = script.split_whitespace().skip_while(|word| *word != "-F");
    let own = words.nth(1).unwrap_or("_zpa-bulk");
    let names = BASH
        .replace("@VERBS@", &verbs.join("|"))
        .replace("@STATIC@", own);
    format!("{script}{names}")
}

const ZSH: &str = r#"_zpa_bulk_names() {
    local -a names
    names=(${(f)"$(zpa-bulk complete $1 -- ${words[2,-1]} 2>/dev/null)"})
    compadd -V "$1" -a names
}

_zpa_bulk_runs() {
    _zpa_bulk_names runs || _files -/
}

_zpa_bulk_profiles() {
    _zpa_bulk_names profiles
}

"#;

/// Puts functions that ask for names in the place of the one that offers files.
fn zsh(script: &str) -> String {
    let with_names = |line: &str| {
        let names = match line.trim_start() {
            line if line.starts_with("'--profile=") => "_zpa_bulk_profiles",
            line if line.starts_with("'::run -- ") || line.starts_with("':run -- ") => {
                "_zpa_bulk_runs"
            }
            _ => return line.to_owned(),
        };
        line.replace(":_default'", &format!(":{names}'"))
    };
    let lines: String = script.lines().map(|line| with_names(line) + "\n").collect();
    lines.replacen("_zpa-bulk() {", &format!("{ZSH}_zpa-bulk() {{"), 1)
}

const FISH: &str = r#"
function __fish_zpa_bulk_names
    zpa-bulk complete $argv[1] -- (commandline -opc)[2..] 2>/dev/null
end

complete -c zpa-bulk -n "__fish_seen_subcommand_from @VERBS@" -k -f -a "(__fish_zpa_bulk_names runs)"
complete -c zpa-bulk -l profile -x -k -a "(__fish_zpa_bulk_names profiles)"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::command;

    #[test]
    fn every_verb_that_takes_a_run_is_known() {
        let command = command();
        let verbs = verbs_with_run(&command);
        for verb in ["resume", "retry", "undo", "verify", "status", "repair"] {
            assert!(verbs.contains(&verb), "{verb}: {verbs:?}");
        }
    }

    #[test]
    fn bash_falls_back_on_the_function_of_all_flags() {
        let script = script(Shell::Bash, &command());
        let own = script.rsplit(" \"$@\"").nth(1).unwrap();
        let own = own.split_whitespace().last().unwrap();
        assert!(script.contains(&format!("{own}() {{")), "{own}");
        assert!(!script.contains("@VERBS@") && !script.contains("@STATIC@"));
    }

    #[test]
    fn no_shell_offers_a_hidden_verb() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let script = script(shell, &command());
            assert!(!script.contains("Print names for the script"), "{shell}");
            assert!(!script.contains(" complete completions"), "{shell}");
            assert!(
                script.contains("completions") && script.contains("resume"),
                "{shell}"
            );
        }
    }

    #[test]
    fn zsh_asks_for_names_wherever_a_run_or_a_profile_is_meant() {
        let script = script(Shell::Zsh, &command());
        for (flag, names) in [("--profile=", "profiles"), (":run -- ", "runs")] {
            let lines: Vec<&str> = script.lines().filter(|line| line.contains(flag)).collect();
            assert!(lines.len() > 4, "{flag}");
            let asks = format!(":_zpa_bulk_{names}'");
            assert!(
                lines.iter().all(|line| line.contains(&asks)),
                "{flag}: {lines:?}"
            );
        }
        assert!(script.starts_with("#compdef") && script.contains("_zpa_bulk_names() {"));
    }
}
