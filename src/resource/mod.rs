//! The kinds of objects that the program knows: their columns, natural keys, rules and endpoints.
//!
//! Each resource has one file here and one line in the registry. The rest of the program treats all resources alike and
//! reads these tables. A resource does no IO and holds no state.

mod action;
pub mod connector;
mod connector_schedule;
mod content;
mod domain;
mod invisible;
mod live;
mod part;
mod portal_link;
mod registry;
mod requests;
mod schema;
mod scope;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod user_portal;

pub use self::action::Action;
pub use self::invisible::{look, quick_hash, quick_look_hash, visible};
pub use self::live::live_refs;
pub use self::part::Part;
pub use self::schema::{Bulk, BulkDelete, Column, Form, Kind, Resource, Shape, fold};
pub use self::scope::{PAGE_SIZE, Scope};
pub use self::text::{SplitText, international, unescape};
pub use self::time::epoch;
