//! The coordinator: takes the core's questions to the table that processes share, in their order, and brings the
//! answers back. Questions that come while others are answered share the next transaction.

use std::thread::sleep;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::call::is_group;
use super::effect::Tell;
use super::lanes::LaneKey;
use crate::coordination::{Coordination, CoordinationError, Holder, Now, RunId, Table};
use crate::journal;
use crate::pacer::{Slot, SlotRequest};
use crate::wire::{Id, QuotaClass};

/// A question to the table, or a change of it.
#[derive(Debug)]
pub(super) enum Ask {
    /// The next free slot for a call, not before that time.
    Slot(LaneKey, Box<SlotRequest>, i64),
    Pause(QuotaClass, i64),
    Tell(Tell),
    /// Note that the run sends a write.
    Sends,
}

/// An answer of the table. Times are nanoseconds since the start of the machine.
#[derive(Debug)]
pub(super) enum Told {
    /// The slot of a call of the lane, and how much later than that the call may go.
    Slot(LaneKey, Slot, Duration),
    /// The run that holds the object; `None` if this one does.
    Claimed(String, Option<Holder>),
    /// Objects that runs have deleted lately.
    Deleted(Vec<Id>),
}

type Answers = Result<Vec<Told>, CoordinationError>;

/// The way to the table.
#[derive(Debug)]
pub(super) struct Coordinator {
    table: Coordination,
    run: Option<Member>,
    asks: Vec<Ask>,
    asking: Option<JoinHandle<Answers>>,
}

/// The run for which claims are made.
#[derive(Clone, Debug)]
pub struct Member {
    /// The number of the run in the table.
    pub id: RunId,
    /// The name of the run.
    pub name: String,
}

impl Coordinator {
    pub(super) fn new(table: Coordination) -> Self {
        Self {
            table,
            run: None,
            asks: Vec::new(),
            asking: None,
        }
    }

    /// Makes all claims from now on for that run.
    pub(super) fn join(&mut self, run: Member) {
        self.run = Some(run);
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        let is_repeated = matches!((&ask, self.asks.last()), (Ask::Sends, Some(Ask::Sends)));
        if !is_repeated {
            self.asks.push(ask);
        }
    }

    /// Takes the questions to the table, unless others are on their way.
    pub(super) fn begin(&mut self) {
        if self.asks.is_empty() || self.asking.is_some() {
            return;
        }
        let asks = std::mem::take(&mut self.asks);
        let (table, run) = (self.table.clone(), self.run.clone());
        self.asking = Some(spawn_blocking(move || {
            patiently(|| answer(&table, run.as_ref(), &asks))
        }));
    }

    /// Waits for the answers, for ever if nothing was asked.
    pub(super) async fn answered(&mut self) -> Result<Answers, JoinError> {
        match &mut self.asking {
            None => std::future::pending().await,
            Some(asking) => {
                let answers = asking.await;
                self.asking = None;
                answers
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asks.is_empty() && self.asking.is_none()
    }
}

/// Tries for some time: another process may have been stopped while it held the table, or the disk may be full for a while.
fn patiently(mut answer: impl FnMut() -> Answers) -> Answers {
    const TRIES: u32 = 3;
    const PAUSE: Duration = Duration::from_secs(1);
    for attempt in 1..TRIES {
        match answer() {
            Err(error) if attempt == 1 => {
                tracing::warn!(%error, "the table that processes share cannot be used; nothing is sent until it can");
            }
            Err(_) => {}
            answers => return answers,
        }
        sleep(PAUSE);
    }
    answer()
}

fn answer(table: &Coordination, run: Option<&Member>, asks: &[Ask]) -> Answers {
    table.change(Now::read(), |table| {
        let mut told = Vec::new();
        for ask in asks {
            match (ask, run) {
                (Ask::Slot(lane, request, earliest), _) => {
                    let run = run.map(|run| run.id);
                    let slot = table.take_slot(request, *earliest, run, journal::is_locked)?;
                    told.push(Told::Slot(lane.clone(), slot, request.tolerance()));
                }
                (Ask::Pause(class, until), _) => table.pause(*class, *until)?,
                (Ask::Tell(Tell::Learned(learned)), _) => table.learn(*learned)?,
                (Ask::Tell(tell), Some(run)) => told.extend(tell_of(table, run, tell)?),
                (Ask::Sends, Some(run)) => table.sends(run.id)?,
                // Nothing is changed before there is a run.
                (Ask::Tell(_) | Ask::Sends, None) => {}
            }
        }
        Ok(told)
    })
}

/// Tells the table of a run, and returns its answers.
fn tell_of(table: &Table<'_>, run: &Member, tell: &Tell) -> rusqlite::Result<Vec<Told>> {
    match tell {
        Tell::Claim(object) => return claim(table, run, object),
        Tell::Release(objects) => objects
            .iter()
            .try_for_each(|object| table.release(object, run.id)),
        Tell::Own(ids) => ids
            .iter()
            .try_for_each(|id| table.own(id.as_str(), &run.name)),
        Tell::Deleted(ids) => ids.iter().try_for_each(|id| table.delete(id.as_str())),
        Tell::Touched(last) => last
            .iter()
            .try_for_each(|(scope, id)| table.touch(scope, id.as_str())),
        Tell::Learned(learned) => table.learn(*learned),
    }?;
    Ok(Vec::new())
}

fn claim(table: &Table<'_>, run: &Member, object: &str) -> rusqlite::Result<Vec<Told>> {
    let holder = table.claim(object, run.id, journal::is_locked)?;
    let mut told = Vec::new();
    if holder.is_none() && is_group(object) {
        let deleted = table.deleted()?;
        let ids = deleted.iter().filter_map(|id| Id::parse(id));
        told.push(Told::Deleted(ids.collect()));
    }
    told.push(Told::Claimed(object.to_owned(), holder));
    Ok(told)
}
