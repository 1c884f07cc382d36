//! Files of any kind as UTF-8: what is compressed is unpacked, and text in another encoding is decoded.
//!
//! What cannot be read is named by what it is, in one message. The result of unpacking and decoding goes to an unnamed
//! temporary file, so it takes no memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek as _, Write as _};

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

use super::format::BOM;
use super::reading::Reading;
use super::spool::spool;

/// The bytes with which a saved plan begins, whatever its name and its version.
pub(crate) const SAVED_PLAN: &[u8] = b"{\"zpa_bulk_plan\":";

/// The number of bytes that are looked at to tell what a file is.
const SEEN: usize = 1 << 13;

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The content of a file, by what it is.
#[derive(Debug)]
pub(super) enum Source {
    /// UTF-8 text, or nearly: single cells may hold other bytes.
    Text(File),
    /// A zip archive, as workbooks are.
    Archive(File),
    /// A file that is no manifest. The message says what it is, and what to do.
    Foreign(String),
}

/// Finds out what a file is, and makes UTF-8 of it. `notes` takes what the user should know about it.
pub(super) fn read(file: File, reading: &Reading, notes: &mut Vec<String>) -> io::Result<Source> {
    let mut file = file;
    let mut start = beginning(&mut file)?;
    if start.starts_with(b"\x1f\x8b") {
        file = match spool(MultiGzDecoder::new(file), reading.largest) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(error),
            Err(error) => {
                let message = format!("the file is compressed with gzip, and damaged: {error}");
                return Ok(Source::Foreign(message));
            }
        };
        start = beginning(&mut file)?;
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Ok(Source::Archive(file));
    }
    if let Some(what) = foreign(&start) {
        return Ok(Source::Foreign(what));
    }
    let encoding = match reading.encoding {
        Some(encoding) => encoding.0,
        None => match encoding_of(&mut file, &start)? {
            Some(encoding) => encoding,
            None => return Ok(Source::Text(file)),
        },
    };
    if reading.encoding.is_none() && !is_unicode(encoding) {
        notes.push(format!(
            "the file is not UTF-8, and is read as {}; --encoding names another",
            encoding.name()
        ));
    }
    decoded(file, encoding)
}

fn is_unicode(encoding: &'static Encoding) -> bool {
    [UTF_8, UTF_16LE, UTF_16BE].contains(&encoding)
}

/// Returns the first bytes of a file, and goes back to its beginning.
fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut start = Vec::with_capacity(SEEN);
    file.take(SEEN as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// Returns what a file is that is no manifest, with what to do about it.
fn foreign(start: &[u8]) -> Option<String> {
    const SAVE: &str = "save the sheet as \"CSV UTF-8\"";
    let text = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
    let begins = |with: &str| {
        let beginning = text.get(..with.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(with.as_bytes()))
    };
    let what = match start {
        [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            "an old Excel workbook (.xls), or one with a password; save it as .xlsx, without a password".to_owned()
        }
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => format!("UTF-32; {SAVE}"),
        [b'%', b'P', b'D', b'F', ..] => {
            "a PDF; export the table from the program that made it".to_owned()
        }
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {
            "a picture; a manifest is a table".to_owned()
        }
        [b'B', b'Z', b'h', ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..]
        | [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            "compressed; unpack it first, or compress it with gzip".to_owned()
        }
        _ if start.starts_with(SAVED_PLAN) => {
            "a saved plan; zpa-bulk apply takes its name, and nothing besides it".to_owned()
        }
        _ if begins("<!doctype html")
            || begins("<html")
            || begins("<table")
            || begins("<head")
            || begins("<body") =>
        {
            format!(
                "a web page; it may be the answer of a server that wanted a sign-in. If it is a table, open it in a spreadsheet program, and {SAVE}"
            )
        }
        _ if begins("<?xml") || begins("<workbook") => {
            format!("XML; open it in a spreadsheet program, and {SAVE}")
        }
        _ if begins("{\\rtf") => {
            format!("a text document (RTF); put the table into a spreadsheet, and {SAVE}")
        }
        _ => return None,
    };
    Some(format!("the file is {what}"))
}

/// Returns the encoding of a text file, unless it is UTF-8 or nearly.
fn encoding_of(file: &mut File, start: &[u8]) -> io::Result<Option<&'static Encoding>> {
    if let Some((encoding, _)) = Encoding::for_bom(start) {
        return Ok((encoding != UTF_8).then_some(encoding));
    }
    if let Some(encoding) = without_mark(start) {
        return Ok(Some(encoding));
    }
    eight_bit(file)
}

