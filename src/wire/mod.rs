//! The words of the wire: ids, field values, requests, replies and failures.
//!
//! Plain data, with the few readings of it that several layers need alike (an id from a JSON value, an error
//! from an answer). Nothing here decides anything, does IO or reads a clock.

mod call;
mod failure;
mod id;
mod value;

pub use self::call::{Answer, Method, QuotaClass, Reply, Request, Version};
pub use self::failure::Failure;
pub use self::id::{Id, Object};
pub use self::value::{FieldValue, Fields, Reference};
