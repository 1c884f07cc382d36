//! Parts of a kind, each with a listing of its own.

use serde::{Serialize, Serializer};

use crate::wire::Id;

/// A part of a kind, with a listing of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// One of the kind's [parts](super::Resource::parts).
    Named(&'static str),
    /// The links of the portal with that id.
    Portal(Id),
}

impl Part {
    /// Returns the part as people write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Portal(id) => id.as_str(),
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
