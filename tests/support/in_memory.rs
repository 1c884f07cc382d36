//! The simulator without sockets, for tests on tokio's paused clock. With real sockets that clock would
//! jump ahead, and timeouts would fire at once.

#![expect(
    clippy::disallowed_methods,
    reason = "the edge of the simulator: it passes the time on"
)]

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use zpa_bulk::sim::{Delivery, LogEntry, Request, Response, Scenario, Sim};
use zpa_bulk::wire::{self, Answer, Failure, Reply};
use zpa_bulk::zpa::{Api, SignInError};

use super::trace::{Client, Trace, Traced};

/// The time that a client waits for an answer by default.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

/// One tenant of a simulator in memory. Clones share the simulator, its clock and the token.
#[derive(Clone, Debug)]
pub(crate) struct InMemory {
    shared: Arc<Shared>,
    token: Arc<Mutex<Option<String>>>,
    client: Client,
    customer: String,
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    sim: Mutex<Sim>,
    trace: Option<Mutex<Trace>>,
}

impl InMemory {
    /// Creates a simulator whose time starts now, and returns the tenant of `customer`.
    pub(crate) fn new(scenario: Scenario, seed: u64, customer: &str) -> Self {
        Self {
            shared: Arc::new(Shared {
                start: Instant::now(),
                sim: Mutex::new(Sim::new(scenario, seed, 1_700_000_000)),
                trace: None,
            }),
            token: Arc::default(),
            client: 0,
            customer: customer.to_owned(),
            patience: DEFAULT_PATIENCE,
        }
    }

    /// Sets the time that the client waits for an answer; 30 s by default.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Creates the same, with a trace of all calls. All late commits of the scenario come so long after their calls.
    pub(crate) fn traced(scenario: Scenario, seed: u64, customer: &str, late: Duration) -> Self {
        let mut created = Self::new(scenario, seed, customer);
        if let Some(shared) = Arc::get_mut(&mut created.shared) {
            shared.trace = Some(Mutex::new(Trace::new(customer, late)));
        }
        created
    }

    /// Another client of the same tenant, with a token of its own.
    pub(crate) fn client(&self, client: Client) -> Self {
        Self {
            token: Arc::default(),
            client,
            ..self.clone()
        }
    }

    /// The time since the start of the simulator.
    pub(crate) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// All calls so far, in order of sending.
    pub(crate) fn trace(&self) -> Vec<Traced> {
        let trace = self.shared.trace.as_ref().unwrap();
        trace.lock().unwrap().calls().to_vec()
    }

    /// The state of all tenants, as [`Sim::state`] returns it.
    pub(crate) fn state(&self) -> Value {
        let mut sim = self.shared.sim.lock().unwrap();
        if let Some(trace) = &self.shared.trace {
            trace.lock().unwrap().land(&mut sim, self.now());
        }
        sim.advance(self.now());
        sim.state()
    }

    /// All requests so far, in order of arrival.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        self.shared.sim.lock().unwrap().log().to_vec()
    }

    async fn exchange(&self, request: &Request) -> Reply {
        let call = self.traced_call(|trace| trace.sent(self.client, request, self.now()));
        let trip = self.round_trip(request, call);
        let reply = tokio::time::timeout(self.patience, trip).await;
        self.traced_call(|trace| trace.answered(call, self.now()));
        reply.unwrap_or_else(|_| Reply::Lost("timed out".to_owned()))
    }

    fn traced_call<T: Default>(&self, note: impl FnOnce(&mut Trace) -> T) -> T {
        let trace = self.shared.trace.as_ref();
        trace.map_or_else(T::default, |trace| note(&mut trace.lock().unwrap()))
    }

    fn handle(&self, request: &Request, call: usize) -> Response {
        let mut sim = self.shared.sim.lock().unwrap();
        match &self.shared.trace {
            Some(trace) => {
                let mut trace = trace.lock().unwrap();
                trace.handle(&mut sim, self.now(), request, call)
            }
            None => sim.handle(self.now(), request),
        }
    }

    async fn round_trip(&self, request: &Request, call: usize) -> Reply {
        let travel = self.shared.sim.lock().unwrap().travel(request);
        if !travel.is_zero() {
            sleep(travel).await;
        }
        let response = self.handle(request, call);
        sleep(response.delay).await;
        match response.delivery {
            Delivery::Whole => Reply::Answer(to_client(response)),
            // For a client, the status of a refusal is enough.
            Delivery::Truncated if response.status >= 400 => Reply::Answer(to_client(Response {
                body: Vec::new(),
                ..response
            })),
            Delivery::Truncated => Reply::Lost("the answer broke off".to_owned()),
            Delivery::Dropped => Reply::Lost("the connection broke".to_owned()),
            Delivery::Withheld => pending().await,
        }
    }

    fn to_wire(&self, request: &wire::Request) -> Request {
        let (customer, version, path) = (&self.customer, request.version, &request.path);
        let microtenant = request
            .microtenant
            .iter()
            .map(|id| ("microtenantId", id.to_string()));
        let query = request.query.iter().cloned().chain(microtenant);
        let query: Vec<String> = query
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let token = self.token.lock().unwrap().clone();
        let body = request.body.as_ref().map(ToString::to_string);
        Request {
            method: request.method.to_string(),
            path: format!("/mgmtconfig/{version}/admin/customers/{customer}/{path}"),
            query: query.join("&"),
            authorization: token.map(|token| format!("Bearer {token}")),
            content_type: body.as_ref().map(|_| "application/json".to_owned()),
            body: body.unwrap_or_default().into_bytes(),
        }
    }
}

impl Api for InMemory {
    async fn send(&self, request: wire::Request) -> Reply {
        self.exchange(&self.to_wire(&request)).await
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        let request = Request {
            method: "POST".to_owned(),
            path: "/signin".to_owned(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            body: b"client_id=me&client_secret=secret".to_vec(),
            ..Request::default()
        };
        let unavailable = |why: &str| Err(SignInError::Unavailable(Failure::new(why)));
        let answer = match self.exchange(&request).await {
            Reply::Answer(answer) if answer.status < 500 && answer.status != 429 => answer,
            Reply::Answer(answer) => return Err(SignInError::Unavailable(answer.error())),
            Reply::Lost(why)
            | Reply::NotSent(why)
            | Reply::Withheld(why)
            | Reply::TooLarge(why) => {
                return unavailable(&why);
            }
        };
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (Some(token), Some(seconds)) = (
            answer.get("access_token").and_then(Value::as_str),
            answer.get("expires_in").and_then(Value::as_str),
        ) else {
            return Err(SignInError::Refused(Failure::new(answer.to_string())));
        };
        *self.token.lock().unwrap() = Some(token.to_owned());
        Ok(Duration::from_secs(seconds.parse().unwrap_or(0)))
    }
}

/// Converts an answer into the client's form.
fn to_client(response: Response) -> Answer {
    let mut headers = response.headers.into_iter();
    let retry_after = headers.find(|(name, _)| *name == "retry-after");
    Answer {
        status: response.status,
        retry_after: retry_after.map(|(_, value)| value),
        date: None,
        body: response.body,
    }
}
