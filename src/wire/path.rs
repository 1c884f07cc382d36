//! Paths of requests, made of fixed texts and ids.

use std::fmt;

use super::id::Id;

/// A path below the customer. Its segments are texts of this program and ids, so data never leads to another path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Fixed(&'static str),
    Id(Id),
}

impl Path {
    /// Returns the path with a fixed text after it, which may be several segments.
    #[must_use]
    pub fn join(mut self, text: &'static str) -> Self {
        self.0.push(Segment::Fixed(text));
        self
    }

    /// Returns the path with an id after it.
    #[must_use]
    pub fn id(mut self, id: &Id) -> Self {
        self.0.push(Segment::Id(id.clone()));
        self
    }

    /// Returns true unless an id is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let lacks = |segment: &Segment| matches!(segment, Segment::Id(id) if id.is_none());
        !self.0.iter().any(lacks)
    }
}

impl From<&'static str> for Path {
    fn from(text: &'static str) -> Self {
        Self(vec![Segment::Fixed(text)])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.0.iter().enumerate() {
            let slash = if number > 0 { "/" } else { "" };
            match segment {
                Segment::Fixed(text) => write!(f, "{slash}{text}")?,
                Segment::Id(id) => write!(f, "{slash}{id}")?,
            }
        }
        Ok(())
    }
}
