//! The trace of a simulator in memory: every call, who sent it, when it was carried out, and the changes that it made.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use zpa_bulk::sim::{Request, Response, Sim};

/// The number of a client.
pub(crate) type Client = usize;

/// The collections of a tenant's state, each with the field that tells its objects apart.
const COLLECTIONS: [(&str, &str); 4] = [
    ("portal_links", "id"),
    ("user_portals", "id"),
    ("connectors", "id"),
    ("domains", "domain"),
];

/// A collection of the tenant's state, and the id of an object there.
pub(crate) type Place = (&'static str, String);

/// One object that a call has changed.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) place: Place,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// A call. Times count from the start of the simulator.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) client: Client,
    pub(crate) method: String,
    /// The path after the customer's id.
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) sent: Duration,
    /// The instant at which the client had the answer, or gave up waiting for one.
    pub(crate) answered: Option<Duration>,
    /// The status of the answer, even if it never left; 0 if there was none.
    pub(crate) status: u16,
    pub(crate) fault: Option<&'static str>,
    /// The instant at which the call was carried out or refused. `None` if it never arrived.
    pub(crate) at: Option<Duration>,
    /// The place of the call in the order in which calls were carried out.
    pub(crate) turn: usize,
    pub(crate) changes: Vec<Changed>,
    /// The groups that have lost their last connector by the call.
    pub(crate) emptied: Vec<String>,
}

impl Traced {
    pub(crate) fn is_write(&self) -> bool {
        !self.is_auth() && self.method != "GET"
    }

    pub(crate) fn is_auth(&self) -> bool {
        self.path == "/signin"
    }

    /// The id at the end of the path.
    pub(crate) fn target(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The line that shows the call in a story.
    pub(crate) fn line(&self) -> String {
        let at = match self.at {
            Some(at) => format!("{at:.3?}"),
            None => "never".to_owned(),
        };
        let mut line = format!(
            "{:.3?} client {}: {} {} -> {} at {at}",
            self.sent, self.client, self.method, self.path, self.status
        );
        if let Some(fault) = self.fault {
            line.push_str(&format!(" ({fault})"));
        }
        for Changed {
            place: (of, id),
            before,
            after,
        } in &self.changes
        {
            let (before, after) = (short(before.as_ref()), short(after.as_ref()));
            line.push_str(&format!("\n        {of} {id}: {before} => {after}"));
        }
        line
    }
}

/// The fields by which a person knows an object.
fn short(object: Option<&Value>) -> String {
    const SHOWN: [&str; 7] = [
        "name",
        "domain",
        "protocol",
        "link",
        "linkPath",
        "description",
        "enabled",
    ];
    let Some(object) = object else {
        return "nothing".to_owned();
    };
    let fields = SHOWN.iter().filter_map(|field| object.get(*field));
    let mut fields: Vec<String> = fields.map(ToString::to_string).collect();
    let portals = object["userPortals"].as_array().into_iter().flatten();
    fields.extend(portals.map(|portal| format!("on {}", portal["name"])));
    fields.join(" ")
}

/// All calls of a simulator.
#[derive(Debug)]
pub(crate) struct Trace {
    customer: String,
    /// The time by which every late commit comes after its call.
    late: Duration,
    calls: Vec<Traced>,
    turns: usize,
    /// The calls that are still to be carried out, by the time.
    due: VecDeque<(Duration, usize)>,
}

impl Trace {
    pub(crate) fn new(customer: &str, late: Duration) -> Self {
        Self {
            customer: customer.to_owned(),
            late,
            calls: Vec::new(),
            turns: 0,
            due: VecDeque::new(),
        }
    }

    pub(crate) fn calls(&self) -> &[Traced] {
        &self.calls
    }

