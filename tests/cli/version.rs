//! The version, and how the program was built.

use crate::support::command::{Ran, zpa_bulk};

#[test]
fn a_verbose_version_names_commit_build_and_features() {
    let short = Ran::of(zpa_bulk().arg("--version")).expect(0).stdout;
    assert_eq!(short, concat!("zpa-bulk ", env!("CARGO_PKG_VERSION"), "\n"));
    for args in [["--version", "--verbose"], ["-v", "--version"]] {
        let long = Ran::of(zpa_bulk().args(args)).expect(0).stdout;
        let first: Vec<&str> = long
            .lines()
            .filter_map(|l| l.split_whitespace().next())
            .collect();
        assert_eq!(
            first,
            [
                "zpa-bulk", "commit", "build", "compiler", "features", "journal", "sqlite"
            ],
            "{long}"
        );
        assert!(
            long.lines().all(|line| line.split_whitespace().count() > 1),
            "{long}"
        );
    }
}
