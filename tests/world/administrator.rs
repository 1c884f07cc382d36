//! The administrator, who changes links and portals by hand.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use zpa_bulk::wire::{Id, Method, Path, Request};
use zpa_bulk::zpa::Api as _;

use crate::support::in_memory::InMemory;
use crate::support::random::Random;
use crate::support::wire::CUSTOMER;

/// One change by hand. Objects are told apart by their number among those of their kind.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// The time since the change before.
    pub(crate) wait: Duration,
    pub(crate) kind: Kind,
    pub(crate) deed: Deed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Link,
    Portal,
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Create(String),
    Edit(usize, &'static str, String),
    Rename(usize, String),
    Delete(usize),
}

impl Kind {
    fn collection(self) -> &'static str {
        match self {
            Self::Link => "portal_links",
            Self::Portal => "user_portals",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Link => "userPortalLink",
            Self::Portal => "userPortal",
        }
    }

    fn new_object(self, name: &str) -> Value {
        match self {
            Self::Link => {
                json!({"name": name, "link": "by.hand.example", "protocol": "https://", "enabled": true})
            }
            Self::Portal => {
                json!({"name": name, "enabled": true, "managedByZs": true, "extLabel": "by-hand", "extDomain": "example.com"})
            }
        }
    }
}

pub(crate) fn acts(random: &mut Random) -> Vec<Act> {
    let count = 1 + random.below(8);
    (0..count).map(|_| act(random)).collect()
}

fn act(random: &mut Random) -> Act {
    let kind = *random.one(&[Kind::Link, Kind::Link, Kind::Link, Kind::Portal]);
    let name = match kind {
        Kind::Link => format!("App {:04}", random.below(6)),
        Kind::Portal => format!("New Portal {}", random.below(3)),
    };
    let at = random.index(12);
    let field = *random.one(&["description", "description", "enabled", "link"]);
    let value = match field {
        "enabled" => String::new(),
        "link" => format!("hand{}.example", random.below(100)),
        _ => format!("by hand {}", random.below(100)),
    };
    let deed = match (random.below(8), kind) {
        (0, _) => Deed::Create(name),
        (1, _) => Deed::Rename(at, name),
        (2, _) => Deed::Delete(at),
        (_, Kind::Portal) => Deed::Edit(at, "description", "by hand".to_owned()),
        _ => Deed::Edit(at, field, value),
    };
    let longest = *random.one(&[500, 5_000, 40_000]);
    Act {
        wait: Duration::from_millis(random.below(longest)),
        kind,
        deed,
    }
}

/// Carries the changes out, one after the other.
pub(crate) async fn work(acts: &[Act], hand: InMemory) {
    for act in acts {
        sleep(act.wait).await;
        if let Some(request) = request(act, &hand) {
            if hand.sign_in().await.is_err() {
                continue;
            }
            hand.send(request).await;
        }
    }
}

fn request(act: &Act, hand: &InMemory) -> Option<Request> {
    let kind = act.kind;
    let all = hand.state()["tenants"][CUSTOMER][kind.collection()].take();
    let all = all.as_array()?;
    let nth = |at: usize| all.get(at % all.len().max(1)).cloned();
    let one = |object: &Value| {
        let id = Id::parse(object["id"].as_str()?)?;
        Some(Path::from(kind.path()).id(&id))
    };
    let put = |mut object: Value, field: &str, value: Value| {
        object[field] = value;
        let path = one(&object)?;
        Some(Request::new(Method::Put, path, None).with_body(object))
    };
    match &act.deed {
        Deed::Create(name) => {
            let request = Request::new(Method::Post, kind.path(), None);
            Some(request.with_body(kind.new_object(name)))
        }
        Deed::Edit(at, "enabled", _) => {
            let object = nth(*at)?;
            let flipped = object["enabled"] == false;
            put(object, "enabled", flipped.into())
        }
        Deed::Edit(at, field, value) => put(nth(*at)?, field, value.as_str().into()),
        Deed::Rename(at, name) => put(nth(*at)?, "name", name.as_str().into()),
        Deed::Delete(at) => Some(Request::new(Method::Delete, one(&nth(*at)?)?, None)),
    }
}
