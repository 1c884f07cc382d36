//! Objects that refer to an object that an undo is to delete.

use std::fmt;

use crate::resource::Kind;
use crate::wire::{Failure, Id, Object, quoted};

/// An object that refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The word for the object in a sentence.
    pub noun: &'static str,
    /// The object's name.
    pub name: String,
    /// The object's id.
    pub id: String,
}

impl Referrer {
    /// Describes a live object.
    #[must_use]
    pub fn of(kind: Kind, live: &Object) -> Self {
        Self {
            noun: kind.noun(),
            name: kind.key_of(live).unwrap_or_default().into_owned(),
            id: Id::of(live).unwrap_or_else(Id::none).to_string(),
        }
    }
}

impl fmt::Display for Referrer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {} ({})", self.noun, quoted(&self.name), self.id)
    }
}

/// Makes the message that says that an object is left alone because of the objects that refer to it. Returns `None` if
/// there are none.
#[must_use]
pub fn referred_to(referrers: &[Referrer]) -> Option<Failure> {
    /// The number of objects that are named.
    const SHOWN: usize = 3;
    let (_, others) = referrers.split_first()?;
    let named: Vec<String> = referrers
        .iter()
        .take(SHOWN)
        .map(Referrer::to_string)
        .collect();
    let named = named.join(", ");
    let (refer, them) = if others.is_empty() {
        ("refers", "it")
    } else {
        ("refer", "them")
    };
    let more = match referrers.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Failure::new(format!(
        "{named}{more} {refer} to it, and this undo does not delete {them}; it is left alone"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_are_named_and_the_others_counted() {
        let message = |count: usize| {
            let referrer = |n: usize| Referrer {
                noun: "portal link",
                name: format!("L{n}"),
                id: n.to_string(),
            };
            let referrers: Vec<Referrer> = (0..count).map(referrer).collect();
            referred_to(&referrers).map(|failure| failure.message)
        };
        assert_eq!(message(0), None);
        let one = message(1).unwrap();
        assert_eq!(
            one,
            "the portal link \"L0\" (0) refers to it, and this undo does not delete it; it is left alone"
        );
        let five = message(5).unwrap();
        assert!(
            five.starts_with("the portal link \"L0\" (0), the portal link \"L1\" (1), "),
            "{five}"
        );
        assert!(five.contains("\"L2\" (2) and 2 more refer to it"), "{five}");
    }
}
