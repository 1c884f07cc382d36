//! What a live object holds of what manifests can say, and what another hand has changed of it.

use std::borrow::Cow;

use super::live::{as_flag, live_refs};
use super::schema::{Column, Form, Kind};
use crate::wire::{FieldValue, Fields, Object, Reference};

impl Kind {
    /// What a manifest would have to say for an object like this one: the value of every column that can be
    /// sent, but for empty ones and those that the server puts in by itself.
    #[must_use]
    pub fn content(self, live: &Object) -> Fields<'static> {
        let columns = self.columns().iter();
        let fields = columns.filter_map(|column| {
            let value = self.value(column, live)?;
            Some((Cow::Borrowed(column.wire), value))
        });
        let all = Fields(fields.collect());
        let kept = all.0.iter();
        let kept = kept.filter(|(wire, _)| !self.rewritten(wire, live, &all));
        Fields(kept.cloned().collect())
    }

    fn value(self, column: &Column, live: &Object) -> Option<FieldValue<'static>> {
        match column.form {
            Form::Flag => {
                let inferred = self.inferred(column.wire, live);
                let flag = inferred.as_ref().or_else(|| live.get(column.wire));
                flag.and_then(as_flag).map(FieldValue::Flag)
            }
            Form::Text(_) => {
                let text = self.cell(column, live);
                (!text.is_empty()).then_some(FieldValue::Text(Cow::Owned(text)))
            }
            Form::Refs(_) => {
                let ids = live_refs(column.wire, live).into_iter();
                let refs: Vec<Reference<'static>> = ids
                    .map(|id| Reference {
                        id: Cow::Owned(id.to_owned()),
                    })
                    .collect();
                (!refs.is_empty()).then_some(FieldValue::Refs(refs))
            }
            Form::Split(..) | Form::Part | Form::Condition(_) | Form::Info => None,
        }
    }

    /// The fields in which a live object is not what creating `body` made: what is not as it says, and what it
    /// does not say and somebody has filled in.
    #[must_use]
    pub fn strays(self, live: &Object, body: &Fields<'_>) -> Vec<String> {
        let differing = self.differing(live, body.to_owned_fields());
        let mut strays: Vec<String> = differing
            .0
            .into_iter()
            .map(|(wire, _)| wire.into_owned())
            .collect();
        let filled_in = self.content(live).0.into_iter().filter(|(wire, value)| {
            let unset = match value {
                FieldValue::Flag(flag) => !flag,
                FieldValue::Text(text) => text == "0" || self.normalise(wire, text).is_empty(),
                FieldValue::Refs(refs) => refs.is_empty(),
            };
            !unset && body.find(wire).is_none() && !self.rewritten(wire, live, body)
        });
        strays.extend(filled_in.map(|(wire, _)| wire.into_owned()));
        strays
    }

    /// What takes an update back that put `set` over the object `was`: the former value of every field that it
    /// changed, and the one that it wrote. A flag that the tenant did not tell is not among them.
    #[must_use]
    pub fn taken_back(self, was: &Object, set: &Fields<'_>) -> (Fields<'static>, Fields<'static>) {
        let (old, new) = (self.content(was), self.content(&self.merge(was, set)));
        let mut back = (Fields::default(), Fields::default());
        let columns = self.columns().iter();
        for column in columns.filter(|column| !matches!(column.form, Form::Split(..))) {
            let (before, after) = (old.find(column.wire), new.find(column.wire));
            let blank = match column.form {
                Form::Text(_) => Some(FieldValue::Text(Cow::Borrowed(""))),
                Form::Refs(_) => Some(FieldValue::Refs(Vec::new())),
                _ => None,
            };
            let value = |value: Option<&FieldValue<'static>>| value.or(blank.as_ref()).cloned();
            if let (Some(before), Some(after)) = (value(before), value(after))
                && before != after
            {
                back.0.0.push((Cow::Borrowed(column.wire), before));
                back.1.0.push((Cow::Borrowed(column.wire), after));
            }
        }
        back
    }

    /// Of the fields in `set`, those that the live object does not have yet: on the left those that are still as
    /// in `expected`, on the right the names of those that are not, since another hand has changed them.
    #[must_use]
    pub fn revertible(
        self,
        live: &Object,
        set: &Fields<'_>,
        expected: &Fields<'_>,
    ) -> (Fields<'static>, Vec<String>) {
        let pending = self.differing(live, set.to_owned_fields());
        let changed = self.differing(live, expected.to_owned_fields());
        let (foreign, own): (Vec<_>, Vec<_>) = pending
            .0
            .into_iter()
            .partition(|(wire, _)| changed.find(wire).is_some());
        let foreign = foreign.into_iter().map(|(wire, _)| wire.into_owned());
        (Fields(own), foreign.collect())
    }

    /// The kinds whose objects refer to objects of this one.
    pub fn referrers(self) -> impl Iterator<Item = Self> {
        Self::all().filter(move |kind| kind.targets().any(|target| target == self))
    }

    /// Whether objects of any kind refer to objects of this one.
    #[must_use]
    pub fn is_referred_to(self) -> bool {
        self.referrers().next().is_some()
    }

    /// The kinds that its objects refer to.
    pub fn targets(self) -> impl Iterator<Item = Self> {
        self.columns().iter().filter_map(Column::target)
    }
}

