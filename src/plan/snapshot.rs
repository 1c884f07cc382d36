//! Live objects of a tenant, as a plan reads them.

use jiff::Timestamp;

use crate::resource::Scope;
use crate::wire::Object;

/// All live objects of one scope.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The scope of the objects.
    pub scope: Scope,
    /// The objects as the API answers them.
    pub objects: Vec<Object>,
}

/// The live objects of a tenant, as far as a plan needs them.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The listings that were read, one for each scope.
    pub listings: Vec<Listing>,
    /// The server's time when it answered the last of them, if it told.
    pub server_time: Option<Timestamp>,
}

impl Snapshot {
    /// Returns the objects of a scope. The slice is empty if the scope was not listed.
    #[must_use]
    pub fn objects(&self, scope: &Scope) -> &[Object] {
        self.listings
            .iter()
            .find(|listing| listing.scope == *scope)
            .map_or(&[], |listing| &listing.objects)
    }
}
