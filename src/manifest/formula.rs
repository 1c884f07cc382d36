//! Cells that a spreadsheet would take for formulas.
//!
//! Otherwise, somebody who may name an object on the tenant could have a formula run on the machine of the person who
//! opens an export or a result file (OWASP, "CSV Injection"). The pair is one to one: every cell that is written is
//! read back as it was.

use std::borrow::Cow;

/// The characters that formulas begin with.
const MARKS: [char; 14] = [
    '=', '+', '-', '@', '\t', '\r', // as OWASP lists them
    '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', // the full-width forms of the first four
    '\u{fe66}', '\u{fe62}', '\u{fe63}', '\u{fe6b}', // their small forms
];

/// The characters that end a cell or a row for some reader. Where the list separator is `;`, a spreadsheet splits a line at
/// each `;`, and quotes in the middle of what it takes for a cell protect nothing.
const ENDS: [char; 6] = [',', ';', '|', '\t', '\n', '\r'];

/// Returns the cell as it is written: with one more `'` before each formula, or before a formula that has a `'` already.
pub(super) fn neutralise(cell: &str) -> Cow<'_, str> {
    if !pieces(cell).any(is_marked) {
        return Cow::Borrowed(cell);
    }
    let marked = pieces(cell).map(|piece| [if is_marked(piece) { "'" } else { "" }, piece]);
    Cow::Owned(marked.flatten().collect())
}

/// Returns the cell as it was before [`neutralise`]. Most cells have no `'`.
pub(super) fn restore(cell: &str) -> Cow<'_, str> {
    if !cell.contains('\'') {
        return Cow::Borrowed(cell);
    }
    let unmarked = pieces(cell).map(|piece| match piece.strip_prefix('\'') {
        Some(rest) if is_marked(rest) => rest,
        _ => piece,
    });
    Cow::Owned(unmarked.collect())
}

/// Returns the parts that some reader takes for cells, each with the character that ends it.
fn pieces(cell: &str) -> impl Iterator<Item = &str> {
    cell.split_inclusive(ENDS)
}

fn is_marked(piece: &str) -> bool {
    let bare = piece.trim_start_matches('\'');
    bare.trim_start_matches(is_passed_over).starts_with(MARKS)
}

/// Tells whether some reader drops the character at the beginning of a cell: quotes, white space, and what does not print.
fn is_passed_over(c: char) -> bool {
    let is_invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    (c == '"' || c.is_whitespace() || c.is_control() || is_invisible) && !MARKS.contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::CsvWriter;

    #[test]
    fn only_formulas_get_a_quote() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\tx", "'\tx"),
            ("\r=1", "'\r'=1"),
            ("'=1+1", "''=1+1"),
            ("", ""),
            ("'", "'"),
            ("'quoted'", "'quoted'"),
            ("1+1", "1+1"),
            (" =1", "' =1"),
            ("\"=1", "'\"=1"),
            ("a;=1+1", "a;'=1+1"),
            ("a,b|@x\n-1", "a,b|'@x\n'-1"),
            ("a;b", "a;b"),
            ("a;'=1", "a;''=1"),
            ("a; \u{ff1d}1", "a;' \u{ff1d}1"),
            ("a=1;b-c", "a=1;b-c"),
        ] {
            assert_eq!(neutralise(cell), written);
        }
    }

    /// The cells that a spreadsheet makes of a CSV with that list separator: a field is quoted if it begins with a quote, or
    /// with blanks and a quote.
    fn opened(text: &str, separator: char) -> Vec<String> {
        let mut rest = text.chars().peekable();
        let mut cells = Vec::new();
        while rest.peek().is_some() {
            let mut cell = String::new();
            while let Some(blank) = rest.next_if_eq(&' ') {
                cell.push(blank);
            }
            if rest.next_if_eq(&'"').is_some() {
                cell.clear();
                while let Some(c) = rest.next() {
                    if c != '"' || rest.next_if_eq(&'"').is_some() {
                        cell.push(c);
                    } else {
                        break;
                    }
                }
            }
            let is_end = |c: &char| *c == separator || matches!(c, '\n' | '\r');
            while let Some(c) = rest.next_if(|c| !is_end(c)) {
                cell.push(c);
            }
            rest.next();
            cells.push(cell);
        }
        cells
    }

    proptest! {
        #[test]
        fn no_list_separator_makes_a_formula(
            rows in prop::collection::vec(prop::collection::vec("[-'=+@＝\t\r\n,;|\" a]{0,8}", 3), 1..4),
        ) {
            let mut writer = CsvWriter::new(Vec::new());
            for row in &rows {
                writer.row(row.iter().map(String::as_str)).unwrap();
            }
            let text = String::from_utf8(writer.finish().unwrap()).unwrap();
            for separator in [',', ';', '\t', '|'] {
                for cell in opened(&text, separator) {
                    let bare = cell.trim_start_matches(is_passed_over);
                    prop_assert!(!bare.starts_with(MARKS), "{cell:?} of {text:?} at {separator:?}");
                }
            }
        }

        #[test]
        fn every_cell_is_read_back_as_it_was(cell in "[-'=+@＝\t\r\n,;|\" a*é]{0,12}") {
            let written = neutralise(&cell).into_owned();
            prop_assert_eq!(&*restore(&written), &cell);
            prop_assert!(!written.starts_with(MARKS), "{:?} is a formula", written);
        }
    }
}
