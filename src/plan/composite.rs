//! Several changes of one object, by runs that followed one another, taken back as one.
//!
//! Two items of a run must not change the same object: each would be carried out on what the other has read. So the
//! changes are put together, from the newest to the oldest, and one of their items takes all of them back.
//!
//! A change counts as the older one's continuation only as far as nobody else has changed the object between the two. A
//! field that somebody else has changed in between gets the value back that it had before the newer change.

use super::past_change::PastChange;
use crate::item::{Change, changed_since};
use crate::resource::{Action, Kind};
use crate::wire::{Failure, FieldValue, Fields, Id, Object};

/// The part of one change in taking back all changes of an object.
#[derive(Clone, Debug)]
pub enum Share {
    /// Its item takes this change back.
    Whole(Box<PastChange>),
    /// Nothing: the item of another change takes this one back too.
    None,
    /// The object is left alone for this reason.
    Spared(Failure),
}

/// The changes that were put together so far.
#[derive(Debug)]
struct Composite {
    kind: Kind,
    /// The newest change.
    newest: PastChange,
    /// The object as it was before these changes. `None` if the newest change created it.
    was: Option<Object>,
    /// The object as the newest change left it. `None` if that deleted it.
    now: Option<Object>,
}

/// Divides the task of taking back the changes of one object, which come newest first.
#[must_use]
pub fn shares(changes: Vec<PastChange>) -> Vec<Share> {
    let mut changes = changes.into_iter();
    let Some(newest) = changes.next() else {
        return Vec::new();
    };
    let Some(mut composite) = Composite::of(&newest) else {
        // It cannot be taken back itself.
        let mut shares = vec![Share::Whole(Box::new(newest))];
        shares.extend(self::shares(changes.collect()));
        return shares;
    };
    let mut shares = vec![Share::None];
    let mut begun = None;
    for older in changes {
        let share = match composite.add(&older) {
            Added::Fully => Share::None,
            Added::Beginning => {
                begun = Some((shares.len(), older));
                Share::None
            }
            Added::Earlier => {
                begun = None;
                Share::None
            }
            Added::Except(fields) => Share::Spared(changed_since(&fields)),
            Added::Not => Share::Whole(Box::new(older)),
        };
        shares.push(share);
    }
    let (place, whole) = match begun {
        Some((place, first)) => (place, composite.creation(first)),
        None => (0, composite.whole()),
    };
    if let Some(share) = shares.get_mut(place) {
        *share = Share::Whole(Box::new(whole));
    }
    shares
}

/// The way in which an older change joined newer ones.
enum Added {
    Fully,
    /// The change created the object that the others changed.
    Beginning,
    /// The change deleted an object that came before the one that the others created.
    Earlier,
    /// Somebody else has changed these fields since.
    Except(Vec<String>),
    /// The change is taken back by itself.
    Not,
}

impl Composite {
    /// Begins with the newest change. Returns `None` if its object is not known as it was before.
    fn of(newest: &PastChange) -> Option<Self> {
        let kind = newest.item.resource;
        let was = newest.before.clone();
        let now = match &newest.item.change {
            Change::Create { body: set } | Change::Update { set, .. } => Some(
                was.as_ref()
                    .map_or_else(|| set.to_object(), |was| kind.merge(was, set)),
            ),
            _ => None,
        };
        let creates = matches!(newest.item.change, Change::Create { .. });
        (was.is_some() || creates).then(|| Self {
            kind,
            newest: newest.clone(),
            was,
            now,
        })
    }

    fn add(&mut self, older: &PastChange) -> Added {
        let kind = self.kind;
        match (&older.item.change, &older.before, &mut self.was) {
            (
                Change::Create { body: set } | Change::Update { set, .. },
                Some(before),
                Some(was),
            ) => {
                let strays = put_back(kind, was, before, set);
                if strays.is_empty() {
                    Added::Fully
                } else {
                    Added::Except(strays)
                }
            }
            (Change::Create { body }, None, Some(was)) => {
                let strays = kind.changed_fields(was, body);
                if !strays.is_empty() {
                    return Added::Except(strays);
                }
                if self.now.is_some() && !kind.actions().contains(&Action::Delete) {
                    return Added::Not;
                }
                self.was = None;
                Added::Beginning
            }
            // An element of a list that was taken out and put in again.
            (Change::Delete { .. }, Some(before), None) => {
                self.was = Some(before.clone());
                Added::Earlier
            }
            _ => Added::Fully,
        }
    }