/// Recognises UTF-16 without a byte order mark. Half of the bytes of Latin text are zero there.
fn without_mark(start: &[u8]) -> Option<&'static Encoding> {
    let zeros = |from: usize| {
        let bytes = start.iter().skip(from).step_by(2);
        let count = bytes.clone().filter(|byte| **byte == 0).count();
        (count, bytes.count())
    };
    let ((high, all), (low, _)) = (zeros(0), zeros(1));
    let is_most = |count: usize| all >= 4 && count * 2 > all;
    let is_few = |count: usize| count * 16 <= all;
    if is_most(low) && is_few(high) {
        return Some(UTF_16LE);
    }
    (is_most(high) && is_few(low)).then_some(UTF_16BE)
}

/// Finds the encoding of a file that is neither ASCII nor UTF-8. A file with text that can only be UTF-8 is UTF-8, even if a
/// few of its bytes are damaged.
fn eight_bit(file: &mut File) -> io::Result<Option<&'static Encoding>> {
    let mut reader = BufReader::with_capacity(CHUNK, &*file);
    let mut detector = None;
    let mut text = Utf8::default();
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let length = chunk.len();
        if detector.is_some() || !chunk.is_ascii() {
            let detector = detector
                .get_or_insert_with(|| EncodingDetector::new(chardetng::Iso2022JpDetection::Deny));
            detector.feed(chunk, false);
            text.feed(chunk);
        }
        reader.consume(length);
    }
    file.rewind()?;
    let Some(mut detector) = detector else {
        return Ok(None);
    };
    detector.feed(b"", true);
    if text.is_utf8() {
        return Ok(None);
    }
    let guessed = detector.guess(None, chardetng::Utf8Detection::Deny);
    Ok(Some(guessed))
}

/// The characters of more than one byte in a text: those that are UTF-8, and those that are not.
#[derive(Debug, Default)]
struct Utf8 {
    /// The bytes of a character that has not ended.
    rest: Vec<u8>,
    whole: u64,
    broken: u64,
}

impl Utf8 {
    fn feed(&mut self, chunk: &[u8]) {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(chunk);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(piece) = chunks.next() {
            self.whole += piece.valid().chars().filter(|c| !c.is_ascii()).count() as u64;
            let invalid = piece.invalid();
            let may_go_on = chunks.peek().is_none() && invalid.len() < 4;
            if may_go_on && str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
            {
                self.rest = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.broken += 1;
            }
        }
    }

    fn is_utf8(&self) -> bool {
        self.whole > 0 || (self.broken == 0 && self.rest.is_empty())
    }
}

/// Decodes a file into a temporary one in UTF-8.
fn decoded(file: File, encoding: &'static Encoding) -> io::Result<Source> {
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut reader = BufReader::with_capacity(CHUNK, file);
    let mut writer = BufWriter::with_capacity(CHUNK, tempfile::tempfile()?);
    let mut text = vec![0; CHUNK];
    let mut is_damaged = false;
    loop {
        let chunk = reader.fill_buf()?;
        let is_last = chunk.is_empty();
        let (result, read, written, replaced) = decoder.decode_to_utf8(chunk, &mut text, is_last);
        reader.consume(read);
        is_damaged |= replaced;
        writer.write_all(text.get(..written).unwrap_or_default())?;
        if is_last && result == encoding_rs::CoderResult::InputEmpty {
            break;
        }
    }
    if is_damaged && encoding != UTF_8 {
        let message = format!(
            "the file is not {}; save it as \"CSV UTF-8\", or name its encoding with --encoding",
            encoding.name()
        );
        return Ok(Source::Foreign(message));
    }
    let mut file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(Source::Text(file))
}
