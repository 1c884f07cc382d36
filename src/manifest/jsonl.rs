//! Manifests in JSON: one object a row, its members named like the columns of a CSV.
//!
//! Strings, booleans and whole numbers are read as if they were in a cell, and an array as several values of one
//! cell. `null` and an absent member say nothing, `""` says empty. Empty lines are passed over.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read as _};

use super::bounds::{
    LONGEST_ROW, MOST_COLUMNS, Step, cell_too_long, changed, row_too_long, title_too_long,
    too_many_columns,
};
use super::format::BOM;
use super::json::{Objects, Shape};
use super::members::{Members, Text, Value};
use super::rows::{self, Title};
use crate::item::{CellKind, Cells, Problem, Problems, Row};
use crate::resource::fold;

/// Reads the member names of the file, each in its first spelling. With a problem, there are none.
pub(super) fn titles<R: BufRead>(
    input: R,
    file: u16,
    shape: &Shape,
    problems: &mut Problems,
) -> io::Result<Vec<Title>> {
    let mut titles = Vec::new();
    let mut known = HashSet::new();
    let mut lines = Pieces::new(input, shape);
    loop {
        match lines.advance()? {
            Step::Row => {}
            Step::End => {
                let message = if lines.is_cut() {
                    Some("the file ends before its list does; it was cut off")
                } else {
                    lines
                        .is_empty()
                        .then_some("the manifest is empty; it holds no JSON object")
                };
                problems.extend(message.map(|message| Problem::row(file, 1, message)));
                return Ok(titles);
            }
            Step::TooLong => {
                problems.push(row_too_long(file, lines.number()));
                return Ok(Vec::new());
            }
        }
        // A line that does not parse is reported when the rows are read.
        let Ok(Members { first, count }) = serde_json::from_slice(lines.text()) else {
            continue;
        };
        for (text, _) in first {
            if let Some(problem) = title_too_long(file, lines.number(), &text) {
                problems.push(problem);
                return Ok(Vec::new());
            }
            if known.insert(fold(&text)) {
                let row = lines.number();
                titles.push(Title { text, row });
            }
        }
        let count = count.max(titles.len());
        if count > MOST_COLUMNS {
            problems.push(too_many_columns(file, lines.number(), count));
            return Ok(Vec::new());
        }
    }
}

/// The rows of the file.
pub(super) struct Rows<R> {
    lines: Pieces<R>,
    file: u16,
    positions: HashMap<String, usize>,
    texts: Texts,
}

/// The cells of one row, column by column; `None` for a member that the row does not have.
#[derive(Debug)]
struct Texts {
    cells: Vec<Option<Text>>,
    /// The columns of the members that the row has.
    given: Vec<usize>,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, file: u16, shape: &Shape, titles: &[Title]) -> Self {
        let folded = titles.iter().map(|title| fold(&title.text));
        Self {
            lines: Pieces::new(input, shape),
            file,
            positions: folded.zip(0..).collect(),
            texts: Texts {
                cells: vec![None; titles.len()],
                given: Vec::new(),
            },
        }
    }
}

impl<R: BufRead> rows::Rows for Rows<R> {
    fn next(&mut self, problems: &mut Problems) -> io::Result<Option<Row<'_>>> {
        loop {
            match self.lines.advance()? {
                Step::Row => {}
                Step::End => return Ok(None),
                Step::TooLong => {
                    problems.push(row_too_long(self.file, self.lines.number()));
                    return Ok(None);
                }
            }
            match serde_json::from_slice(self.lines.text()) {
                Ok(members) => {
                    if self.fill(members, problems) {
                        return Ok(Some(Row {
                            file: self.file,
                            number: self.lines.number(),
                            cells: &self.texts,
                        }));
                    }
                }
                Err(error) => {
                    let message = described(&error);
                    problems.push(Problem::row(self.file, self.lines.number(), message));
                }
            }
        }
    }
}

/// Describes a line that is no object. The error's own words would repeat a line that is a text.
fn described(error: &serde_json::Error) -> String {
    if error.is_data() {
        "not a JSON object".to_owned()
    } else {
        format!("not a JSON object: {error}")
    }
}

impl<R: BufRead> Rows<R> {
    /// Puts the members of a row into its cells. Returns false if there are problems.
    fn fill(&mut self, members: Members, problems: &mut Problems) -> bool {
        let before = problems.count();
        self.texts.clear();
        let mut is_known = members.first.len() == members.count;
        for (name, text) in members.first {
            match self.positions.get(&fold(&name)) {
                Some(at) => problems.extend(self.put(*at, &name, text)),
                None => is_known = false,
            }
        }
        if !is_known {
            problems.push(changed(self.file));
        }
        problems.count() == before
    }

    /// Puts a member into its cell of the row. Returns the problem with it, if there is one.
    fn put(&mut self, at: usize, name: &str, text: Text) -> Option<Problem> {
        let (file, number) = (self.file, self.lines.number());
        let cell = self.texts.cells.get_mut(at)?;
        if cell.is_some() {
            let message = "the member is given twice";
            return Some(Problem::cell(file, number, name, message));
        }
        self.texts.given.push(at);
        match cell.insert(text) {
            Ok(value) => cell_too_long(file, number, name, &value.as_ref()?.text),
            Err(message) => Some(Problem::cell(file, number, name, message.as_str())),
        }
    }
}

