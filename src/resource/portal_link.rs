//! User portal links: the links that employees click on a user portal.
//!
//! Rules: "User Portal Link Management" of the ZPA API documentation. `link` is a host without a scheme. The portals of
//! a bulk call belong to the call and apply to every link in it. The links of one portal are a part of the collection,
//! with a path of its own.

use std::borrow::Cow;

use super::part::Part;
use super::schema::{Bulk, Column, Form, Kind, Resource, facts};
use super::text;
use super::user_portal::UserPortal;
use crate::wire::{FieldValue, Id, Path, Version};

#[derive(Debug)]
pub(super) struct PortalLink;

static COLUMNS: [Column; 10] = [
    Column::checked("name", "name", text::name).escaped(),
    Column::text("url", "link")
        .with(Form::Split(["protocol", "link", "linkPath"], text::url))
        .also(&["address"]),
    Column::checked("protocol", "protocol", text::protocol),
    Column::checked("link", "link", text::host),
    Column::checked("link_path", "linkPath", text::path),
    Column::text("description", "description").escaped(),
    Column::flag("enabled", "enabled"),
    Column::checked("icon_text", "iconText", text::icon),
    Column::checked("application_id", "applicationId", text::digits).numeric(),
    Column::text("user_portals", "userPortals")
        .with(Form::Refs(Kind::of(&UserPortal)))
        .also(&["user_portal", "portals", "portal"]),
];

/// The values of fields that a manifest does not name.
const DEFAULTS: [(&str, FieldValue<'static>); 2] = [
    ("protocol", FieldValue::Text(Cow::Borrowed("https://"))),
    ("enabled", FieldValue::Flag(true)),
];

impl Resource for PortalLink {
    facts! {
        name: &'static str = "portal-link";
        noun: &'static str = "portal link";
        columns: &'static [Column] = &COLUMNS;
        required: &'static [&'static str] = &["name", "link"];
        defaults: &'static [(&'static str, FieldValue<'static>)] = &DEFAULTS;
        server_fields: &'static [&'static str] = &[
            "creationTime",
            "modifiedTime",
            "modifiedBy",
            "nameWithoutTrim",
            "microtenantName",
        ];
        bulk: Option<Bulk> = Some(Bulk {
            version: Version::V2,
            path: "userPortalLink/bulk",
            list: "userPortalLinks",
            shared: "userPortals",
        });
    }

    fn collection(&self, part: Option<&Part>) -> Path {
        let all = Path::from("userPortalLink");
        match part {
            Some(Part::Portal(id)) => all.join("userPortal").id(id),
            _ => all,
        }
    }

    fn part_referring_to(&self, id: &Id) -> Option<Part> {
        Some(Part::Portal(id.clone()))
    }

    /// Ignores case in host names (RFC 4343). The path `/` equals the empty path (RFC 9110, section 4.2.3).
    fn normalise<'v>(&self, wire: &str, text: &'v str) -> Cow<'v, str> {
        match wire {
            "link" => Cow::Owned(text.to_ascii_lowercase()),
            "linkPath" if text == "/" => Cow::Borrowed(""),
            _ => Cow::Borrowed(text),
        }
    }
}
