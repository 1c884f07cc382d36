//! The types of the wire: ids, field values, requests, replies and failures.
//!
//! They are plain data. The few interpretations that several layers share stand here too: an id from a JSON value,
//! an error from an answer. Nothing here decides anything, does IO or reads a clock.

mod call;
mod failure;
mod id;
mod path;
mod quoted;
mod value;

pub use self::call::{Answer, Extent, Method, QuotaClass, Reply, Request, Version};
pub use self::failure::Failure;
pub use self::id::{Id, NotAnId, Object};
pub use self::path::Path;
pub use self::quoted::{quoted, shortened};
pub use self::value::{FieldValue, Fields, Reference};
