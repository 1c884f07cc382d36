//! The simulated tenant in memory, behind a wire that breaks where a test says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use zpa_bulk::sim::{Class, LogEntry, Scenario};
use zpa_bulk::wire::{Answer, Id, Method, Path, Reply, Request};
use zpa_bulk::zpa::{Api, SignInError};

use super::in_memory::InMemory;
use super::state;

pub(crate) const CUSTOMER: &str = "7";

/// A line of a scenario that makes room for any manifest.
pub(crate) const ROOMY: &str = "limits = { links = 100000, links_per_portal = 100000 }";

/// A mishap of a call on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The request never arrives; the client waits in vain.
    LoseRequest,
    /// The request is carried out; the answer is lost.
    LoseAnswer,
    /// The request is carried out, and the answer is this status with an empty body.
    Answer(u16),
    /// The request is carried out, and a gateway answers that the service is not available for 20 s.
    Unavailable,
    /// The request is not carried out, and the answer is this status with the body of an error.
    Refuse(u16),
}

/// Decides the mishap of a write, given the number of writes before it.
pub(crate) type Faults = dyn Fn(&Request, usize) -> Option<Fault> + Send + Sync;

/// Decides what another does before a call, given the number of calls before it.
pub(crate) type Other = dyn Fn(&Request, usize) -> Option<Request> + Send + Sync;

/// Rewrites an answer, given the path of its call and the number of calls before it.
pub(crate) type Rewording = dyn Fn(&str, usize, String) -> String + Send + Sync;

/// Another administrator puts those fields into a link just before a call of that kind arrives.
pub(crate) fn meddles(wire: &mut Wire, before: Method, id: &str, fields: Value) {
    let done = AtomicBool::new(false);
    let path = Path::from("userPortalLink").id(&Id::parse(id).unwrap());
    wire.other = Arc::new(move |request, _| {
        let theirs = request.method == before && request.path == path;
        if !theirs || done.swap(true, Ordering::Relaxed) {
            return None;
        }
        let request = Request::new(Method::Put, path.clone(), None);
        Some(request.with_body(fields.clone()))
    });
}

/// Another's request, once, just before the first call of ours that comes after a call that `is_first`.
pub(crate) fn then(
    is_first: impl Fn(&Request) -> bool + Send + Sync + 'static,
    theirs: Request,
) -> Arc<Other> {
    let state = Mutex::new((false, Some(theirs)));
    Arc::new(move |request, _| {
        let mut state = state.lock().unwrap();
        if state.0 {
            return state.1.take();
        }
        state.0 = is_first(request);
        None
    })
}

/// The tenant behind a wire on which the test may break calls.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) tenant: InMemory,
    pub(crate) fault: Arc<Faults>,
    pub(crate) writes: Arc<Mutex<usize>>,
    /// The call that another administrator sends just before ours arrives.
    pub(crate) other: Arc<Other>,
    pub(crate) calls: Arc<Mutex<usize>>,
    /// Rewrites the tenant's answers.
    pub(crate) rewords: Option<Arc<Rewording>>,
}

impl Wire {
    pub(crate) fn new(scenario: &str) -> Self {
        Self::with_faults(scenario, |_, _| None)
    }

    /// A wire on which `fault` decides the mishap of every write, given the number of writes before it.
    pub(crate) fn with_faults(
        scenario: &str,
        fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            tenant: InMemory::new(Scenario::parse(scenario).unwrap(), 1, CUSTOMER),
            fault: Arc::new(fault),
            writes: Arc::default(),
            other: Arc::new(|_, _| None),
            calls: Arc::default(),
            rewords: None,
        }
    }

    fn next_fault(&self, request: &Request) -> Option<Fault> {
        if request.method == Method::Get {
            return None;
        }
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        (self.fault)(request, *writes - 1)
    }

    fn reworded(&self, path: &str, call: usize, mut reply: Reply) -> Reply {
        if let (Some(reword), Reply::Answer(answer)) = (&self.rewords, &mut reply) {
            let body = String::from_utf8(std::mem::take(&mut answer.body)).unwrap();
            answer.body = reword(path, call, body).into_bytes();
        }
        reply
    }

    /// Counts a call. Returns the number of those before it.
    fn count(&self) -> usize {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        *calls - 1
    }

    /// The objects of one kind, by its name in the state.
    pub(crate) fn objects(&self, of: &str) -> Vec<Value> {
        state::objects(&self.state(), of)
    }

    /// The state of the customer.
    pub(crate) fn state(&self) -> Value {
        self.tenant.state()["tenants"][CUSTOMER].clone()
    }

    /// The requests of one class.
    pub(crate) fn log(&self, class: Class) -> Vec<LogEntry> {
        let log = self.tenant.log().into_iter();
        log.filter(|entry| entry.class == class).collect()
    }

    /// The times of the requests of one class.
    pub(crate) fn times(&self, class: Class) -> Vec<Duration> {
        self.log(class).into_iter().map(|entry| entry.at).collect()
    }

    /// The number of calls that were throttled.
    pub(crate) fn refusals(&self) -> usize {
        let log = self.tenant.log().into_iter();
        log.filter(|entry| entry.status == 429).count()
    }

    /// The names of all links, each with the names of its portals, sorted.
    pub(crate) fn links(&self) -> Vec<(String, Vec<String>)> {
        state::links(&self.state())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.links().into_iter().map(|(name, _)| name).collect()
    }
}

impl Api for Wire {
    async fn send(&self, request: Request) -> Reply {
        let call = self.count();
        if let Some(request) = (self.other)(&request, call) {
            self.tenant.send(request).await;
        }
        let fault = self.next_fault(&request);
        if matches!(fault, Some(Fault::LoseRequest)) {
            tokio::time::sleep(Duration::from_secs(30)).await;
            return Reply::Lost("timed out".to_owned());
        }
        if let Some(Fault::Refuse(status)) = fault {
            return Reply::Answer(Answer {
                status,
                retry_after: None,
                date: None,
                body: br#"{"id":"not.liked","reason":"The server does not like it."}"#.to_vec(),
            });
        }
        let path = request.path.to_string();
        let reply = self.reworded(&path, call, self.tenant.send(request).await);
        match (fault, reply) {
            (Some(Fault::LoseAnswer), _) => Reply::Lost("connection reset".to_owned()),
            (Some(Fault::Answer(status)), Reply::Answer(mut answer)) => {
                answer.status = status;
                answer.body.clear();
                Reply::Answer(answer)
            }
            (Some(Fault::Unavailable), Reply::Answer(answer)) => Reply::Answer(Answer {
                status: 503,
                retry_after: Some("20s".to_owned()),
                body: br#"{"id":"retryable.server.error","reason":"busy"}"#.to_vec(),
                ..answer
            }),
            (_, reply) => reply,
        }
    }

    async fn sign_in(&self) -> Result<Duration, SignInError> {
        self.tenant.sign_in().await
    }
}
