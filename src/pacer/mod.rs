//! Pacing: the earliest instant at which the next call of a quota class may go.
//!
//! The pacer is GCRA on governor's limiter, with the time passed in. A server that allows L calls per window W
//! is never sent more than L in ANY window of W. GCRA with interval T and burst b emits at most
//! `b + ceil(W/T) - 1` calls in any half-open window, so T is at least `W / (L - b + 1)`. A margin is added to
//! W, because calls may arrive closer together than they were sent.
//!
//! The burst follows from the number of calls that are expected. If they fit into one window, all go at once;
//! else the burst is 1, which gives the full rate. The burst may change while earlier calls still count.
//! Therefore the pacer also remembers the last L admissions, and lets no call go before the one L calls earlier
//! has left the window. In steady state this never delays: L intervals are exactly one window and its margin.
//!
//! The pacer sets no timers, reads no clock and never waits. The caller waits until [`Admission::NotBefore`] and
//! asks again. So an admission takes at most two checks, however many callers wait.

mod admission;
mod class;
mod quota;
mod search;
mod shape;
mod slots;
mod throughput;

pub use self::admission::{Admission, Flow, Refusal};
pub use self::class::Pacer;
pub use self::quota::{Burst, Margin, Pace, Paces, Quota, QuotaError, QuotaScope, parse_duration};
pub use self::slots::{SlotRequest, Terms};
