//! The text of `zpa-bulk --version --verbose`: what a report of a mistake needs to know of the program.

use crate::journal;

/// Returns the version, the commit, and how the program was built.
pub(super) fn lines() -> Vec<String> {
    let features = match env!("ZPA_BULK_BUILD_FEATURES") {
        "" => "none",
        names => names,
    };
    vec![
        concat!("zpa-bulk ", env!("CARGO_PKG_VERSION")).to_owned(),
        concat!("commit    ", env!("ZPA_BULK_BUILD_COMMIT")).to_owned(),
        concat!(
            "build     ",
            env!("ZPA_BULK_BUILD_PROFILE"),
            " for ",
            env!("ZPA_BULK_BUILD_TARGET")
        )
        .to_owned(),
        concat!("compiler  ", env!("ZPA_BULK_BUILD_RUSTC")).to_owned(),
        format!("features  {features}"),
        format!("journal   format {}", journal::FORMAT),
        format!("sqlite    {}", rusqlite::version()),
    ]
}

/// Tells whether the arguments ask for more than the version. The flag that asks for the version ends the parsing, so
/// what stands behind it is looked for here.
pub(super) fn is_wordy(typed: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    typed.into_iter().skip(1).any(|word| {
        let word = word.to_string_lossy();
        let letters = word.strip_prefix('-').unwrap_or_default();
        word == "--verbose" || (letters.contains('v') && letters.chars().all(|c| "vV".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_is_seen_on_both_sides_of_version() {
        let asks = |line: &str| is_wordy(line.split(' ').map(Into::into));
        for line in [
            "zpa-bulk --version --verbose",
            "zpa-bulk -v --version",
            "zpa-bulk plan -V -vv",
            "zpa-bulk -vV",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "zpa-bulk --version",
            "zpa-bulk -V",
            "-v -V",
            "zpa-bulk - --version",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
