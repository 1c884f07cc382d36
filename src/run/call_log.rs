//! `calls.jsonl`, the log of every call of a run: evidence of how its limits were kept. To go on with the run, it is not
//! needed.
//!
//! Each line is a [`CallEvent`]. A process that works on the run adds its lines to those of earlier ones, and begins with
//! a [`CallSession`](crate::engine::CallSession). Calls that were under way when a process was killed are missing.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{CallEvent, EngineObserver};
use crate::files::{self, next_line};
use crate::item::Outcome;
use crate::outlet::Outlet;

const FILE_NAME: &str = "calls.jsonl";

/// The size from which on a log is not added to.
const LARGEST: u64 = 256 << 20;

/// The most events that are read.
const MOST_READ: usize = 400_000;

/// The longest time for which a slow disk is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The log of the calls of this process. Events are kept in memory until the run has a directory. A disk that is slow or
/// full costs events, and never time.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Outlet);

impl CallLog {
    /// Begins to write into the directory of a run.
    ///
    /// # Errors
    /// An [`io::Error`] if the log cannot be opened, or is larger than 256 MiB.
    pub fn open(&self, directory: &Path) -> io::Result<()> {
        self.0.open(opened(directory)?);
        Ok(())
    }

    /// Writes all that is left, and waits for it for at most five seconds.
    ///
    /// # Errors
    /// An [`io::Error`] if events are missing, with their number.
    pub fn close(&self) -> io::Result<()> {
        let dropped = self.0.dropped();
        if dropped > 0 {
            self.note(&CallEvent::Dropped { count: dropped });
        }
        let drained = self.0.close(PATIENCE);
        match (drained.dropped, drained.failure) {
            (0, None) => Ok(()),
            (missing, None) => Err(io::Error::other(format!(
                "{missing} of its lines are missing"
            ))),
            (_, Some(error)) => Err(error),
        }
    }

    fn note(&self, event: &CallEvent) {
        // An event always has a form in JSON.
        if let Ok(line) = serde_json::to_string(event) {
            self.0.push(line);
        }
    }
}

impl EngineObserver for CallLog {
    fn observe(&self, event: &CallEvent) {
        self.note(event);
    }

    fn ended(&self, _: &[Outcome], _: Timestamp) {}
}

/// Opens the log at its end, which is the beginning of a line.
fn opened(directory: &Path) -> io::Result<File> {
    let mut file = files::open_or_create(&directory.join(FILE_NAME))?;
    let length = file.seek(SeekFrom::End(0))?;
    if length > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// The events of a log, as far as they can be read.
#[derive(Debug, Default)]
pub struct LoggedCalls {
    /// The first 400,000 events.
    pub events: Vec<CallEvent>,
    /// The number of lines that are no events.
    pub damaged: u64,
    /// True if there are more events.
    pub is_cut: bool,
}

impl LoggedCalls {
    /// Reads the log of the run in `directory`. A run of an older program has none.
    ///
    /// # Errors
    /// An [`io::Error`] if the log is there and cannot be read.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let file = match files::open(&directory.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut file = BufReader::new(file);
        let (mut read, mut line) = (Self::default(), Vec::new());
        while next_line(&mut file, &mut line)? > 0 {
            if read.events.len() >= MOST_READ {
                read.is_cut = true;
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(event) => read.events.push(event),
                Err(_) => read.damaged += 1,
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{CallClass, Span};

    fn event(ms: u64) -> CallEvent {
        CallEvent::Wait(Span {
            at: Timestamp::UNIX_EPOCH,
            class: CallClass::Write,
            ms,
        })
    }

    fn logged(directory: &Path, events: impl IntoIterator<Item = CallEvent>) -> io::Result<()> {
        let log = CallLog::default();
        events.into_iter().for_each(|event| log.observe(&event));
        log.open(directory)?;
        log.close()
    }

    #[test]
    fn a_later_process_adds_its_lines_after_a_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        logged(dir.path(), [event(1), event(2)]).unwrap();
        let path = dir.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        logged(dir.path(), [event(3)]).unwrap();
        let read = LoggedCalls::read(dir.path()).unwrap();
        assert_eq!(read.events, [event(1), event(3)]);
        assert_eq!((read.damaged, read.is_cut), (1, false));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        std::fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join(FILE_NAME)).unwrap();
        logged(dir.path(), [event(1)]).unwrap_err();
        assert_eq!(std::fs::read(&other).unwrap(), b"");
    }

    #[test]
    fn a_run_without_a_log_has_no_events() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(LoggedCalls::read(dir.path()).unwrap().events, []);
    }
}
