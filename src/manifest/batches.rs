//! Reading on several threads. Each takes the next rows out of the manifest, looks at them while the others do so
//! with theirs, and hands on what it found when the rows before them have been handed on.
//!
//! So whatever comes of the rows comes in their order, and how many threads there are makes no difference to it.

use std::io;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::item::{Cells, Problem, Row};
use crate::manifest::ManifestError;

/// How many rows a thread takes at once: enough that waiting for the others costs little beside them, and few
/// enough that they stay in the processor's cache.
const BATCH: usize = 256;

/// Taking rows out and handing on is for one thread at a time; more threads than these would mostly wait.
const MOST_THREADS: usize = 4;

/// Takes rows out of a manifest, one after the other.
pub(super) trait Source {
    /// The cells of one row.
    type Cells: Cells + Default + Send;

    /// The next row that can be taken apart, with its number; `None` behind the last. Its cells may
    /// take the place of those in `spare`.
    fn next(
        &mut self,
        spare: Self::Cells,
        problems: &mut Vec<Problem>,
    ) -> io::Result<Option<(u32, Self::Cells)>>;
}

/// Rows that follow each other, and what is wrong with those among them that could not be taken apart.
struct Batch<C> {
    number: u64,
    rows: Vec<(u32, C)>,
    problems: Vec<Problem>,
}

/// Where batches come from.
struct Intake<S> {
    source: S,
    /// How many there were so far.
    batches: u64,
    ended: bool,
}

/// Where batches wait until those before them have been handed on.
#[derive(Debug)]
struct Queue<'s, T> {
    line: Mutex<Line<'s, T>>,
    moved: Condvar,
}

#[derive(Debug)]
struct Line<'s, T> {
    shared: &'s mut T,
    /// The batch whose turn it is.
    next: u64,
    /// Set when a batch will never be handed on: nothing behind it can be.
    over: bool,
}

/// The place of a batch in the order of all. Reading ends, and fails, when it is dropped without having been
/// [taken](Turn::take).
#[derive(Debug)]
pub struct Turn<'q, 's, T> {
    number: u64,
    queue: &'q Queue<'s, T>,
}

/// Has `visit` look at every row of manifest `file`, a batch at a time, on several threads.
pub(super) fn read<S: Source + Send, T: Send, E: From<ManifestError> + Send>(
    source: S,
    file: u16,
    shared: &mut T,
    visit: impl Fn(&[Row<'_>], Vec<Problem>, Turn<'_, '_, T>) -> Result<(), E> + Sync,
    failed: impl Fn(io::Error) -> ManifestError + Sync,
) -> Result<(), E> {
    let intake = Mutex::new(Intake {
        source,
        batches: 0,
        ended: false,
    });
    let queue = Queue {
        line: Mutex::new(Line {
            shared,
            next: 0,
            over: false,
        }),
        moved: Condvar::new(),
    };
    let work = || {
        let mut spare = Vec::new();
        while !locked(&queue.line).over {
            let taken = locked(&intake).take(spare).map_err(&failed)?;
            let Some(batch) = taken else {
                break;
            };
            let turn = Turn {
                number: batch.number,
                queue: &queue,
            };
            visit(&rows(file, &batch.rows), batch.problems, turn)?;
            spare = batch.rows;
        }
        Ok(())
    };
    let done = |end: Result<(), E>| match end {
        // Rows that were read and not handed on would be lost without a word.
        Ok(()) if locked(&queue.line).over => {
            let lost = io::Error::other("some of its rows were read and not looked at");
            Err(E::from(failed(lost)))
        }
        end => end,
    };
    // No more than can run at once: one that is interrupted within its turn keeps all others waiting.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    done(thread::scope(|scope| {
        let start = || {
            let thread = thread::Builder::new().name("manifest".to_owned());
            // A thread that cannot be started is one less.
            thread.spawn_scoped(scope, work).ok()
        };
        let others: Vec<_> = (1..threads.min(MOST_THREADS))
            .filter_map(|_| start())
            .collect();
        let own = work();
        let mut ends = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        own.and(ends.find(Result::is_err).unwrap_or(Ok(())))
    }))
}

fn rows<C: Cells>(file: u16, batch: &[(u32, C)]) -> Vec<Row<'_>> {
    let rows = batch.iter();
    rows.map(|(number, cells)| Row {
        file,
        number: *number,
        cells,
    })
    .collect()
}

/// What a thread left behind that panicked is not looked at: its panic goes on when all have ended.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Source> Intake<S> {
    /// The next batch; none behind the last, and after an error.
    fn take(&mut self, mut spare: Vec<(u32, S::Cells)>) -> io::Result<Option<Batch<S::Cells>>> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let mut batch = Batch {
            number: self.batches,
            rows: Vec::with_capacity(BATCH),
            problems: Vec::new(),
        };
        while batch.rows.len() < BATCH {
            let (_, cells) = spare.pop().unwrap_or_default();
            let Some(row) = self.source.next(cells, &mut batch.problems)? else {
                break;
            };
            batch.rows.push(row);
        }
        self.batches += 1;
        self.ended = batch.rows.len() < BATCH;
        Ok(Some(batch))
    }
}

