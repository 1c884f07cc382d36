//! Witnesses: updates that were just carried out, by which the age of a listing is judged.

use std::time::Instant;

use serde_json::Value;

use crate::item::{Change, Item};
use crate::wire::Object;

/// An update that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Witness {
    pub(super) item: Item<'static>,
    /// Its object as it was read before.
    pub(super) before: Object,
    /// The instant from which on the age counts of a listing that shows the update.
    pub(super) written_at: Instant,
}

impl Witness {
    /// Tells whether a row is of a later state than was read before, and has all fields of that which a write must repeat. An
    /// earlier state may have had the same values by chance, and an object made from a row that lacks fields would lose them.
    pub(super) fn is_followed_by(&self, row: &Object) -> bool {
        let Change::Update { set, .. } = &self.item.change else {
            return false;
        };
        let by_server = self.item.resource.server_fields();
        let is_repeated =
            |name: &&String| !by_server.contains(&name.as_str()) && set.find(name).is_none();
        let mut repeated = self.before.keys().filter(is_repeated);
        modified(row) > modified(&self.before) && repeated.all(|name| row.contains_key(name))
    }
}

/// The time at which an object was changed last, in seconds.
fn modified(object: &Object) -> Option<i64> {
    match object.get("modifiedTime")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    }
}
