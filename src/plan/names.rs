//! The resolution of names into the ids of listed objects.

use std::borrow::Cow;
use std::collections::HashMap;

use super::live_index::damaged;
use super::rounded::stands_for;
use super::snapshot::Snapshot;
use super::wording::similar;
use crate::resource::{Kind, Scope, unescape};
use crate::wire::{Object, Reference, quoted};

/// The most cell texts whose references are remembered.
const REMEMBERED: usize = 1024;

/// The longest of them, in bytes.
const LONGEST_REMEMBERED: usize = 1024;

/// The most candidates that a message names.
const SHOWN: usize = 5;

/// The word for no object at all.
const NONE: &str = "none";

/// Finds the objects of one kind in one microtenant by name or id.
#[derive(Debug)]
pub struct Resolver<'s> {
    kind: Kind,
    by_id: HashMap<&'s str, Cow<'s, str>>,
    by_name: HashMap<Cow<'s, str>, Vec<&'s str>>,
    /// The ids by the name in lower case, in order.
    by_lower_name: HashMap<String, Vec<&'s str>>,
    /// The references of earlier cells, since many rows name the same few sets of objects.
    resolved: HashMap<String, Vec<Reference<'s>>>,
}

impl<'s> Resolver<'s> {
    /// Makes a resolver for the objects that the snapshot lists in `scope`.
    #[must_use]
    pub fn new(scope: &Scope, snapshot: &'s Snapshot) -> Self {
        let mut resolver = Self {
            kind: scope.kind,
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            by_lower_name: HashMap::new(),
            resolved: HashMap::new(),
        };
        for object in snapshot.objects(scope) {
            if let Some((id, name)) = id_and_name(object) {
                let lower = name.to_lowercase();
                resolver.by_lower_name.entry(lower).or_default().push(id);
                resolver.by_name.entry(name.clone()).or_default().push(id);
                resolver.by_id.insert(id, name);
            }
        }
        resolver
            .by_lower_name
            .values_mut()
            .for_each(|ids| ids.sort_unstable());
        resolver
    }

