//! The target of a stream of events: a file, standard output, or an open file descriptor.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::clock::wall;
use crate::ops::Error;
use crate::platform::{is_pipe, private_file};
use crate::report::EventStream;

/// The beginning of a target that is an open file descriptor.
const DESCRIPTOR: &str = "fd:";

/// Tells whether that target is standard output.
pub(crate) fn is_stdout(target: &Path) -> bool {
    target == Path::new("-") || target == Path::new("fd:1")
}

/// Opens a stream of events to that target.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) if the target cannot be opened.
pub(super) fn open(target: &Path) -> Result<EventStream, Error> {
    let shown = target.display().to_string();
    let opened: io::Result<Box<dyn Write + Send>> = match shown.strip_prefix(DESCRIPTOR) {
        _ if is_stdout(target) => Ok(Box::new(io::stdout())),
        Some(number) => descriptor(number).map(|file| Box::new(file) as _),
        None => file(target),
    };
    let opened = opened.map_err(|error| Error::usage(format!("--events {shown}: {error}")))?;
    Ok(EventStream::to(opened, wall()))
}

fn descriptor(number: &str) -> io::Result<File> {
    let number: u32 = number
        .parse()
        .map_err(|_| io::Error::other("a file descriptor is a number, like fd:3"))?;
    OpenOptions::new()
        .append(true)
        .open(format!("/dev/fd/{number}"))
}

fn file(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    if path
        .metadata()
        .is_ok_and(|found| is_pipe(found.file_type()))
    {
        return Ok(Box::new(Pipe::Named(path.to_owned())));
    }
    let file = private_file()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    Ok(Box::new(file))
}

/// A pipe with a name. It is opened with the first line, since that waits until somebody reads.
enum Pipe {
    Named(PathBuf),
    Open(File),
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Named(path) = self {
            *self = Self::Open(OpenOptions::new().write(true).open(path)?);
        }
        match self {
            Self::Open(file) => file.write(bytes),
            Self::Named(_) => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
