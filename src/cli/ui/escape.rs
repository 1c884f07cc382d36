//! Text for a terminal or a log: the only place where text becomes one.
//!
//! Names, error texts, paths and arguments come from outside, and may hold whatever drives a terminal or deceives its
//! reader. So everything that is shown passes here, line by line, and colours are added afterwards. A line break inside
//! a line is shown as `\n`: no text can begin a line of its own.

use crate::text::{escaped, is_hidden};

/// The most bytes of a line that are shown, before escaping.
const LONGEST_LINE: usize = 4096;

/// The part of [`LONGEST_LINE`] that is kept for the end of a line, where the cause of an error stands.
const END: usize = 1024;

/// Returns the text as one line, cut in the middle if it is very long.
pub(crate) fn line(text: &str) -> String {
    if text.len() <= LONGEST_LINE {
        return escaped(text, is_hidden);
    }
    let (head, rest) = text.split_at(boundary(text, LONGEST_LINE - END));
    let (rest, tail) = rest.split_at(boundary(rest, rest.len() - END));
    let cut = rest.len();
    let (head, tail) = (escaped(head, is_hidden), escaped(tail, is_hidden));
    format!("{head} … [{cut} bytes] … {tail}")
}

/// Returns a manifest in CSV, line by line. A line break inside a quoted cell is no line of its own.
pub(super) fn csv(text: &str) -> String {
    let mut quoted = false;
    escaped(text, |c| {
        quoted ^= c == '"';
        is_hidden(c) && (quoted || c != '\n')
    })
}

/// Returns the same JSON document without a character that must not be shown. Such a character can stand in strings
/// only, where JSON has an escape for it.
pub(super) fn json(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    for c in document.chars() {
        if is_hidden(c) && c != '\n' {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            text.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// Returns the end of the last whole character before a byte.
fn boundary(text: &str, before: usize) -> usize {
    let mut ends = (0..=before).rev();
    ends.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_marks_are_shown_as_escapes() {
        assert_eq!(line("a\u{1b}]0;x\u{7}b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(line("a\r\nwarning: b\tc"), "a\\r\\nwarning: b\\tc");
        assert_eq!(line("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(
            line("\u{202e}\u{2066}\u{200b}"),
            "\\u{202e}\\u{2066}\\u{200b}"
        );
        assert_eq!(
            line("\u{2028}\u{feff}\u{e0041}"),
            "\\u{2028}\\u{feff}\\u{e0041}"
        );
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in [
            "Zürich — Köln",
            "नमस्ते",
            "שלום",
            "日本",
            "❤\u{fe0f}",
            "C:\\new",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn a_long_line_keeps_its_beginning_and_its_end() {
        let text = format!("begin{}end", "é".repeat(1 << 20));
        let shown = line(&text);
        assert!(shown.len() < 5000, "{}", shown.len());
        assert!(shown.starts_with("beginé") && shown.ends_with("éend"));
        assert!(shown.contains("é … [2093064 bytes] … é"), "{shown}");
        let controls = "\u{1b}".repeat(1 << 20);
        assert!(line(&controls).len() < 30_000);
    }

    #[test]
    fn a_cell_of_csv_begins_no_line() {
        let text = "name,note\n\"a\"\"\nb\",\"\r\n\"\nc,\u{1b}\td\n";
        let shown = "name,note\n\"a\"\"\\nb\",\"\\r\\n\"\nc,\\u{1b}\\td\n";
        assert_eq!(csv(text), shown);
    }

    #[test]
    fn json_is_the_same_document() {
        let value = serde_json::json!({"a": "\u{9b}\u{202e}\u{e0041}\n\u{1b}ü"});
        let shown = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.contains(|c| is_hidden(c) && c != '\n'), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
