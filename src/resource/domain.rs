//! Customer domains: the DNS suffixes of the organization.
//!
//! Rules: "Customer Domain Management" of the ZPA API documentation. The domains of one association type are one list,
//! which is read and written as a whole. The documentation does not say whether a write adds to the list or replaces it.
//! So every write sends the whole list with the changes in it, and the list is read again afterwards.

use std::borrow::Cow;

use super::action::Action;
use super::part::Part;
use super::schema::{Column, Form, Resource, Shape};
use super::text;
use crate::wire::Path;

/// A customer domain.
#[derive(Debug)]
pub(super) struct Domain;

static COLUMNS: [Column; 4] = [
    Column::checked("domain", "domain", text::domain),
    Column::text("association_type", "associationType")
        .with(Form::Part)
        .also(&["type"]),
    Column::text("name", "name").escaped(),
    Column::flag("capture", "capture"),
];

impl Resource for Domain {
    fn name(&self) -> &'static str {
        "domain"
    }

    fn noun(&self) -> &'static str {
        "domain"
    }

    fn shape(&self) -> Shape {
        Shape::List
    }

    fn collection(&self, part: Option<&Part>) -> Path {
        let part = match part {
            Some(Part::Named(part)) => part,
            _ => "SEARCH_SUFFIX",
        };
        Path::from("v2/associationtype").join(part).join("domains")
    }

    /// Lists the documented association type first, then another that the vendor's own tools use.
    fn parts(&self) -> &'static [&'static str] {
        &["SEARCH_SUFFIX", "SHARED"]
    }

    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn key(&self) -> Option<&'static str> {
        Some("domain")
    }

    fn required(&self) -> &'static [&'static str] {
        &["domain"]
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::Ensure, Action::Delete]
    }

    fn kept_flags(&self) -> &'static [&'static str] {
        &[]
    }

    /// Ignores case (RFC 4343) and a dot at the end (RFC 1034, section 3.1) in host names.
    fn normalise<'v>(&self, wire: &str, text: &'v str) -> Cow<'v, str> {
        match wire {
            "domain" => Cow::Owned(text.trim_end_matches('.').to_ascii_lowercase()),
            _ => Cow::Borrowed(text),
        }
    }
}
