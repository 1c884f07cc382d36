//! The engine: carries a plan out, concurrently and inside the quota, so that every item ends exactly once.
//!
//! The engine has three parts. The dispatcher decides which call goes next, and when. The core decides what happens to
//! items, event by event. The shell is the one select loop that carries their effects out. The first two are
//! synchronous and take the time as an argument, so that tests need no runtime.

mod batch_limit;
mod call;
mod class;
mod coordinator;
mod core;
mod delayed;
mod dispatch;
mod effect;
mod id_remap;
mod in_flight;
mod lag;
mod lanes;
mod listing;
mod lookup;
mod merge;
mod observed;
mod observer;
mod outcomes;
mod own_refs;
mod progress;
mod session;
mod settings;
mod shared_slot;
mod shell;
mod trial;
mod unresolved;
mod witness;
mod workload;

pub use self::coordinator::Member;
pub use self::id_remap::IdRemap;
pub use self::listing::check_listing;
pub use self::observer::{
    CallClass, CallEvent, CallLimit, CallSession, EngineObserver, SentCall, Span,
};
pub use self::progress::{ClassProgress, Progress};
pub use self::settings::{Bounds, End, EngineSettings, Parked, UpdateReads};
pub use self::shell::{Engine, EngineError, Items};
pub use self::workload::Workload;
