//! The files of runs and of the program's state: one way to open them, and one way to replace them. Whatever is read whole is
//! read within a bound.
//!
//! A run directory may come from elsewhere, and a name in it may lead anywhere. So a file is opened only if it is a
//! regular file with one name. Links are not followed, and a pipe is not waited for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

mod digest;

pub(crate) use self::digest::{Digested, sha256};
use crate::platform::{self, follow_no_link, is_link, private_file, sync_dir};

/// Opens a file in order to read it.
///
/// # Errors
/// An [`io::Error`] if the file is missing, is no regular file, or has several names.
pub fn open(path: &Path) -> io::Result<File> {
    opened(path, OpenOptions::new().read(true))
}

/// Opens a file in order to read and change it.
///
/// # Errors
/// The same as for [`open`].
pub fn open_to_change(path: &Path) -> io::Result<File> {
    opened(path, OpenOptions::new().read(true).write(true))
}

/// Opens a file in order to read and change it. If it is missing, makes an empty one that is its owner's alone.
///
/// # Errors
/// The same as for [`open`].
pub fn open_or_create(path: &Path) -> io::Result<File> {
    opened(path, private_file().read(true).write(true).create(true))
}

/// Makes a new file that is its owner's alone.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the name is taken, even by a link that leads nowhere.
pub fn create(path: &Path) -> io::Result<File> {
    opened(path, private_file().read(true).write(true).create_new(true))
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// The same as for [`open`], and [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_within(open(path)?, most)
}

/// Reads all of an input that has at most `most` bytes.
///
/// # Errors
/// An [`io::Error`] if it cannot be read, and [`io::ErrorKind::FileTooLarge`].
pub fn read_within(input: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let (size, unit) = match (most >> 20, most >> 10) {
            (0, 0) => (most, "bytes"),
            (0, size) => (size, "KiB"),
            (size, _) => (size, "MiB"),
        };
        let message = format!("it is larger than {size} {unit}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Reads all of a text in UTF-8 that has at most `most` bytes.
///
/// # Errors
/// The same as for [`read_within`], and [`io::ErrorKind::InvalidData`].
pub fn read_text_within(input: impl Read, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read_within(input, most)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}

/// The most bytes of one line: a row of a plan with the largest cells takes less.
const LONGEST_LINE: u64 = 32 << 20;

/// Reads the next line into `line`, with its line feed if it has one. Returns the number of its bytes: 0 at the end. A
/// line that is longer than 32 MiB is cut there, and so lacks its line feed.
///
/// # Errors
/// An [`io::Error`] if the file cannot be read.
pub fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    input.take(LONGEST_LINE).read_until(b'\n', line)
}

fn opened(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    follow_no_link(options);
    let file = options.open(path).map_err(|error| {
        if is_link(&error) {
            io::Error::other("it is a symbolic link, which is not followed")
        } else {
            error
        }
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if platform::names(&metadata) > 1 {
        return Err(io::Error::other("it has a second name, as a hard link"));
    }
    Ok(file)
}

/// A file that takes the place of another once it is whole. One process at a time may replace the same file.
#[derive(Debug)]
pub struct Replacement {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Begins the file that takes the place of `path`.
    ///
    /// # Errors
    /// An [`io::Error`] if no file can be made beside it.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().display();
        let temporary = path.with_file_name(format!(".{name}.new"));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            file: BufWriter::new(create(&temporary)?),
            temporary,
            path: path.to_owned(),
        })
    }

    /// Puts the file on disk under its final name.
    ///
    /// # Errors
    /// An [`io::Error`]; the old file is then still in its place, if it can be.
    pub fn finish(self) -> io::Result<()> {
        self.file.into_inner()?.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_dir(self.path.parent().unwrap_or(Path::new("")))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
