//! The words for booleans.

use crate::wire::quoted;

/// The words for true and for false: those of this program, and those that spreadsheets show in other languages.
const WORDS: [(&str, bool); 34] = [
    ("true", true),
    ("false", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
    ("1", true),
    ("0", false),
    // German, French, Spanish, Portuguese, Italian, Dutch, Danish, Swedish, Polish, Czech, Turkish, Russian
    ("wahr", true),
    ("falsch", false),
    ("ja", true),
    ("nein", false),
    ("vrai", true),
    ("faux", false),
    ("oui", true),
    ("non", false),
    ("verdadero", true),
    ("falso", false),
    ("verdadeiro", true),
    ("vero", true),
    ("waar", true),
    ("onwaar", false),
    ("sand", true),
    ("falsk", false),
    ("sant", true),
    ("falskt", false),
    ("prawda", true),
    ("fałsz", false),
    ("pravda", true),
    ("nepravda", false),
    ("doğru", true),
    ("yanlış", false),
    ("истина", true),
    ("ложь", false),
];

/// Reads the word for a flag, in any case.
///
/// # Errors
/// A message for the user if it is none.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    let ascii = WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    let found = ascii.or_else(|| {
        let lower = text.to_lowercase();
        WORDS.iter().find(|(word, _)| *word == lower)
    });
    found
        .map(|(_, flag)| *flag)
        .ok_or_else(|| format!("{} is neither true nor false", quoted(text)))
}

/// Returns the word for a flag that is only the beginning of one, or a mark.
pub(super) fn shortened_flag(text: &str) -> Option<&'static str> {
    match text.to_lowercase().as_str() {
        "y" | "t" | "j" | "x" | "\u{2713}" | "\u{2714}" | "\u{2705}" => Some("true"),
        "n" | "f" | "\u{2717}" | "\u{2718}" | "\u{274c}" => Some("false"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_spreadsheets_show_them() {
        for word in [
            "true",
            "YES",
            "On",
            "1",
            "WAHR",
            "VRAI",
            "VERDADERO",
            "VERO",
            "WAAR",
            "SAND",
            "PRAWDA",
            "ИСТИНА",
            "DOĞRU",
        ] {
            assert_eq!(flag(word), Ok(true), "{word}");
        }
        for word in [
            "false", "no", "OFF", "0", "FALSCH", "FAUX", "FALSO", "FAŁSZ", "ЛОЖЬ",
        ] {
            assert_eq!(flag(word), Ok(false), "{word}");
        }
        assert!(flag("maybe").is_err());
    }
}
