//! Pacing: the earliest instant at which the next call of a quota class may go.
//!
//! A server that allows L calls per window W is never sent more than L in ANY window of W and its margin, which is
//! added because calls may arrive closer together than they were sent. By windows, a call goes as soon as this
//! allows. So the last of n calls goes at `(ceil(n/L) - 1) (W + margin)`, the least possible time but for the margin. The
//! means are L cells, each a GCRA on governor's limiter, with the time passed in.
//!
//! Some servers do not count windows: a sliding counter or a small token bucket refuses what a window would let pass. A
//! refusal that the calls of the last window do not explain therefore makes the pace smooth: one more cell spaces
//! the calls evenly. If refusals go on even so, another program uses a part of the limit, and the search finds the
//! part that is left.
//!
//! The pacer sets no timers, reads no clock and never waits. The caller waits until [`Admission::NotBefore`] and
//! asks again. So an admission takes at most two checks a cell, however many callers wait.

mod admission;
mod cells;
mod class;
mod learned;
mod quota;
mod search;
mod slots;
mod throughput;

pub use self::admission::{Admission, Flow, Refusal};
pub use self::class::{Found, Pacer};
pub use self::learned::Learned;
pub use self::quota::{Margin, Pace, Paces, Quota, QuotaError, QuotaScope, Shape, parse_duration};
pub use self::slots::{Slot, SlotRequest, Terms};
