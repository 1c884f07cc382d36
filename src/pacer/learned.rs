//! Facts of a tenant's limits, as refusals and calls that passed have shown them.

use std::num::NonZeroU32;

use super::quota::{QuotaScope, Shape};
use crate::wire::QuotaClass;

/// Something that was learned of a tenant's limits, and is remembered for later runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The calls that the limits count together. Never [`QuotaScope::Auto`].
    Scope(QuotaScope),
    /// The way in which calls of a class are to be spread; [`Shape::Auto`] if what was learned before was wrong.
    Shape(QuotaClass, Shape),
    /// The calls of a class that a window had room for when one was refused: the limit, or the part of it that other
    /// programs leave.
    Limit(QuotaClass, NonZeroU32),
}
