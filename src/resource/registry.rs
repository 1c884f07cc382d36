//! The registry of resources. Each resource has one line here.

use std::borrow::Cow;

use serde::Deserialize;

use super::connector::Connector;
use super::connector_schedule::ConnectorSchedule;
use super::domain::Domain;
use super::part::Part;
use super::portal_link::PortalLink;
use super::schema::{Kind, Resource};
use super::user_portal::UserPortal;

/// Every resource that the program knows.
static REGISTRY: [&dyn Resource; 5] = [
    &PortalLink,
    &UserPortal,
    &Connector,
    &Domain,
    &ConnectorSchedule,
];

impl Kind {
    /// Returns all kinds, in the order of the registry.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTRY.iter().map(|resource| Self::of(*resource))
    }

    /// Returns the kind called `name`, in upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Returns the kind of user portal links.
    #[must_use]
    pub const fn portal_link() -> Self {
        Self::of(&PortalLink)
    }

    /// Returns the kind of user portals.
    #[must_use]
    pub const fn user_portal() -> Self {
        Self::of(&UserPortal)
    }

    /// Returns the kind of app connectors.
    #[must_use]
    pub const fn connector() -> Self {
        Self::of(&Connector)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("no resource is called {name:?}")))
    }
}

/// Reads the name of a part that some kind has.
impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let mut parts = Kind::all().flat_map(|kind| kind.parts());
        let part = parts.find(|part| **part == text);
        part.map(|part| Self::Named(part))
            .ok_or_else(|| serde::de::Error::custom("no kind has this part"))
    }
}
