//! User portals: read here so that manifests can name the portals of a link.

use super::{Column, Resource};

/// A user portal.
#[derive(Debug)]
pub(super) struct UserPortal;

impl Resource for UserPortal {
    fn name(&self) -> &'static str {
        "user-portal"
    }

    fn noun(&self) -> &'static str {
        "user portal"
    }

    fn collection(&self) -> &'static str {
        "userPortal"
    }

    fn columns(&self) -> &'static [Column] {
        &[]
    }

    fn required(&self) -> &'static [&'static str] {
        &[]
    }

    fn server_fields(&self) -> &'static [&'static str] {
        &[]
    }
}
