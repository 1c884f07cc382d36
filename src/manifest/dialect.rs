//! The dialect of a table in text: the delimiter, and the row that names the columns.

use std::io::{self, BufRead};

use super::bounds::{LONGEST_ROW, MOST_COLUMNS, Step};
use super::format::BOM;
use super::formula::restore;
use super::reading::Delimiter;
use super::records::Records;
use super::titles::Known;

/// The most rows above which the header is looked for.
pub(super) const SEARCHED: usize = 50;

/// The dialect of a table in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: Delimiter,
    /// The row of the header.
    pub(super) header: u32,
    /// The number of rows above the header that hold something.
    pub(super) above: u32,
}

/// The best header that was found with one delimiter.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    dialect: Dialect,
    known: usize,
    /// The number of cells of the first row.
    cells: usize,
}

impl Dialect {
    /// Returns the dialect of the CSV that this program writes.
    pub(super) const fn comma() -> Self {
        Self {
            delimiter: Delimiter(b','),
            header: 1,
            above: 0,
        }
    }

    /// Finds the dialect of the text that `open` reads from the beginning. A delimiter that is given, or named by a first row
    /// like `sep=;`, is taken.
    pub(super) fn find<R: BufRead>(
        mut open: impl FnMut() -> io::Result<R>,
        given: Option<Delimiter>,
        likely: Option<Delimiter>,
        known: &Known,
    ) -> io::Result<Self> {
        let named = separator_row(&mut open()?)?;
        let sure = given.or(named);
        let first = u32::from(named.is_some());
        let mut best: Option<Candidate> = None;
        let candidates = likely.into_iter().chain(Delimiter::KNOWN);
        for delimiter in sure.map_or_else(|| candidates.collect(), |sure| vec![sure]) {
            let candidate = candidate(open()?, delimiter, first, known)?;
            let is_better = best.is_none_or(|best| {
                (candidate.known, candidate.cells) > (best.known, best.cells)
                    && (candidate.known > best.known || best.cells == 1)
            });
            if is_better {
                best = Some(candidate);
            }
        }
        Ok(best.map_or(Self::comma(), |best| best.dialect))
    }
}

/// Reads a first row like `sep=;`, which spreadsheet programs obey.
fn separator_row<R: BufRead>(input: &mut R) -> io::Result<Option<Delimiter>> {
    let start = input.fill_buf()?;
    let start = start.strip_prefix(BOM).unwrap_or(start);
    let line = start.split(|byte| matches!(byte, b'\n' | b'\r')).next();
    let line = line.unwrap_or_default().trim_ascii_end();
    let line = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    // A tab at the end is white space, and was taken for such.
    if line.eq_ignore_ascii_case(b"sep=") && start.get(4) == Some(&b'\t') {
        return Ok(Some(Delimiter(b'\t')));
    }
    Ok(match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', one] => {
            Delimiter::parse(&char::from(*one).to_string()).ok()
        }
        _ => None,
    })
}

/// Looks for the header among the first rows, taken apart at one delimiter: the row with the most titles that are known.
/// Without any, it is the first row.
fn candidate<R: BufRead>(
    input: R,
    delimiter: Delimiter,
    passed: u32,
    known: &Known,
) -> io::Result<Candidate> {
    let mut records = Records::new(input, LONGEST_ROW, delimiter.0);
    let mut found: Option<Candidate> = None;
    let mut above = 0;
    for _ in 0..SEARCHED {
        if records.read()? != Step::Row {
            break;
        }
        if records.number() <= passed || records.filled() == 0 {
            continue;
        }
        let titles = records.cells().take(MOST_COLUMNS).map(|cell| {
            let text = String::from_utf8_lossy(cell);
            restore(&text).trim().to_owned()
        });
        let candidate = Candidate {
            dialect: Dialect {
                delimiter,
                header: records.number(),
                above,
            },
            known: known.count(titles),
            cells: records.count(),
        };
        above += 1;
        if found.is_none_or(|found| candidate.known > found.known) {
            found = Some(candidate);
        }
    }
    let none = Dialect {
        delimiter,
        header: passed + 1,
        above: 0,
    };
    Ok(found.unwrap_or(Candidate {
        dialect: none,
        known: 0,
        cells: 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Reading;

    fn found(text: &str) -> (char, u32) {
        let open = || Ok(text.as_bytes());
        let dialect = Dialect::find(open, None, None, &Known::new(&Reading::default())).unwrap();
        (char::from(dialect.delimiter.0), dialect.header)
    }

    #[test]
    fn delimiters_and_headers_are_found() {
        for (text, delimiter, header) in [
            ("name,url\na,b\n", ',', 1),
            ("name;url\na;b\n", ';', 1),
            ("name\turl\n", '\t', 1),
            ("name|url\n", '|', 1),
            ("sep=|\nname|url\n", '|', 2),
            ("\u{feff}sep=;\r\nname;url\r\n", ';', 2),
            ("\"sep=,\"\nname,url\n", ',', 2),
            ("sep=\t\nname\turl\n", '\t', 2),
            (
                "Portal links of team A;;\n;;\nName;URL;Portals\nx;y;z\n",
                ';',
                3,
            ),
            ("#TYPE System.Object\n\"name\",\"url\"\n", ',', 2),
            ("name\na;b\n", ',', 1),
            ("naem;ulr\na;b\n", ';', 1),
            ("name;\"a,b,c\"\n", ';', 1),
            ("nmae,ulr\nx,name\n", ',', 2),
            ("", ',', 1),
        ] {
            assert_eq!(found(text), (delimiter, header), "{text:?}");
        }
    }
}
