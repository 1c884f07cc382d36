//! User portal links: what employees click on a user portal.
//!
//! Rules: "User Portal Link Management" of the ZPA API documentation. `link` is a host without a scheme,
//! the portals of a bulk call belong to the call and apply to every link in it.

use std::borrow::Cow;

use super::text::{self, Checked};
use super::{Bulk, Column, Form, Resource, SplitText};
use crate::model::{FieldValue, Version};

/// A user portal link.
#[derive(Debug)]
pub(super) struct PortalLink;

static COLUMNS: [Column; 10] = [
    Column {
        name: "name",
        wire: "name",
        form: Form::Text(text::name),
        escaped: true,
        ..PLAIN
    },
    Column {
        name: "url",
        aliases: &["address"],
        wire: "link",
        form: Form::Split(split_url),
        ..PLAIN
    },
    text_column("protocol", "protocol", text::protocol),
    text_column("link", "link", text::host),
    text_column("link_path", "linkPath", text::path),
    Column {
        name: "description",
        wire: "description",
        escaped: true,
        ..PLAIN
    },
    Column {
        name: "enabled",
        wire: "enabled",
        form: Form::Flag,
        ..PLAIN
    },
    text_column("icon_text", "iconText", text::icon),
    text_column("application_id", "applicationId", text::digits),
    Column {
        name: "user_portals",
        aliases: &["user_portal", "portals", "portal"],
        wire: "userPortals",
        form: Form::Refs("user-portal"),
        ..PLAIN
    },
];

const PLAIN: Column = Column {
    name: "",
    aliases: &[],
    wire: "",
    form: Form::Text(text::any),
    escaped: false,
};

const fn text_column(
    name: &'static str,
    wire: &'static str,
    check: for<'r> fn(&'r str) -> Checked<'r>,
) -> Column {
    Column {
        name,
        wire,
        form: Form::Text(check),
        ..PLAIN
    }
}

fn split_url(text: &str) -> Result<SplitText<'_>, String> {
    let [protocol, link, path] = text::url(text)?;
    Ok([("protocol", protocol), ("link", link), ("linkPath", path)])
}

impl Resource for PortalLink {
    fn name(&self) -> &'static str {
        "portal-link"
    }

    fn noun(&self) -> &'static str {
        "portal link"
    }

    fn collection(&self) -> &'static str {
        "userPortalLink"
    }

    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn required(&self) -> &'static [&'static str] {
        &["name", "link"]
    }

    fn defaults(&self) -> &'static [(&'static str, FieldValue<'static>)] {
        const DEFAULTS: [(&str, FieldValue<'static>); 2] = [
            ("protocol", FieldValue::Text(Cow::Borrowed("https://"))),
            ("enabled", FieldValue::Flag(true)),
        ];
        &DEFAULTS
    }

    fn server_fields(&self) -> &'static [&'static str] {
        &[
            "creationTime",
            "modifiedTime",
            "modifiedBy",
            "nameWithoutTrim",
            "microtenantName",
        ]
    }

    fn bulk(&self) -> Option<Bulk> {
        Some(Bulk {
            version: Version::V2,
            path: "userPortalLink/bulk",
            list: "userPortalLinks",
            shared: "userPortals",
        })
    }

    /// Host names have no case (RFC 4343), and the root path is the empty one (RFC 9110, 4.2.3).
    fn normalise<'v>(&self, wire: &str, text: &'v str) -> Cow<'v, str> {
        match wire {
            "link" => Cow::Owned(text.to_ascii_lowercase()),
            "linkPath" if text == "/" => Cow::Borrowed(""),
            "name" => Cow::Borrowed(text.trim()),
            _ => Cow::Borrowed(text),
        }
    }
}
