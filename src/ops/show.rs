//! The use case `show`: reads one object as the API returns it.

use super::error::{Error, ErrorKind, unread};
use super::tenant::{Connect, Tenant};
use crate::plan::{Snapshot, similar};
use crate::resource::{Kind, Scope, Shape};
use crate::wire::{Id, Object};

/// The most ids that a message names.
const SHOWN: usize = 10;

/// Reads the object of that kind whose id or name is `name`. A kind with a single object takes no name.
///
/// # Errors
/// - [`ErrorKind::FailedItems`] if there is no such object.
/// - [`ErrorKind::Usage`] if there are several, or if the name is missing.
/// - The kinds of [`of_end`](super::of_end) if live state cannot be read.
pub async fn show(
    kind: Kind,
    name: Option<String>,
    connect: &mut dyn Connect,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Result<Object, Error> {
    let name = checked(kind, name)?;
    let mut tenant = connect.connect(None, stop).await?;
    match name {
        None => the_only(kind, &mut tenant).await,
        Some(name) => find(kind, &name, &mut tenant).await,
    }
}

/// Checks that a name is given, and returns it. For a kind with a single object, checks that none is given.
fn checked(kind: Kind, name: Option<String>) -> Result<Option<String>, Error> {
    let noun = kind.noun();
    match (name, kind.shape()) {
        (Some(_), Shape::Single) => {
            Err(Error::usage(format!("there is only one {noun}"))
                .hint(format!("zpa-bulk show {kind}")))
        }
        (None, Shape::Collection | Shape::List) => Err(Error::usage(format!(
            "the id or name of the {noun} is missing"
        ))
        .hint(format!("zpa-bulk show {kind} ID, or its name"))),
        (name, _) => Ok(name),
    }
}

async fn the_only(kind: Kind, tenant: &mut Tenant) -> Result<Object, Error> {
    let scopes = Scope::all(kind, tenant.microtenant.as_ref());
    let live = tenant.snapshot(scopes, ErrorKind::Unexpected).await?;
    let found = live
        .listings
        .into_iter()
        .flat_map(|listing| listing.objects);
    found
        .last()
        .ok_or_else(|| not_found(format!("there is no {}", kind.noun())))
}

/// Finds an object by its id, else by its name, which takes a listing.
async fn find(kind: Kind, name: &str, tenant: &mut Tenant) -> Result<Object, Error> {
    if let Some(id) = Id::parse(name)
        && kind.shape() == Shape::Collection
        && let Some(object) = read(kind, id, tenant).await?
    {
        return Ok(object);
    }
    let scopes = Scope::all(kind, tenant.microtenant.as_ref());
    let live = tenant.snapshot(scopes, ErrorKind::Unexpected).await?;
    let found = called(kind, name, &live)?;
    match Id::of(found) {
        // A listing may leave out fields that the object's own endpoint returns.
        Some(id) if kind.shape() == Shape::Collection => read(kind, id.clone(), tenant)
            .await?
            .ok_or_else(|| not_found(format!("the {} {id} is gone", kind.noun()))),
        _ => Ok(found.clone()),
    }
}

async fn read(kind: Kind, id: Id, tenant: &mut Tenant) -> Result<Option<Object>, Error> {
    let scope = Scope::of(kind, tenant.microtenant.clone());
    let object = tenant.engine.read(scope, id).await;
    object.map_err(|end| unread(&end, ErrorKind::Unexpected))
}

/// Returns the one object with that id, or else with that name, or else with that name in another case.
fn called<'s>(kind: Kind, name: &str, live: &'s Snapshot) -> Result<&'s Object, Error> {
    let objects = || live.listings.iter().flat_map(|listing| &listing.objects);
    let wanted = kind.comparable_key(name.into());
    let folded = wanted.to_lowercase();
    let has_id = |object: &&Object| Id::of(object).is_some_and(|id| id.as_str() == name);
    let is_called = |object: &&Object| kind.keys_of(object).contains(&wanted);
    let is_called_in_any_case = |object: &&Object| {
        let mut keys = kind.keys_of(object).into_iter();
        keys.any(|key| key.to_lowercase() == folded)
    };
    let mut found: Vec<&Object> = objects().filter(has_id).collect();
    if found.is_empty() {
        found = objects().filter(is_called).collect();
    }
    if found.is_empty() {
        found = objects().filter(is_called_in_any_case).collect();
    }
    let noun = kind.noun();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let error = not_found(format!("no {noun} has the id or the name {name:?}"));
            let keys: Vec<_> = objects().filter_map(|object| kind.key_of(object)).collect();
            let likely = similar(name, keys.iter().map(|key| &**key));
            Err(match likely.first() {
                Some(likely) => error.hint(format!("did you mean {likely:?}?")),
                None => error,
            })
        }
        several => {
            let ids = several.iter().filter_map(|object| Id::of(object));
            let ids: Vec<String> = ids.take(SHOWN).map(|id| id.to_string()).collect();
            let message = format!("{} {noun}s are called {name:?}", several.len());
            Err(Error::usage(message).hint(format!("give one of the ids: {}", ids.join(", "))))
        }
    }
}

fn not_found(message: String) -> Error {
    Error::new(ErrorKind::FailedItems, message)
}
