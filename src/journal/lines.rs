//! The lines of a file, lent one after the other from the buffer that they are read into.

use std::io::{self, Read};

use memchr::memchr;

/// How much is read at once: enough for a system call not to count, and little enough for the fastest of a
/// processor's own memories.
const CHUNK: usize = 1 << 15;

/// What is left of a file.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// What was read and not yet lent.
    start: usize,
    end: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
        }
    }

    /// The next line with its line feed, or what is left behind the last one.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut searched = 0;
        let length = loop {
            let held = self.held();
            match memchr(b'\n', held.get(searched..).unwrap_or_default()) {
                Some(at) => break searched + at + 1,
                None => searched = held.len(),
            }
            if !self.fill()? {
                break searched;
            }
        };
        let start = self.start;
        self.start += length;
        Ok(self
            .buffer
            .get(start..self.start)
            .filter(|line| !line.is_empty()))
    }

    /// Whether no line is left.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.held().is_empty() && !self.fill()?)
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads on, in a larger buffer if a line fills this one. False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out at most so many bytes a call, and is interrupted before each.
    struct Drip<'t>(&'t [u8], usize, bool);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn every_line_is_lent_whole_however_the_bytes_arrive() {
        let long = "x".repeat(3 * CHUNK);
        for text in [
            "",
            "\n",
            "a\nbc\n",
            "a\n\ntorn",
            &format!("{long}\n{long}\na\n{long}"),
        ] {
            for step in [1000, CHUNK - 1, usize::MAX] {
                let mut lines = Lines::new(Drip(text.as_bytes(), step, false));
                let mut found = Vec::new();
                while let Some(line) = lines.next().unwrap() {
                    found.push(String::from_utf8(line.to_owned()).unwrap());
                    let left = found.iter().map(String::len).sum::<usize>() < text.len();
                    assert_eq!(lines.is_at_end().unwrap(), !left);
                }
                let expected: Vec<&str> = text.split_inclusive('\n').collect();
                assert_eq!(found, expected, "{step} bytes at a time");
            }
        }
    }
}
