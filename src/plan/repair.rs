//! Values that may be meant by cells that are refused, and repairs that change nothing of what a cell says.

use super::flags::flag;
use crate::resource::{Form, visible};

/// Quotes around a text that somebody has copied, each with its other half.
const QUOTES: [(char, char); 8] = [
    ('"', '"'),
    ('\'', '\''),
    ('\u{201c}', '\u{201d}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{201e}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{201a}', '\u{2018}'),
    ('\u{ab}', '\u{bb}'),
];

/// Returns a text without white space around it, without characters that nobody sees, and without quotes around it. Returns
/// `None` if it has none of them.
pub(super) fn repaired(text: &str) -> Option<String> {
    let cleaned = visible(text);
    let mut bare = cleaned.trim();
    for (open, close) in QUOTES {
        let inner = bare
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains([open, close])) {
            bare = inner.trim();
            break;
        }
    }
    (bare != text && !bare.is_empty()).then(|| bare.to_owned())
}

/// Returns a value like `text` that a column of that form takes, if one is likely.
pub(super) fn suggestion(form: Form, text: &str) -> Option<String> {
    let repaired = repaired(text).unwrap_or_else(|| text.to_owned());
    let mut likely = vec![repaired.clone()];
    if let Form::Split(..) = form {
        let escaped = repaired.replace(' ', "%20");
        likely.push(escaped.clone());
        if !escaped.contains("://") && escaped.contains('.') {
            likely.push(format!("https://{escaped}"));
        }
    } else if repaired.starts_with('/') {
        likely.push(repaired.replace(' ', "%20"));
    }
    likely
        .into_iter()
        .find(|likely| likely != text && accepts(form, likely))
}

/// Tells whether a column of that form takes the text.
pub(super) fn accepts(form: Form, text: &str) -> bool {
    match form {
        Form::Text(check) => check(text).is_ok(),
        Form::Split(_, split) => split(text).is_ok(),
        Form::Condition(check) => check(text).is_ok(),
        Form::Flag => flag(text).is_ok(),
        Form::Refs(_) => true,
        Form::Part | Form::Info => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Kind;

    #[test]
    fn only_what_nobody_means_is_taken_away() {
        for (text, bare) in [
            (" Wiki ", Some("Wiki")),
            ("Wi\u{200b}ki", Some("Wiki")),
            ("Wiki\u{a0}", Some("Wiki")),
            ("\u{201c}Wiki\u{201d}", Some("Wiki")),
            ("\"Wiki\"", Some("Wiki")),
            ("„Wiki“", Some("Wiki")),
            ("Wiki", None),
            ("Plan \"Night\"", None),
            ("\"A\" and \"B\"", None),
            ("  ", None),
        ] {
            assert_eq!(repaired(text).as_deref(), bare, "{text:?}");
        }
    }

    #[test]
    fn an_address_that_is_likely_is_suggested() {
        let url = Kind::portal_link().column("url").unwrap().form;
        for (text, likely) in [
            (
                "\u{201c}https://wiki.example\u{201d}",
                Some("https://wiki.example"),
            ),
            (
                "https://wiki.example/my page",
                Some("https://wiki.example/my%20page"),
            ),
            ("wiki.example/start", Some("https://wiki.example/start")),
            ("htp://wiki.example", None),
            ("nonsense", None),
        ] {
            assert_eq!(suggestion(url, text).as_deref(), likely, "{text}");
        }
    }
}
