//! Cells that a spreadsheet would take for formulas.
//!
//! Otherwise, somebody who may name an object on the tenant could have a formula run on the machine of the person who
//! opens an export or a result file (OWASP, "CSV Injection"). The pair is one to one: every cell that is written is
//! read back as it was.

use std::borrow::Cow;

/// The characters that formulas begin with.
const MARKS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Returns the cell as it is written: with one more `'` before a formula, or before a formula that has a `'` already.
pub(super) fn neutralise(cell: &str) -> Cow<'_, str> {
    if is_marked(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// Returns the cell as it was before [`neutralise`]. For most cells, the first byte decides.
pub(super) fn restore(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_marked(rest) => rest,
        _ => cell,
    }
}

fn is_marked(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(MARKS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_formulas_get_a_quote() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("'=1+1", "''=1+1"),
            ("", ""),
            ("'", "'"),
            ("'quoted'", "'quoted'"),
            ("1+1", "1+1"),
            (" =1", " =1"),
        ] {
            assert_eq!(neutralise(cell), written);
        }
    }

    proptest! {
        #[test]
        fn every_cell_is_read_back_as_it_was(cell in "'{0,3}[-=+@\t\ra*é]?.{0,8}") {
            let written = neutralise(&cell).into_owned();
            prop_assert_eq!(restore(&written), &cell);
            prop_assert!(!written.starts_with(MARKS), "{:?} is a formula", written);
        }
    }
}
