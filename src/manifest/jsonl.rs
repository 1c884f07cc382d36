//! Manifests in JSON Lines: one object a line, its members named like the columns of a CSV.
//!
//! Strings, booleans and whole numbers are read as if they were in a cell, and an array as several values of one
//! cell. `null` and an absent member say nothing, `""` says empty. Empty lines are passed over.

use std::fmt;
use std::io::{self, BufRead};
use std::mem;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use super::format::BOM;
use super::rows::{self, Title};
use crate::item::{Cells, Problem, Row};
use crate::resource::fold;

/// Reads the member names of the file, each in its first spelling.
pub(super) fn titles<R: BufRead>(input: R) -> io::Result<Vec<Title>> {
    let mut titles: Vec<Title> = Vec::new();
    let mut folded: Vec<String> = Vec::new();
    let mut lines = Lines::new(input);
    while lines.advance()? {
        // A line that does not parse is reported when the rows are read.
        let Ok(Members(members)) = serde_json::from_slice(lines.text()) else {
            continue;
        };
        for (name, _) in members {
            let name_folded = fold(&name);
            if !folded.contains(&name_folded) {
                folded.push(name_folded);
                titles.push(Title {
                    text: name,
                    row: lines.number,
                });
            }
        }
    }
    Ok(titles)
}

/// The rows of the file.
pub(super) struct Rows<R> {
    lines: Lines<R>,
    file: u16,
    folded: Vec<String>,
    texts: Texts,
}

/// The cells of one row, column by column.
#[derive(Debug, Default)]
struct Texts(Vec<Option<String>>);

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R, file: u16, titles: &[Title]) -> Self {
        Self {
            lines: Lines::new(input),
            file,
            folded: titles.iter().map(|t| fold(&t.text)).collect(),
            texts: Texts::default(),
        }
    }
}

impl<R: BufRead> rows::Rows for Rows<R> {
    fn next(&mut self, problems: &mut Vec<Problem>) -> io::Result<Option<Row<'_>>> {
        while self.lines.advance()? {
            match serde_json::from_slice(self.lines.text()) {
                Ok(Members(members)) => {
                    if self.fill(members, problems) {
                        return Ok(Some(Row {
                            file: self.file,
                            number: self.lines.number,
                            cells: &self.texts,
                        }));
                    }
                }
                Err(error) => {
                    let message = format!("not a JSON object: {error}");
                    problems.push(Problem::row(self.file, self.lines.number, message));
                }
            }
        }
        Ok(None)
    }
}

impl<R> Rows<R> {
    /// Puts the members of a row into its cells. Returns false if there are problems.
    fn fill(&mut self, members: Vec<(String, Value)>, problems: &mut Vec<Problem>) -> bool {
        let before = problems.len();
        let mut given = vec![false; self.folded.len()];
        let cells = &mut self.texts.0;
        cells.clear();
        cells.resize(self.folded.len(), None);
        for (name, value) in members {
            let folded = fold(&name);
            let at = self.folded.iter().position(|known| *known == folded);
            let given = at.and_then(|at| given.get_mut(at));
            let text = match given.map(|given| mem::replace(given, true)) {
                Some(true) => Err("the member is given twice".to_owned()),
                _ => cell_text(&value),
            };
            match (text, at.and_then(|at| cells.get_mut(at))) {
                (Ok(text), Some(cell)) => *cell = text,
                (Ok(_), None) => {}
                (Err(message), _) => {
                    problems.push(Problem::cell(self.file, self.lines.number, &name, message));
                }
            }
        }
        problems.len() == before
    }
}

impl Cells for Texts {
    fn cell(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref().map(str::trim)
    }

    fn raw(&self, column: usize) -> &str {
        self.0
            .get(column)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }
}

fn cell_text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) if number.is_f64() => Err(format!(
            "{number} has a fraction or too many digits; write it as a string"
        )),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Array(values) => {
            let texts: Result<Vec<_>, _> = values.iter().map(element_text).collect();
            Ok(Some(texts?.join(";")))
        }
        Value::Object(_) => Err("an object cannot stand here".to_owned()),
    }
}

/// Returns the text of an element of a list: plain, or an object with an `id` or a `name` as the API has it.
fn element_text(value: &Value) -> Result<String, String> {
    let value = value
        .get("id")
        .or_else(|| value.get("name"))
        .unwrap_or(value);
    match value {
        Value::Array(_) => Err("a list in a list cannot stand here".to_owned()),
        value => Ok(cell_text(value)?.unwrap_or_default()),
    }
}

/// The members of an object in order, repeated ones included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Lines that are not empty, with their numbers.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u32,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    fn advance(&mut self) -> io::Result<bool> {
        loop {
            self.line.clear();
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(false);
            }
            self.number = self.number.saturating_add(1);
            if !self.text().iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
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
        let titles = titles(text.as_bytes()).unwrap();
        let mut problems = Vec::new();
        let mut rows = Rows::new(text.as_bytes(), 0, &titles);
        let mut read = Vec::new();
        while let Some(Row { cells, .. }) = rows.next(&mut problems).unwrap() {
            read.push(
                (0..titles.len())
                    .map(|i| cells.cell(i).map(str::to_owned))
                    .collect(),
            );
        }
        let files = ["f.jsonl".to_owned()];
        (read, problems.iter().map(|p| p.describe(&files)).collect())
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
