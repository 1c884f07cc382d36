//! Items of saved plans whose objects have changed since.

use super::change::Change;
use super::work_item::Item;
use crate::wire::{Failure, FieldValue, Fields, Id, Object, quoted};

impl Item<'_> {
    /// Says how the object of an item of a saved plan differs from what was reviewed, by a fresh reading of the object.
    /// Returns `None` if nothing has changed, or if the object is by now as the item leaves it.
    #[must_use]
    pub fn stale(&self, live: Option<&Object>) -> Option<Failure> {
        let reviewed = self.reviewed.as_ref()?;
        if self.is_left_as(live) {
            return None;
        }
        let noun = self.resource.noun();
        let message = match (&reviewed.object, live) {
            (None, None) => return None,
            (Some(_), None) => format!("the {noun} was deleted after the plan was saved"),
            (None, Some(live)) => {
                let id = Id::of(live).map_or_else(String::new, |id| format!(" ({id})"));
                format!("a {noun} of this name has appeared after the plan was saved{id}")
            }
            (Some(fields), Some(live)) => self.changes_since(fields, live)?,
        };
        Some(Failure::new(message))
    }

    /// Tells whether the object is as the item would leave it.
    fn is_left_as(&self, live: Option<&Object>) -> bool {
        let kind = self.resource;
        match (&self.change, live) {
            (Change::Create { body }, Some(live)) => kind.contradicting(live, body).0.is_empty(),
            (Change::Update { set, .. }, Some(live)) => {
                kind.differing(live, set.to_owned_fields()).0.is_empty()
            }
            (Change::Delete { .. }, None) => true,
            _ => false,
        }
    }

    /// Names the fields that have changed, with the reviewed and the present values.
    fn changes_since(&self, fields: &Fields<'_>, live: &Object) -> Option<String> {
        let changed = self.resource.changed_fields(live, fields).into_iter();
        let changed: Vec<String> = changed
            .map(|wire| {
                let was = fields
                    .find(&wire)
                    .map_or_else(String::new, FieldValue::show);
                let (was, is) = (quoted(&was), quoted(&self.resource.show(&wire, live)));
                format!("its {wire} was {was} and is {is}")
            })
            .collect();
        let noun = self.resource.noun();
        (!changed.is_empty()).then(|| {
            format!(
                "the {noun} was changed after the plan was saved: {}",
                changed.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn item(change: &Value, reviewed: &Value) -> Item<'static> {
        let mut item = json!({
            "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki", "reviewed": reviewed,
        });
        let members = item.as_object_mut().unwrap();
        members.extend(change.as_object().unwrap().clone());
        serde_json::from_value(item).unwrap()
    }

    fn stale(change: &Value, reviewed: &Value, live: &Value) -> Option<String> {
        let item = item(change, reviewed);
        item.stale(live.as_object()).map(|failure| failure.message)
    }

    fn wiki() -> Value {
        json!({
            "id": "1", "name": "Wiki", "link": "wiki.example", "protocol": "https://", "enabled": true,
            "modifiedTime": "5", "userPortals": [{"id": "7", "name": "Staff"}],
        })
    }

    fn reviewed() -> Value {
        json!({"object": {
            "name": "Wiki", "link": "wiki.example", "protocol": "https://", "enabled": true,
            "userPortals": [{"id": "7"}],
        }})
    }

    #[test]
    fn only_what_a_manifest_can_say_makes_an_item_stale() {
        let update =
            json!({"op": "update", "id": "1", "set": {"link": "new.example"}, "changes": []});
        assert_eq!(stale(&update, &reviewed(), &wiki()), None);
        let mut live = wiki();
        live["modifiedTime"] = json!("6");
        live["userPortals"][0]["name"] = json!("Personnel");
        assert_eq!(stale(&update, &reviewed(), &live), None);
        live["enabled"] = json!(false);
        live["description"] = json!("theirs");
        assert_eq!(
            stale(&update, &reviewed(), &live).as_deref(),
            Some(
                "the portal link was changed after the plan was saved: its enabled was \"true\" and is \"false\", \
                 its description was \"\" and is \"theirs\""
            )
        );
        live["link"] = json!("new.example");
        assert_eq!(stale(&update, &reviewed(), &live), None, "done by another");
    }

    #[test]
    fn an_object_that_came_or_went_makes_an_item_stale() {
        let create = json!({"op": "create", "body": {"name": "Wiki", "link": "wiki.example"}});
        assert_eq!(stale(&create, &json!({}), &Value::Null), None);
        assert_eq!(stale(&create, &json!({}), &wiki()), None, "as asked");
        let mut other = wiki();
        other["link"] = json!("other.example");
        assert_eq!(
            stale(&create, &json!({}), &other).as_deref(),
            Some("a portal link of this name has appeared after the plan was saved (1)")
        );
        let gone = Some("the portal link was deleted after the plan was saved");
        let unchanged = json!({"op": "unchanged", "id": "1"});
        assert_eq!(
            stale(&unchanged, &reviewed(), &Value::Null).as_deref(),
            gone
        );
        let delete = json!({"op": "delete", "id": "1"});
        assert_eq!(stale(&delete, &reviewed(), &Value::Null), None, "done");
        assert!(stale(&delete, &reviewed(), &other).is_some());
    }

    #[test]
    fn an_item_of_no_saved_plan_is_never_stale() {
        let item: Item<'static> = serde_json::from_value(json!({
            "item": 0, "file": 0, "row": 2, "resource": "portal-link", "key": "Wiki", "op": "delete", "id": "1",
        }))
        .unwrap();
        assert_eq!(item.stale(wiki().as_object()), None);
    }
}