    /// Notes a call that leaves its client. Returns its number.
    pub(crate) fn sent(&mut self, client: Client, request: &Request, now: Duration) -> usize {
        let path = request.path.split_once(&format!("/{}/", self.customer));
        self.calls.push(Traced {
            client,
            method: request.method.clone(),
            path: path.map_or(&*request.path, |(_, path)| path).to_owned(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            sent: now,
            answered: None,
            status: 0,
            fault: None,
            at: None,
            turn: 0,
            changes: Vec::new(),
            emptied: Vec::new(),
        });
        self.calls.len() - 1
    }

    pub(crate) fn answered(&mut self, call: usize, now: Duration) {
        self.calls[call].answered = Some(now);
    }

    /// Lets the simulator handle a call, and notes the changes.
    pub(crate) fn handle(
        &mut self,
        sim: &mut Sim,
        now: Duration,
        request: &Request,
        call: usize,
    ) -> Response {
        self.land(sim, now);
        let response = if self.calls[call].is_write() {
            self.watched(sim, call, now, |sim| sim.handle(now, request))
        } else {
            self.calls[call].at = Some(now);
            sim.handle(now, request)
        };
        let entry = sim.log().last().unwrap();
        let traced = &mut self.calls[call];
        (traced.status, traced.fault) = (entry.status, entry.fault);
        if entry.fault == Some("late-commit") && entry.status == 0 {
            traced.at = None;
            self.due.push_back((now + self.late, call));
        }
        response
    }

    /// Carries out the late calls whose time has come.
    pub(crate) fn land(&mut self, sim: &mut Sim, now: Duration) {
        while let Some((due, call)) = self.due.front().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_front();
            self.watched(sim, call, due, |sim| sim.advance(due));
        }
    }

    fn watched<T>(
        &mut self,
        sim: &mut Sim,
        call: usize,
        now: Duration,
        change: impl FnOnce(&mut Sim) -> T,
    ) -> T {
        let before = self.objects(sim);
        let done = change(sim);
        let after = self.objects(sim);
        let traced = &mut self.calls[call];
        self.turns += 1;
        (traced.at, traced.turn) = (Some(now), self.turns);
        traced.changes = changes(&before, &after);
        let mut groups = traced.changes.iter().filter_map(left_group);
        let is_empty = |group: &String| {
            !after
                .iter()
                .any(|((of, _), object)| *of == "connectors" && group_of(object) == *group)
        };
        traced.emptied = groups.by_ref().filter(is_empty).collect();
        done
    }

    fn objects(&self, sim: &Sim) -> BTreeMap<Place, Value> {
        let mut state = sim.state();
        objects(&state["tenants"][&*self.customer].take())
    }
}

/// All objects of a tenant's state.
pub(crate) fn objects(state: &Value) -> BTreeMap<Place, Value> {
    let mut found = BTreeMap::new();
    for (of, key) in COLLECTIONS {
        for object in state[of].as_array().into_iter().flatten() {
            let id = object[key].as_str().unwrap_or_default();
            found.insert((of, id.to_owned()), object.clone());
        }
    }
    if state["connector_schedule"].is_object() {
        let place = ("connector_schedule", String::new());
        found.insert(place, state["connector_schedule"].clone());
    }
    found
}

fn changes(before: &BTreeMap<Place, Value>, after: &BTreeMap<Place, Value>) -> Vec<Changed> {
    let mut places: Vec<&Place> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    let changed = places
        .into_iter()
        .filter(|place| before.get(place) != after.get(place));
    changed
        .map(|place| Changed {
            place: place.clone(),
            before: before.get(place).cloned(),
            after: after.get(place).cloned(),
        })
        .collect()
}

/// The group that a connector has left, if the change took the connector away.
fn left_group(changed: &Changed) -> Option<String> {
    let gone = changed.place.0 == "connectors" && changed.after.is_none();
    changed.before.as_ref().filter(|_| gone).map(group_of)
}

fn group_of(connector: &Value) -> String {
    connector["appConnectorGroupId"].to_string()
}
