//! Live objects seen as manifest values, and comparisons that find changes made by others.

use std::borrow::Cow;

use super::live::{as_flag, live_refs};
use super::schema::{Column, Form, Kind};
use crate::wire::{FieldValue, Fields, Object, Reference};

impl Kind {
    /// Returns the fields that a manifest would need to create an object like `live`.
    ///
    /// These are the values of all columns that can be sent. Empty values, and those that the server sets by itself, are
    /// left out.
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

    /// Names the fields in which `live` is no longer the object that was created from `body`.
    ///
    /// These are the fields of `body` that now differ, and the fields that `body` does not have and somebody has filled
    /// in.
    #[must_use]
    pub fn changed_fields(self, live: &Object, body: &Fields<'_>) -> Vec<String> {
        let differing = self.differing(live, body.to_owned_fields());
        let mut changed: Vec<String> = differing
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
        changed.extend(filled_in.map(|(wire, _)| wire.into_owned()));
        changed
    }

    /// Returns the values before and after an update that set the fields of `set` on the object `was`.
    ///
    /// Both lists have the same fields: all that the update changed, whether `set` names them or not. A flag is left out
    /// if its former value is unknown, because the tenant's answer did not have it.
    #[must_use]
    pub fn before_and_after(
        self,
        was: &Object,
        set: &Fields<'_>,
    ) -> (Fields<'static>, Fields<'static>) {
        let (old, new) = (self.content(was), self.content(&self.merge(was, set)));
        let (mut before, mut after) = (Fields::default(), Fields::default());
        let columns = self.columns().iter();
        for column in columns.filter(|column| !matches!(column.form, Form::Split(..))) {
            let blank = match column.form {
                Form::Text(_) => Some(FieldValue::Text(Cow::Borrowed(""))),
                Form::Refs(_) => Some(FieldValue::Refs(Vec::new())),
                _ => None,
            };
            let value = |of: &Fields<'static>| of.find(column.wire).or(blank.as_ref()).cloned();
            if let (Some(old), Some(new)) = (value(&old), value(&new))
                && old != new
            {
                before.0.push((Cow::Borrowed(column.wire), old));
                after.0.push((Cow::Borrowed(column.wire), new));
            }
        }
        (before, after)
    }

    /// Splits the fields of `set` that `live` does not have yet into two lists.
    ///
    /// The first list has the fields that are still as in `expected`, so that they can be set. The second list names the
    /// fields that are not, because somebody else has changed them.
    #[must_use]
    pub fn revertible(
        self,
        live: &Object,
        set: &Fields<'_>,
        expected: &Fields<'_>,
    ) -> (Fields<'static>, Vec<String>) {
        let pending = self.differing(live, set.to_owned_fields());
        let changed = self.differing(live, expected.to_owned_fields());
        let (by_others, own): (Vec<_>, Vec<_>) = pending
            .0
            .into_iter()
            .partition(|(wire, _)| changed.find(wire).is_some());
        let by_others = by_others.into_iter().map(|(wire, _)| wire.into_owned());
        (Fields(own), by_others.collect())
    }

    /// Returns the kinds whose objects refer to objects of this kind.
    pub fn referrers(self) -> impl Iterator<Item = Self> {
        Self::all().filter(move |kind| kind.targets().any(|target| target == self))
    }

    /// Says whether objects of some kind refer to objects of this kind.
    #[must_use]
    pub fn is_referred_to(self) -> bool {
        self.referrers().next().is_some()
    }

    /// Returns the kinds that objects of this kind refer to.
    pub fn targets(self) -> impl Iterator<Item = Self> {
        self.columns().iter().filter_map(Column::target)
    }
}

impl Column {
    /// Returns the kind that the column refers to, if the column holds references.
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
    fn content_is_enough_to_create_the_object_anew() {
        let kind = Kind::portal_link();
        let content = kind.content(&link());
        assert_eq!(
            Value::Object(content.to_object()),
            json!({
                "name": "R&D", "link": "rd.example", "protocol": "https://", "enabled": true,
                "linkPath": "/", "userPortals": [{"id": "7"}],
            })
        );
        assert_eq!(kind.changed_fields(&link(), &content), [""; 0]);
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
    fn changed_fields_are_those_that_others_touched() {
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
        assert_eq!(kind.changed_fields(&live, &body), [""; 0]);
        live.insert("description".to_owned(), json!("theirs"));
        live.insert("enabled".to_owned(), json!(false));
        let changed = kind.changed_fields(&live, &body);
        assert_eq!(changed, ["enabled", "description"]);
    }

    #[test]
    fn an_update_may_change_more_fields_than_it_names() {
        let kind = Kind::user_portal();
        let own = object(&json!({
            "id": "1", "name": "Staff", "certificateId": "7", "domain": "https://a.acme.com", "enabled": true,
        }));
        let set = Fields(vec![("managedByZs".into(), FieldValue::Flag(true))]);
        let (back, expected) = kind.before_and_after(&own, &set);
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
        let revertible = kind.revertible(&now, &back, &expected);
        assert_eq!(revertible, (back.clone(), Vec::new()));
        let revertible = kind.revertible(&own, &back, &expected);
        assert_eq!(revertible, (Fields::default(), Vec::new()), "done");
    }

    #[test]
    fn a_field_changed_by_others_is_not_revertible() {
        let kind = Kind::portal_link();
        let set = Fields(vec![
            text("description", "ours"),
            text("link", "new.example"),
        ]);
        let (back, expected) = kind.before_and_after(&link(), &set);
        assert_eq!(back.text("description"), Some(""), "as it was");
        let mut live = link();
        live.insert("description".to_owned(), json!("theirs"));
        live.insert("link".to_owned(), json!("new.example"));
        let (own, by_others) = kind.revertible(&live, &back, &expected);
        assert_eq!(wires(&own), ["link"]);
        assert_eq!(by_others, ["description"]);
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
