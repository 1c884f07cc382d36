//! `pack.json`, the list of what is in a pack.

use serde::{Deserialize, Serialize};

use crate::run::Origin;

/// The version of the form of packs.
pub(super) const FORMAT: u32 = 1;

/// The program that writes a pack: version and commit.
pub(super) const PROGRAM: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("ZPA_BULK_BUILD_COMMIT"),
    ")"
);

/// The list of what is in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackList {
    /// The version of the form of the pack.
    pub format: u32,
    /// The version and the commit of the program that wrote the pack.
    pub packed_by: String,
    /// The name of the run.
    pub run: String,
    /// The tenant's customer id.
    pub tenant: String,
    /// The version of the program that started the run.
    pub run_by: String,
    /// The manifests of the run, in order.
    pub manifests: Vec<PackedManifest>,
    /// Every member but the list itself, in order.
    pub files: Vec<PackedFile>,
}

/// A manifest of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedManifest {
    /// The name under which it was given.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal; `None` if the run did not record it.
    pub sha256: Option<String>,
    /// The member that holds it; `None` if it is not in the pack.
    pub member: Option<String>,
    /// The reason why it is not in the pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

impl PackedManifest {
    /// Returns the manifests of a run, as if none were in the pack.
    pub(super) fn all_of(origin: &Origin) -> impl Iterator<Item = Self> {
        let files = origin.files.iter().enumerate();
        files.map(|(number, name)| Self {
            name: name.clone(),
            sha256: origin.sha256.get(number).cloned(),
            member: None,
            left_out: None,
        })
    }
}

/// A member of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedFile {
    /// Its name.
    pub name: String,
    /// The number of its bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}
