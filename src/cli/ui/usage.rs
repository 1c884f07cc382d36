//! Errors of the command line. They repeat what was typed, or what a variable holds.

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use super::escape;

/// Returns an error without styles as lines. What was typed stays inside its line.
pub(crate) fn lines(mut error: Error) -> Vec<String> {
    let repeated = error.context();
    // The usage is of several lines, and repeats nothing.
    let repeated = repeated.filter(|(kind, _)| *kind != ContextKind::Usage);
    let repeated: Vec<_> = repeated
        .filter_map(|(kind, value)| Some((kind, one_line(value)?)))
        .collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    let text = error.render().ansi().to_string();
    text.trim_end().split('\n').map(str::to_owned).collect()
}

fn one_line(value: &ContextValue) -> Option<ContextValue> {
    let plain = |text: &String| escape::line(text);
    let styled = |text: &StyledStr| StyledStr::from(plain(&text.ansi().to_string()));
    Some(match value {
        ContextValue::String(text) => ContextValue::String(plain(text)),
        ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(plain).collect()),
        ContextValue::StyledStr(text) => ContextValue::StyledStr(styled(text)),
        ContextValue::StyledStrs(texts) => {
            ContextValue::StyledStrs(texts.iter().map(styled).collect())
        }
        _ => return None,
    })
}

/// Returns the message among the lines of an error: what comes before the usage, in one line.
pub(crate) fn message(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| line.trim());
    let message: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    message.join(" ").trim_start_matches("error: ").to_owned()
}
