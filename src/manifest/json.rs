//! Objects in a JSON document: in an array, one after the other, or in the list of an answer of the API.
//!
//! The objects are found byte by byte, and each is parsed by itself. So a document takes no more memory than its largest
//! object.

use std::io::{self, BufRead, Read as _};

use serde::de::IgnoredAny;

use super::bounds::{LONGEST_ROW, Step};
use super::format::BOM;

/// The members of answers that hold their objects.
const LISTS: [&str; 6] = ["list", "items", "data", "results", "value", "content"];

/// The places of the objects in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One object a line.
    Lines,
    /// The elements of an array, or one object after the other, however they are broken into lines.
    Values,
    /// The elements of a list that is a member of an object.
    Member(String),
}

impl Shape {
    /// Finds out where the objects of a JSON file are. `open` reads it from the beginning.
    pub(super) fn find<R: BufRead>(mut open: impl FnMut() -> io::Result<R>) -> io::Result<Self> {
        let mut objects = Objects::new(open()?, None);
        objects.pass_blanks()?;
        match objects.peek()? {
            Some(b'{') => {}
            Some(b'[') => return Ok(Self::Values),
            _ => return Ok(Self::Lines),
        }
        if let Some(member) = objects.list_member()? {
            return Ok(Self::Member(member));
        }
        let mut line = Vec::new();
        let mut input = open()?;
        while line.trim_ascii().is_empty() || line == BOM {
            line.clear();
            let mut bounded = input.by_ref().take(LONGEST_ROW as u64 + 1);
            if bounded.read_until(b'\n', &mut line)? == 0 {
                return Ok(Self::Lines);
            }
        }
        let line = line.strip_prefix(BOM).unwrap_or(&line);
        // A line that ends within its object is the first of several.
        let parsed = serde_json::from_slice::<IgnoredAny>(line);
        Ok(match parsed {
            Err(error) if error.is_eof() && line.len() <= LONGEST_ROW => Self::Values,
            _ => Self::Lines,
        })
    }
}

/// The objects of a document, one after the other.
#[derive(Debug)]
pub(super) struct Objects<R> {
    input: R,
    member: Option<String>,
    text: Vec<u8>,
    number: u32,
    /// The number of arrays around the next object.
    depth: u32,
    is_begun: bool,
    in_answer: bool,
}