impl<T> Turn<'_, '_, T> {
    /// Waits until all earlier batches have been handed on, then hands on what was found in this one. Nothing
    /// happens where an earlier one failed.
    ///
    /// # Errors
    /// That of `hand_on`.
    pub fn take<E>(self, hand_on: impl FnOnce(&mut T) -> Result<(), E>) -> Result<(), E> {
        let waits = |line: &mut Line<'_, T>| !line.over && line.next != self.number;
        let line = self.queue.moved.wait_while(locked(&self.queue.line), waits);
        let mut line = line.unwrap_or_else(PoisonError::into_inner);
        if !line.over {
            hand_on(line.shared)?;
            line.next += 1;
        }
        Ok(())
    }
}

impl<T> Drop for Turn<'_, '_, T> {
    fn drop(&mut self) {
        let mut line = locked(&self.queue.line);
        line.over |= line.next <= self.number;
        self.queue.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that say their number, every tenth of which cannot be taken apart; then perhaps an error.
    struct Numbered {
        next: u32,
        rows: u32,
        broken: bool,
    }

    #[derive(Default)]
    struct Number(String);

    impl Cells for Number {
        fn cell(&self, _: usize) -> Option<&str> {
            Some(&self.0)
        }

        fn raw(&self, _: usize) -> &str {
            &self.0
        }
    }

    impl Source for Numbered {
        type Cells = Number;

        fn next(
            &mut self,
            mut spare: Number,
            problems: &mut Vec<Problem>,
        ) -> io::Result<Option<(u32, Number)>> {
            self.next += 1;
            if self.next.is_multiple_of(10) {
                problems.push(Problem::row(0, self.next, "no row"));
                self.next += 1;
            }
            if self.next <= self.rows {
                spare.0 = self.next.to_string();
                return Ok(Some((self.next, spare)));
            }
            if self.broken {
                return Err(io::Error::other("the disk is gone"));
            }
            Ok(None)
        }
    }

    /// The rows that were seen before the row `last` or the end, the rows with problems, and the error.
    fn seen(source: Numbered, last: u32) -> (Vec<u32>, Vec<u32>, Option<String>) {
        let error = |source| ManifestError {
            name: "m".to_owned(),
            source,
        };
        let mut seen = (Vec::new(), Vec::new());
        let visit = |rows: &[Row<'_>], mut found: Vec<Problem>, turn: Turn<'_, '_, _>| {
            turn.take(|(numbers, problems): &mut (Vec<u32>, Vec<Problem>)| {
                problems.append(&mut found);
                for row in rows {
                    assert_eq!(row.cells.raw(0), row.number.to_string());
                    numbers.push(row.number);
                    if row.number == last {
                        return Err(error(io::Error::other("enough")));
                    }
                }
                Ok(())
            })
        };
        let read = read(source, 0, &mut seen, visit, error);
        let told = read.err().map(|error| error.source.to_string());
        let (numbers, problems) = seen;
        (numbers, problems.iter().map(|p| p.row).collect(), told)
    }

    fn source(rows: u32, broken: bool) -> Numbered {
        Numbered {
            next: 0,
            rows,
            broken,
        }
    }

    #[test]
    fn every_row_and_every_problem_comes_once_and_in_order() {
        let batch = u32::try_from(BATCH).unwrap();
        for rows in [1, batch - 1, batch, batch * 10 / 9, 100 * batch + 1] {
            let (seen, problems, error) = seen(source(rows, false), u32::MAX);
            let whole = |row: &u32| !row.is_multiple_of(10);
            assert_eq!(seen, (1..=rows).filter(whole).collect::<Vec<_>>());
            let broken = (1..=rows + 1).filter(|row| !whole(row));
            assert_eq!(problems, broken.collect::<Vec<_>>());
            assert_eq!(error, None);
        }
    }

    #[test]
    fn a_batch_that_is_never_handed_on_is_an_error_and_no_end() {
        let error = |source| ManifestError {
            name: "m".to_owned(),
            source,
        };
        let visit = |_: &[Row<'_>], _: Vec<Problem>, _: Turn<'_, '_, ()>| Ok(());
        let end: Result<(), ManifestError> = read(source(5000, false), 0, &mut (), visit, error);
        assert!(
            end.unwrap_err()
                .source
                .to_string()
                .contains("not looked at")
        );
    }

    #[test]
    fn reading_that_fails_and_a_visitor_that_fails_both_end_it() {
        let (_, _, error) = seen(source(5000, true), u32::MAX);
        assert_eq!(error.as_deref(), Some("the disk is gone"));
        let (rows, _, error) = seen(source(1_000_000, true), 3);
        assert_eq!((rows.len(), error.as_deref()), (3, Some("enough")));
    }

    #[test]
    fn a_visitor_that_panics_leaves_nobody_waiting_for_its_turn() {
        let failed = |_| unreachable!("these rows can be read");
        let visit = |rows: &[Row<'_>], _: Vec<Problem>, turn: Turn<'_, '_, ()>| {
            assert!(rows.iter().all(|row| row.number != 3), "row 3");
            turn.take(|()| Ok::<(), ManifestError>(()))
        };
        let read = || read(source(1_000_000, false), 0, &mut (), visit, failed);
        let ended = thread::scope(|scope| scope.spawn(read).join());
        let told = ended.unwrap_err();
        assert_eq!(told.downcast_ref(), Some(&"row 3"));
    }
}