impl Column {
    /// The kind that it refers to.
    #[must_use]
    pub fn target(&self) -> Option<Kind> {
        match self.form {
            Form::Refs(target) => Some(target),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: &Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn text(wire: &'static str, text: &'static str) -> (Cow<'static, str>, FieldValue<'static>) {
        (wire.into(), FieldValue::Text(text.into()))
    }

    fn link() -> Object {
        object(&json!({
            "id": "1", "name": "R&amp;D", "link": "rd.example", "protocol": "https://", "enabled": true,
            "linkPath": "/", "userPortals": [{"id": "7", "name": "P"}], "creationTime": "5",
        }))
    }

    fn wires(fields: &Fields<'_>) -> Vec<String> {
        fields.0.iter().map(|(wire, _)| wire.to_string()).collect()
    }

    #[test]
    fn the_content_of_an_object_makes_one_like_it() {
        let kind = Kind::portal_link();
        let content = kind.content(&link());
        assert_eq!(
            Value::Object(content.to_object()),
            json!({
                "name": "R&D", "link": "rd.example", "protocol": "https://", "enabled": true,
                "linkPath": "/", "userPortals": [{"id": "7"}],
            })
        );
        assert_eq!(kind.strays(&link(), &content), [""; 0]);
        let managed = object(&json!({
            "id": "1", "name": "Staff", "enabled": true, "domain": "staff.p.zscalerportal.net",
        }));
        let content = Kind::user_portal().content(&managed);
        assert_eq!(
            Value::Object(content.to_object()),
            json!({"name": "Staff", "enabled": true, "managedByZs": true})
        );
    }

    #[test]
    fn what_another_hand_changed_or_filled_in_is_told_and_what_the_server_makes_of_it_is_not() {
        let kind = Kind::portal_link();
        let body = Fields(vec![
            text("name", "R&D"),
            text("link", "RD.example"),
            text("protocol", "https://"),
            ("enabled".into(), FieldValue::Flag(true)),
        ]);
        let mut live = link();
        live.insert("userPortals".to_owned(), json!([]));
        live.insert("applicationId".to_owned(), json!("0"));
        assert_eq!(kind.strays(&live, &body), [""; 0]);
        live.insert("description".to_owned(), json!("theirs"));
        live.insert("enabled".to_owned(), json!(false));
        assert_eq!(kind.strays(&live, &body), ["enabled", "description"]);
    }

    #[test]
    fn an_update_is_taken_back_with_what_it_changed_besides_what_it_named() {
        let kind = Kind::user_portal();
        let own = object(&json!({
            "id": "1", "name": "Staff", "certificateId": "7", "domain": "https://a.acme.com", "enabled": true,
        }));
        let set = Fields(vec![("managedByZs".into(), FieldValue::Flag(true))]);
        let (back, expected) = kind.taken_back(&own, &set);
        let changed = ["managedByZs", "certificateId", "domain"];
        assert_eq!(
            (wires(&back), wires(&expected)),
            (
                changed.map(str::to_owned).to_vec(),
                changed.map(str::to_owned).to_vec(),
            )
        );
        assert_eq!(back.text("domain"), Some("https://a.acme.com"));
        let now = object(&json!({
            "id": "1", "name": "Staff", "domain": "staff.p.zscalerportal.net", "enabled": true,
        }));
        let (left, foreign) = kind.revertible(&now, &back, &expected);
        assert_eq!((left, foreign), (back.clone(), Vec::new()));
        let (left, foreign) = kind.revertible(&own, &back, &expected);
        assert_eq!((left, foreign), (Fields::default(), Vec::new()), "done");
    }

    #[test]
    fn a_field_that_was_empty_becomes_empty_again_unless_another_hand_has_changed_it() {
        let kind = Kind::portal_link();
        let set = Fields(vec![
            text("description", "ours"),
            text("link", "new.example"),
        ]);
        let (back, expected) = kind.taken_back(&link(), &set);
        assert_eq!(back.text("description"), Some(""));
        let mut live = link();
        live.insert("description".to_owned(), json!("theirs"));
        live.insert("link".to_owned(), json!("new.example"));
        let (left, foreign) = kind.revertible(&live, &back, &expected);
        assert_eq!(wires(&left), ["link"]);
        assert_eq!(foreign, ["description"]);
    }

    #[test]
    fn links_refer_to_portals() {
        let portal = Kind::user_portal();
        assert_eq!(
            portal.referrers().collect::<Vec<_>>(),
            [Kind::portal_link()]
        );
        assert_eq!(Kind::portal_link().targets().collect::<Vec<_>>(), [portal]);
        assert_eq!(Kind::connector().referrers().count(), 0);
    }
}
