//! Customer domains: the DNS suffixes of the organization.
//!
//! Rules: "Customer Domain Management" of the ZPA API documentation. The domains of one association type are one list,
//! which is read and written as a whole. The documentation does not say whether a write adds to the list or replaces it.
//! So every write sends the whole list with the changes in it, and the list is read again afterwards.

use std::borrow::Cow;

use super::action::Action;
use super::part::Part;
use super::schema::{Column, Form, Resource, Shape, facts};
use super::text;
use crate::wire::Path;

#[derive(Debug)]
pub(super) struct Domain;

static COLUMNS: [Column; 4] = [
    Column::checked("domain", "domain", text::domain),
    Column::text("association_type", "associationType")
        .with(Form::Part)
        .also(&["type"]),
    Column::checked("name", "name", text::name).escaped(),
    Column::flag("capture", "capture"),
];

impl Resource for Domain {
    facts! {
        name: &'static str = "domain";
        noun: &'static str = "domain";
        shape: Shape = Shape::List;
        /// Lists the documented association type first, then another that the vendor's own tools use.
        parts: &'static [&'static str] = &["SEARCH_SUFFIX", "SHARED"];
        columns: &'static [Column] = &COLUMNS;
        key: Option<&'static str> = Some("domain");
        required: &'static [&'static str] = &["domain"];
        actions: &'static [Action] = &[Action::Ensure, Action::Delete];
        kept_flags: &'static [&'static str] = &[];
    }

    fn collection(&self, part: Option<&Part>) -> Path {
        let part = match part {
            Some(Part::Named(part)) => part,
            _ => "SEARCH_SUFFIX",
        };
        Path::from("v2/associationtype").join(part).join("domains")
    }

    /// Ignores case (RFC 4343) and a dot at the end (RFC 1034, section 3.1) in host names.
    fn normalise<'v>(&self, wire: &str, text: &'v str) -> Cow<'v, str> {
        match wire {
            "domain" => Cow::Owned(text.trim_end_matches('.').to_ascii_lowercase()),
            _ => Cow::Borrowed(text),
        }
    }
}
