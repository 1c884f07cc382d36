//! The effects that the core asks for, and that the [shell](super::shell) carries out.

use std::time::Instant;

use super::call::CallId;
use super::lanes::LaneKey;
use crate::item::Event;
use crate::pacer::{Learned, SlotRequest};
use crate::plan::Work;
use crate::wire::{Id, QuotaClass, Request};

/// One thing that the shell is to do. `Core` is [`super::core::Core`].
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Fetch a token, then call `Core::signed_in`.
    SignIn,
    /// Load the items of this work from the plan, then call `Core::loaded`.
    Load(Work),
    /// Take a slot of the quota that processes share, then call `Lanes::take_slot`.
    TakeSlot(LaneKey, SlotRequest),
    /// Tell the processes that share the quota of this class to send nothing before that instant.
    Pause(QuotaClass, Instant),
    /// Tell the table of this, or ask it. Answers come to `Core::claimed` and `Core::deleted`.
    Tell(Tell),
    /// Put this intent on disk, then call `Core::recorded`.
    Record(CallId, Event),
    /// Send this request, then call `Core::replied`.
    Send(CallId, Request),
    /// Write this event down. Nothing waits for it.
    Append(Event),
}

/// A question to the table that processes share, or a change of it.
#[derive(Debug, PartialEq)]
pub(super) enum Tell {
    /// Claim this object against other runs.
    Claim(String),
    /// Let other runs change these objects again.
    Release(Vec<String>),
    /// This run has created or adopted these objects.
    Own(Vec<Id>),
    /// This run has deleted these objects.
    Deleted(Vec<Id>),
    /// This run has changed these objects, each the last one of the scope of that name.
    Touched(Vec<(String, Id)>),
    /// The tenant has shown this of its limits.
    Learned(Learned),
}
