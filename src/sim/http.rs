//! Requests and answers as plain values, and the URL encoding of forms and queries.

use std::time::Duration;

use serde::Serialize;

/// One HTTP request as it arrived, with path and query still percent-encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method in capitals, such as `GET`.
    pub method: String,
    /// The path without the query, such as `/signin`.
    pub path: String,
    /// The text after the `?`; empty if there was none.
    pub query: String,
    /// The `Authorization` header, such as `Bearer …`.
    pub authorization: Option<String>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body; empty if there was none.
    pub body: Vec<u8>,
}

/// The answer to one [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
    /// The time from the arrival of the request until the answer leaves.
    pub delay: Duration,
    /// The part of the answer that leaves.
    pub delivery: Delivery,
}

/// The part of an answer that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The whole answer.
    Whole,
    /// The head and the first half of the body; then the connection breaks.
    Truncated,
    /// Nothing, and the connection breaks.
    Dropped,
    /// Nothing, and the connection stays open.
    Withheld,
}

/// An answer whose delay is not decided yet.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// An answer with no body.
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// An answer whose body is `value` as JSON.
    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::json_bytes(status, body),
            Err(_) => Self::empty(500),
        }
    }

    /// An answer whose body is JSON already.
    pub(super) fn json_bytes(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let content_type = ("content-type", "application/json".to_owned());
        Self {
            status,
            headers: vec![content_type],
            body: body.into(),
        }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer as it leaves: `delay` after the arrival of its request.
    pub(super) fn after(self, delay: Duration, delivery: Delivery) -> Response {
        Response {
            status: self.status,
            headers: self.headers,
            body: self.body,
            delay,
            delivery,
        }
    }
}

/// The decoded pairs of a query or a form, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` text. A pair without `=` has an empty value.
    pub(super) fn parse(encoded: &str) -> Self {
        Self(
            form_urlencoded::parse(encoded.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of `name`. An empty value counts as absent.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_the_first_of_a_name_wins() {
        let pairs = Pairs::parse("a=1+2%2B3&b=%C3%A9&a=other&empty=&flag&bad=%zz%4");
        assert_eq!(pairs.value("a"), Some("1 2+3"));
        assert_eq!(pairs.value("b"), Some("é"));
        assert_eq!(pairs.value("bad"), Some("%zz%4"));
        assert_eq!(pairs.value("empty"), None);
        assert_eq!(pairs.value("flag"), None);
    }
}
