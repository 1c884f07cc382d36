//! The script of bash, as bash runs it: names of runs and profiles, asked of the program.

use std::path::Path;

use crate::support::command::{Ran, in_place_of, zpa_bulk};
use crate::support::scratch;

/// What bash offers for the last word of a command line.
fn offered(directory: &Path, line: &[&str]) -> Vec<String> {
    let mut own = zpa_bulk();
    let programs = Path::new(own.get_program()).parent().unwrap().to_owned();
    own.current_dir(directory)
        .env("XDG_CONFIG_HOME", directory.join("config"));
    let mut bash = in_place_of(&own, "bash");
    bash.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    let script = "source <(zpa-bulk completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _zpa_bulk_with_names zpa-bulk \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    bash.args(["--norc", "-c", script, "bash", "zpa-bulk"])
        .args(line);
    let ran = Ran::of(&mut bash).expect(0);
    assert_eq!(ran.stderr, "");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_runs_and_profiles() {
    let directory = scratch();
    let directory = directory.path();
    for run in ["zpa-bulk-runs", "other runs"] {
        for name in ["20261122T000000.000Z-aaaa", "20261123T000000.000Z-bbbb"] {
            let run = directory.join(run).join(name);
            std::fs::create_dir_all(&run).unwrap();
            std::fs::write(run.join("journal.jsonl"), "").unwrap();
        }
    }
    std::fs::create_dir_all(directory.join("other runs/20261124T000000.000Z-$(touch gotcha)"))
        .unwrap();
    let file =
        "[profiles.acme]\n[profiles.apex]\n[profiles.\"$(touch gotcha)\"]\n[profiles.zero]\n";
    std::fs::create_dir_all(directory.join("config/zpa-bulk")).unwrap();
    std::fs::write(directory.join("config/zpa-bulk/settings.toml"), file).unwrap();

    let newest_first = ["20261123T000000.000Z-bbbb", "20261122T000000.000Z-aaaa"];
    assert_eq!(offered(directory, &["resume", ""]), newest_first);
    assert_eq!(
        offered(directory, &["journal", "repair", "20261122"]),
        newest_first[1..]
    );
    let elsewhere = ["undo", "--runs-dir", "other runs", "2026"];
    assert_eq!(offered(directory, &elsewhere), newest_first);
    for line in [
        &["plan", "--profile", "a"][..],
        &["--profile", "=", "a"],
        &["plan", "-q", "--profile", "a"],
    ] {
        assert_eq!(offered(directory, line), ["acme", "apex"], "{line:?}");
    }
    assert!(offered(directory, &["retry", "--ye"]).contains(&"--yes".to_owned()));
    let verbs = offered(directory, &[""]);
    assert!(
        verbs.contains(&"resume".to_owned()) && !verbs.contains(&"complete".to_owned()),
        "{verbs:?}"
    );
    assert!(!directory.join("gotcha").exists());
}