    /// Returns the create that made the object as it is now, or no change if the object is gone.
    fn creation(&self, mut first: PastChange) -> PastChange {
        let now = self.now.as_ref().map(|now| self.kind.content(now));
        first.item.change = match now {
            Some(body) => Change::Create { body },
            None => Change::Unchanged { id: None },
        };
        first
    }

    /// Returns the change from the object as it was to the object as it is now.
    fn whole(self) -> PastChange {
        let Self {
            kind,
            mut newest,
            was,
            now,
        } = self;
        if let (Some(was), Some(now)) = (&was, &now) {
            newest.item.change = Change::Update {
                id: newest.id.clone().unwrap_or_else(Id::none),
                set: difference(kind, was, now),
                changes: Vec::new(),
            };
        }
        newest.before = was;
        newest
    }
}

/// Gives the fields of `was` their values from before an older change that set the fields of `set` on `before`. Returns
/// the fields that `was` does not have as that change left them.
fn put_back(kind: Kind, was: &mut Object, before: &Object, set: &Fields<'_>) -> Vec<String> {
    let (old, new) = kind.before_and_after(before, set);
    let mut strays = Vec::new();
    for (wire, value) in old.0 {
        let left = new.find(&wire);
        if left.is_some_and(|left| kind.has_value(&wire, was, left)) {
            was.insert(wire.into_owned(), value.to_json());
        } else if !kind.has_value(&wire, was, &value) {
            strays.push(wire.into_owned());
        }
    }
    strays
}

