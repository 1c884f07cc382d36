//! What refusals, and calls that passed, have shown of a tenant's limits.

use super::quota::{QuotaScope, Shape};
use crate::wire::QuotaClass;

/// Something that was learned of a tenant's limits, and is remembered for later runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The calls that the limits count together. Never [`QuotaScope::Auto`].
    Scope(QuotaScope),
    /// The way in which calls of a class are to be spread; [`Shape::Auto`] if what was learned before was wrong.
    Shape(QuotaClass, Shape),
}