impl Texts {
    fn clear(&mut self) {
        for at in self.given.drain(..) {
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = None;
            }
        }
    }

    fn value(&self, column: usize) -> Option<&Value> {
        self.cells.get(column)?.as_ref()?.as_ref().ok()?.as_ref()
    }
}

impl Cells for Texts {
    fn cell(&self, column: usize) -> Option<&str> {
        self.value(column).map(|value| value.text.trim())
    }

    fn raw(&self, column: usize) -> &str {
        self.value(column).map_or("", |value| &value.text)
    }

    fn are_texts(&self) -> bool {
        false
    }

    fn kind(&self, column: usize) -> CellKind<'_> {
        match self.value(column) {
            Some(value) if value.is_list => CellKind::List,
            _ => CellKind::Text,
        }
    }
}

/// The texts of a file that hold one object each.
enum Pieces<R> {
    Lines(Lines<R>),
    Objects(Objects<R>),
}

impl<R: BufRead> Pieces<R> {
    fn new(input: R, shape: &Shape) -> Self {
        match shape {
            Shape::Lines => Self::Lines(Lines::new(input)),
            Shape::Values => Self::Objects(Objects::new(input, None)),
            Shape::Member(member) => Self::Objects(Objects::new(input, Some(member.clone()))),
        }
    }

    fn advance(&mut self) -> io::Result<Step> {
        match self {
            Self::Lines(lines) => lines.advance(),
            Self::Objects(objects) => objects.advance(),
        }
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::Lines(lines) => lines.text(),
            Self::Objects(objects) => objects.text(),
        }
    }

    /// Returns the number of the line, or of the object in its list.
    fn number(&self) -> u32 {
        match self {
            Self::Lines(lines) => lines.number,
            Self::Objects(objects) => objects.number(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Lines(lines) => lines.is_empty,
            // An empty list says that it is empty.
            Self::Objects(_) => false,
        }
    }

    fn is_cut(&self) -> bool {
        matches!(self, Self::Objects(objects) if objects.is_cut())
    }
}

/// Lines that are not empty, with their numbers.
struct Lines<R> {
    input: R,
    /// True as long as every line was empty.
    is_empty: bool,
    line: Vec<u8>,
    number: u32,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            is_empty: true,
            line: Vec::new(),
            number: 0,
        }
    }

    fn advance(&mut self) -> io::Result<Step> {
        loop {
            self.line.clear();
            let mut bounded = self.input.by_ref().take(LONGEST_ROW as u64 + 1);
            if bounded.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(Step::End);
            }
            self.number = self.number.saturating_add(1);
            if self.line.len() > LONGEST_ROW {
                return Ok(Step::TooLong);
            }
            if !self.text().iter().all(u8::is_ascii_whitespace) {
                self.is_empty = false;
                return Ok(Step::Row);
            }
        }
    }

    fn text(&self) -> &[u8] {
        self.line.strip_prefix(BOM).unwrap_or(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::rows::Rows as _;

    fn read(text: &str) -> (Vec<Vec<Option<String>>>, Vec<String>) {
        let mut problems = Problems::default();
        let titles = titles(text.as_bytes(), 0, &Shape::Lines, &mut problems).unwrap();
        let mut rows = Rows::new(text.as_bytes(), 0, &Shape::Lines, &titles);
        let mut read = Vec::new();
        while let Some(Row { cells, .. }) = rows.next(&mut problems).unwrap() {
            read.push(
                (0..titles.len())
                    .map(|i| cells.cell(i).map(str::to_owned))
                    .collect(),
            );
        }
        let files = ["f.jsonl".to_owned()];
        let problems = problems.into_first().into_iter();
        (read, problems.map(|p| p.describe(&files)).collect())
    }

    #[test]
    fn values_stand_as_they_would_in_a_cell() {
        let (rows, problems) = read(concat!(
            r#"{"name":" a ","enabled":true,"user_portals":["P","Q"],"application_id":1234567890123456789}"#,
            "\n\n",
            r#"{"name":"","userPortals":[{"id":"7"}],"enabled":null}"#,
        ));
        assert_eq!(problems, [""; 0]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows[0],
            [
                some("a"),
                some("true"),
                some("P;Q"),
                some("1234567890123456789")
            ]
        );
        assert_eq!(rows[1], [some(""), None, some("7"), None]);
    }

    #[test]
    fn malformed_lines_are_reported_by_line() {
        let (rows, problems) =
            read("[1]\n{\"name\":\"a\",\"Name\":\"b\"}\n{\"name\":1.5}\n{\"name\":{}}\n{\n");
        assert!(rows.is_empty());
        for (problem, start) in problems.iter().zip([
            "f.jsonl:1: not a JSON object",
            "f.jsonl:2: column \"Name\": the member is given twice",
            "f.jsonl:3: column \"name\": 1.5 has a fraction",
            "f.jsonl:4: column \"name\": an object cannot stand here",
            "f.jsonl:5: not a JSON object",
        ]) {
            assert!(problem.starts_with(start), "{problem}");
        }
        assert_eq!(problems.len(), 5);
    }
}
