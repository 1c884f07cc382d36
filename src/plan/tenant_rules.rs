//! The rules of a tenant for portal links, as far as its API does not tell them.

use std::fmt;
use std::str::FromStr;

/// The rules of a tenant for portal links: the most that it accepts, and the form of a bulk create. The API does not tell them, so
/// they are settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantRules {
    /// The most links in the organization. Default: 500, as in the product.
    pub links: u32,
    /// The most links on one portal. Default: 500, as in the product.
    pub links_per_portal: u32,
    /// The place of the portals in a bulk create. Default: once for the call, as documented.
    pub bulk_portals: BulkPortals,
}

impl Default for TenantRules {
    fn default() -> Self {
        Self {
            links: 500,
            links_per_portal: 500,
            bulk_portals: BulkPortals::Call,
        }
    }
}

/// The place of the portals in a bulk create of links. The documentation names one set of portals a call; a model of the
/// API names a set a link, and nobody says whether the server honours it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BulkPortals {
    /// `call`: one set for all links of a call. Links with other portals go in another call.
    #[default]
    Call,
    /// `item`: a set for each link, so that links with different portals share a call.
    Item,
}

impl FromStr for BulkPortals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "call" => Ok(Self::Call),
            "item" => Ok(Self::Item),
            _ => Err(format!("{text:?} is neither call nor item")),
        }
    }
}

impl fmt::Display for BulkPortals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call => "call",
            Self::Item => "item",
        })
    }
}
