//! The registry of resources. A new resource is one line here.

use std::borrow::Cow;

use serde::Deserialize;

use super::connector::Connector;
use super::connector_schedule::ConnectorSchedule;
use super::domain::Domain;
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
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTRY.iter().map(|resource| Self::of(*resource))
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// User portal links.
    #[must_use]
    pub const fn portal_link() -> Self {
        Self::of(&PortalLink)
    }

    /// User portals.
    #[must_use]
    pub const fn user_portal() -> Self {
        Self::of(&UserPortal)
    }

    /// App connectors.
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
