//! Outlets: lines on their way to a file or a pipe that may be slow, gone or full.
//!
//! Whoever hands a line over never waits for the target. Lines wait in memory within a bound; those that find no room
//! are dropped and counted. A thread of its own writes them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most bytes of lines that wait.
const MOST_WAITING: usize = 16 << 20;

/// The way of lines to one target. Clones share it.
#[derive(Clone, Debug)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    is_closed: bool,
    /// True once the target can take nothing more, or has everything.
    is_over: bool,
    failure: Option<io::Error>,
}

/// The end of an outlet.
#[derive(Debug)]
pub struct Drained {
    /// The number of lines that the target has not got.
    pub dropped: u64,
    /// The reason why the target can take nothing more.
    pub failure: Option<io::Error>,
}

impl Default for Outlet {
    fn default() -> Self {
        Self::with_room(MOST_WAITING)
    }
}

impl Outlet {
    /// Returns an outlet in which lines of at most so many bytes wait.
    #[must_use]
    pub fn with_room(most: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            most,
        }))
    }

    /// Hands a line over, without its line feed. Never waits for the target.
    pub fn push(&self, mut line: String) {
        line.push('\n');
        let mut state = self.state();
        let has_room = state.bytes + line.len() <= self.0.most;
        if state.is_over || state.is_closed || !has_room {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.waiting.push_back(line);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Begins to write to the target. Lines that were handed over before go first. Without a thread to write them, all
    /// lines are dropped.
    pub fn open(&self, mut target: impl Write + Send + 'static) {
        let outlet = self.clone();
        let begun = thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || outlet.drain(&mut target));
        if let Err(error) = begun {
            self.end(Some(error));
        }
    }

    /// Takes no more lines, and waits until all have been written, for at most so long.
    pub fn close(&self, most: Duration) -> Drained {
        let mut state = self.state();
        state.is_closed = true;
        self.0.changed.notify_all();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, most, |state| !state.is_over);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Drained {
            dropped: state.dropped + state.waiting.len() as u64,
            failure: state.failure.take(),
        }
    }

    /// Returns the number of lines that were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn drain(&self, target: &mut impl Write) {
        while let Some(lines) = self.next() {
            let written = lines
                .iter()
                .try_for_each(|line| target.write_all(line.as_bytes()))
                .and_then(|()| target.flush());
            if let Err(error) = written {
                self.state().dropped += lines.len() as u64;
                return self.end(Some(error));
            }
        }
        self.end(None);
    }

    /// Waits for lines; none once the outlet is closed and empty.
    fn next(&self) -> Option<VecDeque<String>> {
        let waits = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let waited = self.0.changed.wait_while(self.state(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        let lines = std::mem::take(&mut state.waiting);
        (!lines.is_empty()).then_some(lines)
    }

    fn end(&self, failure: Option<io::Error>) {
        let mut state = self.state();
        state.is_over = true;
        state.failure = failure;
        state.dropped += state.waiting.len() as u64;
        state.waiting.clear();
        drop(state);
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    /// A target that hands on what it gets, and waits for a word before it takes more.
    struct Slow(mpsc::Sender<String>, mpsc::Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into()).unwrap();
            self.1.recv().unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_for_their_target_and_come_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let outlet = Outlet::default();
        outlet.push("first".to_owned());
        outlet.open(file.reopen().unwrap());
        outlet.push("second".to_owned());
        let drained = outlet.close(LONG);
        assert_eq!((drained.dropped, drained.failure.is_none()), (0, true));
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "first\nsecond\n");
    }

    #[test]
    fn a_target_that_takes_nothing_costs_lines_and_no_time() {
        let (taken, arrivals) = mpsc::channel();
        let (_go_on, goes_on) = mpsc::channel();
        let outlet = Outlet::with_room(20);
        outlet.open(Slow(taken, goes_on));
        outlet.push("first".to_owned());
        assert_eq!(arrivals.recv().unwrap(), "first\n");
        for _ in 0..5 {
            outlet.push("next".to_owned());
        }
        assert_eq!(outlet.dropped(), 1, "20 bytes hold four of five lines");
        assert_eq!(outlet.close(AT_ONCE).dropped, 5);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_target_is_told_once_and_left_alone() {
        let outlet = Outlet::default();
        outlet.push("first".to_owned());
        outlet.open(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        );
        let drained = outlet.close(LONG);
        assert_eq!(drained.dropped, 1);
        let failure = drained.failure.unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
        outlet.push("late".to_owned());
        assert_eq!(outlet.dropped(), 2);
    }
}
