//! The tags of a large XML file that matter, found without looking at the others.
//!
//! A sheet has some ten tags a cell. To take all of them apart once more costs as much as reading the cells.

use std::io::{self, Read};

use memchr::memchr;
use quick_xml::events::BytesStart;

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The most bytes of a tag. Longer ones are passed over.
const LONGEST: usize = 1 << 20;

/// The most bytes of a tag's name with its prefix.
const LONGEST_NAME: usize = 40;

/// Hands each start tag with one of these names, whatever its prefix, to `visit`.
pub(super) fn each_tag(
    mut from: impl Read,
    names: &[&str],
    mut visit: impl FnMut(&BytesStart<'_>),
) -> io::Result<()> {
    let mut text = Vec::with_capacity(2 * CHUNK);
    loop {
        let before = text.len();
        from.by_ref().take(CHUNK as u64).read_to_end(&mut text)?;
        let is_last = text.len() == before;
        let rest = passed(&text, is_last, names, &mut visit);
        if is_last {
            return Ok(());
        }
        let rest = if text.len() - rest > LONGEST {
            text.len()
        } else {
            rest
        };
        text.drain(..rest);
    }
}

/// Looks through a text. Returns the beginning of what needs more text.
fn passed(
    text: &[u8],
    is_last: bool,
    names: &[&str],
    visit: &mut impl FnMut(&BytesStart<'_>),
) -> usize {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr(b'<', rest)) {
        let start = at + found;
        let tag = text.get(start + 1..).unwrap_or_default();
        let window = tag.get(..LONGEST_NAME.min(tag.len())).unwrap_or_default();
        let is_end = |byte: &u8| matches!(byte, b' ' | b'>' | b'/' | b'\n' | b'\r' | b'\t');
        let Some(length) = window.iter().position(is_end) else {
            if window.len() < LONGEST_NAME && !is_last {
                return start;
            }
            at = start + 1;
            continue;
        };
        let name = window.get(..length).unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if !names.iter().any(|wanted| wanted.as_bytes() == local) {
            at = start + 1 + length;
            continue;
        }
        let Some(end) = end_of(tag) else {
            return if is_last { text.len() } else { start };
        };
        let inside = tag.get(..end).unwrap_or_default();
        if let Ok(inside) = str::from_utf8(inside) {
            visit(&BytesStart::from_content(
                inside.trim_end_matches('/'),
                length,
            ));
        }
        at = start + 1 + end;
    }
    text.len()
}

/// Returns the position of the `>` that ends a tag. One in the value of an attribute does not.
fn end_of(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    tag.iter().position(|byte| match (quote, byte) {
        (Some(open), byte) => {
            if open == *byte {
                quote = None;
            }
            false
        }
        (None, b'"' | b'\'') => {
            quote = Some(*byte);
            false
        }
        (None, byte) => *byte == b'>',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives one byte at a time.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.get_mut(..1).unwrap_or_default();
            self.0.read(one)
        }
    }

    #[test]
    fn the_tags_that_matter_are_found_wherever_they_are() {
        let cells = "<c r=\"A1\"><v>1</v></c>".repeat(20_000);
        let text = format!(
            "<sheet><x:row r=\"1\" hidden=\"1\">{cells}</x:row><row\n r='2'/><rows/><link to=\"a>b\"/><row r=\"3\"></sheet>"
        );
        let mut found = Vec::new();
        each_tag(Slow(text.as_bytes()), &["row", "link"], |tag| {
            let attributes = tag.attributes().map(|a| a.unwrap().value.to_string());
            found.push(attributes.collect::<Vec<_>>().join(","));
        })
        .unwrap();
        assert_eq!(found, ["1,1", "2", "a>b", "3"]);
        each_tag("<row r=\"1".as_bytes(), &["row"], |_| {
            panic!("a tag without an end")
        })
        .unwrap();
    }
}
