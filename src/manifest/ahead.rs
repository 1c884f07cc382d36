//! Reading ahead: one thread takes a manifest apart while the caller's looks at the rows before.
//!
//! The caller sees rows and problems in the order in which one thread would have found them, except that the
//! problems of reading come up to a batch before the rows around them.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::manifest::ManifestError;
use crate::model::{Cells, Problem, Row};

/// How many rows change hands at once: enough that waking the other thread costs nothing beside them.
const BATCH: usize = 256;

/// How many batches may wait, so that neither thread stands still when the other stumbles. With these,
/// about two thousand rows are in memory.
const WAITING: usize = 6;

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

/// Rows that change hands, and what was wrong with those that could not be taken apart among them.
struct Batch<C> {
    rows: Vec<(u32, C)>,
    problems: Vec<Problem>,
}

/// Hands every row of manifest `file` to `visit`, while another thread goes on reading.
pub(super) fn read<S: Source + Send, E: From<ManifestError>>(
    source: S,
    file: u16,
    problems: &mut Vec<Problem>,
    mut visit: impl FnMut(Row<'_>, &mut Vec<Problem>) -> Result<(), E>,
    failed: impl Fn(io::Error) -> ManifestError,
) -> Result<(), E> {
    let (full, batches) = sync_channel(WAITING);
    let (emptied, spares) = channel();
    thread::scope(|scope| {
        // Without a receiver or a sender the other side ends; so does this one.
        let batches: Receiver<io::Result<Batch<S::Cells>>> = batches;
        let emptied: Sender<Vec<(u32, S::Cells)>> = emptied;
        thread::Builder::new()
            .name("manifest".to_owned())
            .spawn_scoped(scope, move || fill(source, &full, &spares))
            .map_err(&failed)?;
        for batch in batches {
            let mut batch = batch.map_err(&failed)?;
            problems.append(&mut batch.problems);
            for (number, cells) in &batch.rows {
                let number = *number;
                visit(
                    Row {
                        file,
                        number,
                        cells,
                    },
                    problems,
                )?;
            }
            // Nobody takes it any more when everything has been read.
            let _ = emptied.send(batch.rows);
        }
        Ok(())
    })
}

/// Reads batch after batch, until nothing is left or nobody wants more.
fn fill<S: Source>(
    mut source: S,
    full: &SyncSender<io::Result<Batch<S::Cells>>>,
    spares: &Receiver<Vec<(u32, S::Cells)>>,
) {
    loop {
        let spare = spares.try_recv().unwrap_or_default();
        let batch = next_batch(&mut source, spare);
        let last = !matches!(&batch, Ok(batch) if batch.rows.len() == BATCH);
        if full.send(batch).is_err() || last {
            return;
        }
    }
}

fn next_batch<S: Source>(
    source: &mut S,
    mut spare: Vec<(u32, S::Cells)>,
) -> io::Result<Batch<S::Cells>> {
    let mut batch = Batch {
        rows: Vec::with_capacity(BATCH),
        problems: Vec::new(),
    };
    while batch.rows.len() < BATCH {
        let (_, cells) = spare.pop().unwrap_or_default();
        let Some(row) = source.next(cells, &mut batch.problems)? else {
            break;
        };
        batch.rows.push(row);
    }
    Ok(batch)
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
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        let error = |source| ManifestError {
            name: "m".to_owned(),
            source,
        };
        let visit = |row: Row<'_>, _: &mut Vec<Problem>| {
            assert_eq!(row.cells.raw(0), row.number.to_string());
            rows.push(row.number);
            if row.number == last {
                return Err(error(io::Error::other("enough")));
            }
            Ok(())
        };
        let read = read(source, 0, &mut problems, visit, error);
        let told = read.err().map(|error| error.source.to_string());
        (rows, problems.iter().map(|p| p.row).collect(), told)
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
    fn reading_that_fails_and_a_visitor_that_fails_both_end_it() {
        let (_, _, error) = seen(source(5000, true), u32::MAX);
        assert_eq!(error.as_deref(), Some("the disk is gone"));
        let (rows, _, error) = seen(source(1_000_000, true), 3);
        assert_eq!((rows.len(), error.as_deref()), (3, Some("enough")));
    }
}