/// Returns the fields that turn `was` into `now`.
fn difference(kind: Kind, was: &Object, now: &Object) -> Fields<'static> {
    let mut fields = kind.content(now);
    for (wire, value) in kind.content(was).0 {
        let blank = match value {
            FieldValue::Text(_) => FieldValue::Text("".into()),
            FieldValue::Refs(_) => FieldValue::Refs(Vec::new()),
            FieldValue::Flag(_) => continue,
        };
        if fields.find(&wire).is_none() {
            fields.0.push((wire, blank));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A change of the object 7 by a run, with the object before it.
    fn change(kind: &str, change: Value, before: Value) -> PastChange {
        let mut item = json!({"item": 0, "file": 0, "row": 2, "resource": kind, "key": "A"});
        if let (Value::Object(item), Value::Object(change)) = (&mut item, change) {
            item.extend(change);
        }
        let before = match before {
            Value::Object(before) => Some(before),
            _ => None,
        };
        PastChange {
            item: serde_json::from_value(item).unwrap(),
            id: Some(Id::from(7)),
            proven: true,
            in_doubt: false,
            before,
        }
    }

    fn link(description: &str, host: &str) -> Value {
        json!({"id": "7", "name": "A", "description": description, "link": host, "protocol": "https://",
            "enabled": true})
    }

    fn created(host: &str) -> PastChange {
        let body = json!({"name": "A", "link": host, "protocol": "https://", "enabled": true});
        change(
            "portal-link",
            json!({"op": "create", "body": body}),
            Value::Null,
        )
    }

    fn updated(set: &Value, before: Value) -> PastChange {
        let update = json!({"op": "update", "id": "7", "set": set, "changes": []});
        change("portal-link", update, before)
    }

    fn deleted(before: Value) -> PastChange {
        change("portal-link", json!({"op": "delete", "id": "7"}), before)
    }

    /// Tells the shares in words: the change and the former object of a whole, and the reason of a spared one.
    fn told(changes: Vec<PastChange>) -> Vec<Value> {
        let told = |share| match share {
            Share::None => Value::Null,
            Share::Spared(why) => why.message.rsplit(": ").next().into(),
            Share::Whole(whole) => {
                let before = whole.before.as_ref().map(|before| before["link"].clone());
                match &whole.item.change {
                    Change::Create { body } => json!({"created": body.text("link")}),
                    Change::Update { set, .. } => json!([before, set.text("link")]),
                    Change::Delete { .. } => json!({"deleted": before}),
                    _ => json!("nothing"),
                }
            }
        };
        shares(changes).into_iter().map(told).collect()
    }

    #[test]
    fn a_created_object_goes_in_its_last_form() {
        let update = || updated(&json!({"link": "b"}), link("", "a"));
        assert_eq!(
            told(vec![update(), created("a")]),
            [json!(null), json!({"created": "b"})]
        );
        // Somebody else changed it in between.
        let told = told(vec![update(), created("x")]);
        assert_eq!(told, [json!(["a", "b"]), json!("link")]);
    }

    #[test]
    fn what_came_and_went_is_left_as_it_is() {
        let gone = || deleted(link("", "b"));
        assert_eq!(
            told(vec![gone(), created("b")]),
            [json!(null), json!("nothing")]
        );
        assert_eq!(
            told(vec![gone(), created("a")]),
            [json!({"deleted": "b"}), json!("link")]
        );
        let update = updated(&json!({"link": "b"}), link("", "a"));
        let told = told(vec![gone(), update, created("a")]);
        assert_eq!(told, [json!(null), json!(null), json!("nothing")]);
    }

    #[test]
    fn a_field_goes_back_as_far_as_nobody_else_set_it() {
        let newest = || updated(&json!({"link": "c"}), link("", "b"));
        let older = |to: &str| updated(&json!({"link": to}), link("", "a"));
        assert_eq!(
            told(vec![newest(), older("b")]),
            [json!(["a", "c"]), json!(null)]
        );
        assert_eq!(
            told(vec![newest(), older("x")]),
            [json!(["b", "c"]), json!("link")]
        );
        let gone = deleted(link("", "b"));
        assert_eq!(
            told(vec![gone, older("b")]),
            [json!({"deleted": "a"}), json!(null)]
        );
    }

    #[test]
    fn fields_of_both_changes_go_back() {
        let newest = updated(&json!({"link": "b"}), link("new", "a"));
        let older = updated(&json!({"description": "new"}), link("", "a"));
        let all = shares(vec![newest, older]);
        let [Share::Whole(whole), Share::None] = all.as_slice() else {
            panic!("{all:?}");
        };
        let Change::Update { set, .. } = &whole.item.change else {
            panic!("{whole:?}");
        };
        let (back, expected) = whole
            .item
            .resource
            .before_and_after(whole.before.as_ref().unwrap(), set);
        let text = |fields: &Fields<'_>| {
            ["link", "description"].map(|wire| fields.text(wire).unwrap_or("-").to_owned())
        };
        assert_eq!(text(&back), ["a", ""]);
        assert_eq!(text(&expected), ["b", "new"]);
    }

    #[test]
    fn an_update_that_never_arrived_changes_nothing() {
        let newest = updated(&json!({"link": "c"}), link("", "a"));
        let mut never = updated(&json!({"link": "b"}), link("", "a"));
        never.in_doubt = true;
        assert_eq!(told(vec![newest, never]), [json!(["a", "c"]), json!(null)]);
    }

    #[test]
    fn an_element_taken_out_and_put_in_is_an_update() {
        let body = json!({"domain": "A", "name": "new"});
        let created = change("domain", json!({"op": "create", "body": body}), Value::Null);
        let before = json!({"domain": "A", "name": "old"});
        let deleted = change("domain", json!({"op": "delete", "id": ""}), before);
        let all = shares(vec![created, deleted]);
        let [Share::Whole(whole), Share::None] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert!(
            matches!(whole.item.change, Change::Update { .. }),
            "{whole:?}"
        );
        assert_eq!(whole.before.as_ref().unwrap()["name"], "old");
    }

    #[test]
    fn what_cannot_be_deleted_gets_its_fields_back() {
        let schedule = |days: &str| json!({"id": "7", "frequency": "days", "frequencyInterval": days, "enabled": true});
        let body = json!({"frequency": "days", "frequencyInterval": "30", "enabled": true});
        let created = change(
            "connector-schedule",
            json!({"op": "create", "body": body}),
            Value::Null,
        );
        let set =
            json!({"op": "update", "id": "7", "set": {"frequencyInterval": "60"}, "changes": []});
        let updated = change("connector-schedule", set, schedule("30"));
        let all = shares(vec![updated, created]);
        assert!(
            matches!(all.as_slice(), [Share::Whole(_), Share::Whole(_)]),
            "{all:?}"
        );
    }

    #[test]
    fn a_change_without_its_former_state_stands_alone() {
        let told = told(vec![
            updated(&json!({"link": "b"}), Value::Null),
            created("a"),
        ]);
        assert_eq!(told, [json!([null, "b"]), json!({"created": "a"})]);
    }
}