    /// Resolves the names or ids in a cell, separated by `;`. The result is sorted by id, without duplicates.
    ///
    /// # Errors
    /// A message for the user if a name is unknown or fits several objects. The message names candidates.
    pub fn resolve(&mut self, text: &str) -> Result<Vec<Reference<'s>>, String> {
        if let Some(known) = self.resolved.get(text) {
            return Ok(known.clone());
        }
        let found = self.look_up(text)?;
        if self.resolved.len() < REMEMBERED && text.len() <= LONGEST_REMEMBERED {
            self.resolved.insert(text.to_owned(), found.clone());
        }
        Ok(found)
    }

    fn look_up(&self, text: &str) -> Result<Vec<Reference<'s>>, String> {
        if text.trim().eq_ignore_ascii_case(NONE) {
            return match self.by_lower_name.get(NONE) {
                None => Ok(Vec::new()),
                Some(_) => Err(format!(
                    "{} means no {noun} at all, and a {noun} is called so; give its id, or use JSON Lines with []",
                    quoted(text),
                    noun = self.kind.noun()
                )),
            };
        }
        let names = text
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let found: Result<Vec<&'s str>, String> = names.map(|name| self.find(name)).collect();
        let mut ids = found?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids
            .into_iter()
            .map(|id| Reference {
                id: Cow::Borrowed(id),
            })
            .collect())
    }

    fn find(&self, name: &str) -> Result<&'s str, String> {
        if let Some((id, _)) = self.by_id.get_key_value(name) {
            return Ok(id);
        }
        let exact = self.by_name.get(name);
        let loose = || self.by_lower_name.get(&name.to_lowercase());
        match exact.or_else(loose).map(Vec::as_slice).unwrap_or_default() {
            [id] => Ok(id),
            [] => Err(self.unknown(name)),
            several => Err(format!(
                "{} fits {} {}s: {}; give the id instead",
                quoted(name),
                several.len(),
                self.kind.noun(),
                self.describe(several)
            )),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let noun = self.kind.noun();
        if name.eq_ignore_ascii_case(NONE) {
            return format!("{} stands alone: it means no {noun} at all", quoted(name));
        }
        let ids = self.by_id.keys().copied();
        let mut meant: Vec<&str> = ids.filter(|live| stands_for(name, live)).collect();
        if !meant.is_empty() {
            meant.sort_unstable();
            return damaged(noun, name, &meant);
        }
        let likely = similar(name, self.by_name.keys().map(|known| &**known));
        if let Some(likely) = likely.first() {
            return format!(
                "no {noun} is called {}; did you mean {likely:?}?",
                quoted(name)
            );
        }
        let mut known: Vec<&str> = self.by_name.keys().map(|known| &**known).collect();
        known.sort_unstable();
        if known.is_empty() {
            return format!("no {noun} is called {}; there are no {noun}s", quoted(name));
        }
        let more = if known.len() > SHOWN { ", …" } else { "" };
        known.truncate(SHOWN);
        format!(
            "no {noun} is called {}; there are {}{more}",
            quoted(name),
            known.join(", ")
        )
    }

    fn describe(&self, ids: &[&str]) -> String {
        let name = |id: &str| self.by_id.get(id).map_or("", |name| name).to_owned();
        let shown = ids
            .iter()
            .take(SHOWN)
            .map(|id| format!("{id} ({:?})", name(id)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

fn id_and_name(object: &Object) -> Option<(&str, Cow<'_, str>)> {
    let id = object.get("id")?.as_str()?;
    Some((id, unescape(object.get("name")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Listing;

    fn portals(portals: &[(&str, &str)]) -> Snapshot {
        let kind = Kind::user_portal();
        let object = |(id, name): &(&str, &str)| {
            json!({"id": id, "name": name}).as_object().unwrap().clone()
        };
        Snapshot {
            listings: vec![Listing {
                scope: Scope::of(kind, None),
                objects: portals.iter().map(object).collect(),
            }],
            ..Snapshot::default()
        }
    }

    fn resolve(snapshot: &Snapshot, text: &str) -> Result<Vec<String>, String> {
        let kind = Kind::user_portal();
        let refs = Resolver::new(&Scope::of(kind, None), snapshot).resolve(text)?;
        Ok(refs.into_iter().map(|r| r.id.into_owned()).collect())
    }

    #[test]
    fn names_and_ids_resolve_in_any_order_and_once() {
        let snapshot = portals(&[("12", "Staff"), ("7", "R&amp;D")]);
        assert_eq!(
            resolve(&snapshot, "R&D; 12 ;Staff;"),
            Ok(vec!["12".into(), "7".into()])
        );
        assert_eq!(resolve(&snapshot, "staff"), Ok(vec!["12".into()]));
    }

    #[test]
    fn an_unknown_name_comes_with_suggestions() {
        let snapshot = portals(&[("12", "Staff"), ("7", "Partners")]);
        let error = resolve(&snapshot, "Partner").unwrap_err();
        assert_eq!(
            error,
            "no user portal is called \"Partner\"; did you mean \"Partners\"?"
        );
        let error = resolve(&snapshot, "Zebra").unwrap_err();
        assert_eq!(
            error,
            "no user portal is called \"Zebra\"; there are Partners, Staff"
        );
    }

    #[test]
    fn an_ambiguous_name_comes_with_the_candidates_ids() {
        let snapshot = portals(&[("12", "Staff"), ("7", "Staff")]);
        let error = resolve(&snapshot, "Staff").unwrap_err();
        assert!(
            error.contains("fits 2 user portals: 12 (\"Staff\"), 7 (\"Staff\")"),
            "{error}"
        );
        let snapshot = portals(&[("12", "Staff"), ("7", "STAFF")]);
        assert_eq!(resolve(&snapshot, "STAFF"), Ok(vec!["7".into()]));
        assert!(
            resolve(&snapshot, "staff")
                .unwrap_err()
                .contains("7 (\"STAFF\")")
        );
    }
}