impl<R: BufRead> Objects<R> {
    /// Returns the objects of an array or of a sequence, or those of the list that is the given member of an object.
    pub(super) fn new(input: R, member: Option<String>) -> Self {
        Self {
            input,
            member,
            text: Vec::new(),
            number: 0,
            depth: 0,
            is_begun: false,
            in_answer: false,
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the number of the object, from 1.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Tells whether the document ended within an array or an answer.
    pub(super) fn is_cut(&self) -> bool {
        self.depth > 0 || self.in_answer
    }

    /// Reads the next object, or another value in its place.
    pub(super) fn advance(&mut self) -> io::Result<Step> {
        self.text.clear();
        loop {
            self.pass_blanks()?;
            match self.peek()? {
                None => return Ok(Step::End),
                Some(b',') => self.pass(),
                Some(b'[') => {
                    self.depth += 1;
                    self.pass();
                }
                Some(b']') if self.depth > 0 => {
                    self.depth -= 1;
                    self.pass();
                }
                Some(b'}') if self.in_answer && self.depth == 0 => {
                    self.in_answer = false;
                    self.pass();
                }
                Some(_) if self.depth == 0 && self.member.is_some() => {
                    if !self.go_to_list()? {
                        return Ok(Step::End);
                    }
                }
                Some(_) => {
                    self.number = self.number.saturating_add(1);
                    return self.value(LONGEST_ROW);
                }
            }
        }
    }

    /// Goes on to the list of an answer. False if there is none.
    fn go_to_list(&mut self) -> io::Result<bool> {
        if !self.in_answer {
            if self.peek()? != Some(b'{') {
                return Ok(false);
            }
            self.pass();
            self.in_answer = true;
        }
        while let Some(name) = self.name()? {
            if self.peek()? == Some(b'[') && Some(&name) == self.member.as_ref() {
                return Ok(true);
            }
            self.value(usize::MAX)?;
            self.text.clear();
        }
        Ok(self.peek()? == Some(b'}'))
    }

    /// Returns the member of the object here that holds a list of objects, if there is one of the usual names.
    fn list_member(&mut self) -> io::Result<Option<String>> {
        self.pass();
        while let Some(name) = self.name()? {
            if LISTS.contains(&name.as_str()) && self.peek()? == Some(b'[') {
                self.pass();
                self.pass_blanks()?;
                let is_list = matches!(self.peek()?, Some(b'{' | b']'));
                return Ok(is_list.then_some(name));
            }
            // A value that is long is no number of pages, and so the object is a row.
            if self.value(1 << 10)? != Step::Row {
                return Ok(None);
            }
            self.text.clear();
        }
        Ok(None)
    }

    /// Reads the name of the next member and the colon behind it. Returns `None` at the end of the object, and where no
    /// member can be read.
    fn name(&mut self) -> io::Result<Option<String>> {
        self.pass_blanks()?;
        if self.peek()? == Some(b',') {
            self.pass();
            self.pass_blanks()?;
        }
        if self.peek()? != Some(b'"') {
            return Ok(None);
        }
        self.text.clear();
        self.value(LONGEST_ROW)?;
        let name = serde_json::from_slice(&self.text).ok();
        self.text.clear();
        self.pass_blanks()?;
        if self.peek()? != Some(b':') {
            return Ok(None);
        }
        self.pass();
        self.pass_blanks()?;
        Ok(name)
    }

    /// Adds the value that begins here to the text, up to `longest` bytes.
    fn value(&mut self, longest: usize) -> io::Result<Step> {
        let (mut open, mut in_text, mut is_escaped) = (0_u32, false, false);
        while let Some(byte) = self.peek()? {
            let is_end = open == 0 && !in_text && !self.text.is_empty();
            if is_end
                && matches!(
                    byte,
                    b',' | b']' | b'}' | b':' | b'\n' | b' ' | b'\r' | b'\t'
                )
            {
                break;
            }
            if longest != usize::MAX || self.text.is_empty() {
                self.text.push(byte);
            }
            if self.text.len() > longest {
                return Ok(Step::TooLong);
            }
            self.pass();
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_text => is_escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => open += 1,
                b'}' | b']' if !in_text => open = open.saturating_sub(1),
                _ => continue,
            }
            if open == 0 && !in_text && !is_escaped && matches!(byte, b'}' | b']' | b'"') {
                break;
            }
        }
        Ok(Step::Row)
    }

    fn pass_blanks(&mut self) -> io::Result<()> {
        if !self.is_begun {
            self.is_begun = true;
            if self.input.fill_buf()?.starts_with(BOM) {
                self.input.consume(BOM.len());
            }
        }
        while self.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.pass();
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn pass(&mut self) {
        self.input.consume(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> (Shape, Vec<String>, bool) {
        let shape = Shape::find(|| Ok(text.as_bytes())).unwrap();
        let member = match &shape {
            Shape::Member(member) => Some(member.clone()),
            _ => None,
        };
        let mut objects = Objects::new(text.as_bytes(), member);
        let mut found = Vec::new();
        while objects.advance().unwrap() == Step::Row {
            found.push(String::from_utf8_lossy(objects.text()).into_owned());
        }
        (shape, found, objects.is_cut())
    }

    #[test]
    fn objects_are_found_wherever_they_are() {
        let values = Shape::Values;
        let member = |name: &str| Shape::Member(name.to_owned());
        for (text, shape, count) in [
            ("[]", values.clone(), 0),
            ("[{\"a\":1},{\"b\":\"]}\\\"\"}]", values.clone(), 2),
            (
                "\u{feff}[\n  {\n \"a\": [1, {\"b\": 2}]\n }\n,{}]\n",
                values.clone(),
                2,
            ),
            ("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", values.clone(), 2),
            ("[1, \"x\", null, {\"a\":1}]", values.clone(), 4),
            (
                "{\"totalPages\":\"1\",\"list\":[{\"a\":1},{\"a\":2}],\"x\":{}}",
                member("list"),
                2,
            ),
            ("{\n\"list\" : [\n{\"a\":1}\n]\n}\n", member("list"), 1),
            ("{\"items\":[]}", member("items"), 0),
            ("[{\"a\":1}]\n[{\"a\":2}]", values, 2),
        ] {
            let (found, objects, is_cut) = objects(text);
            assert_eq!(
                (&found, objects.len(), is_cut),
                (&shape, count, false),
                "{text}: {objects:?}"
            );
        }
        for lines in [
            "{\"a\":1}\n{\"a\":2}",
            "{\"list\":[1]}\n",
            "{\"name\":\"x\"}",
            "{}}\n",
            "{\"a\" 1}\n",
        ] {
            assert_eq!(objects(lines).0, Shape::Lines, "{lines}");
        }
    }

    #[test]
    fn a_document_that_was_cut_off_is_noticed() {
        for text in [
            "[{\"a\":1},",
            "[{\"a\":1}",
            "{\"list\":[{\"a\":1}",
            "{\"list\":[{\"a\":1}]",
        ] {
            assert!(objects(text).2, "{text}");
        }
    }
}
