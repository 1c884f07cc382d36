//! The simulator as a state machine: a request and a time in, an answer and a delay out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::access::{Tokens, is_content_type};
use super::collection::Microtenant;
use super::http::{Answer, Pairs, Request, Response};
use super::log::{Class, LogEntry};
use super::random::SplitMix64;
use super::refusal::{Refusal, too_many_requests, unauthorized};
use super::route::{Call, find, unknown_path, wrong_method};
use super::scenario::{Latency, Scenario};
use super::tenant::{Tenant, World};

/// A simulated ZPA service with any number of tenants, each of which starts when it is first touched.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zpa_bulk::sim::{Request, Scenario, Sim};
///
/// let mut sim = Sim::new(Scenario::default(), 7, 1_700_000_000);
/// let path = "/mgmtconfig/v1/admin/customers/1/userPortal".to_owned();
/// let request = Request { method: "GET".to_owned(), path, ..Request::default() };
/// assert_eq!(sim.handle(Duration::ZERO, &request).status, 401);
/// assert_eq!(sim.log().len(), 1);
/// ```
#[derive(Debug)]
pub struct Sim {
    world: World,
    tokens: Tokens,
    tenants: BTreeMap<String, Tenant>,
    delays: Delays,
    log: Vec<LogEntry>,
}

impl Sim {
    /// A simulator in which nothing has happened yet. The same `seed` and the same requests at the same
    /// times give the same answers; `epoch` is the unix time in seconds at which `now` is zero.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64, epoch: i64) -> Self {
        Self {
            tokens: Tokens::new(seed, scenario.token.lifetime, epoch),
            delays: Delays {
                random: SplitMix64::new(seed, 2),
                latency: scenario.latency.clone(),
            },
            world: World::new(scenario, seed, epoch),
            tenants: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Carries out `request`, which arrives `now` after the simulator's start. `now` never goes backwards.
    pub fn handle(&mut self, now: Duration, request: &Request) -> Response {
        if let Some(control) = request.path.strip_prefix("/__sim/") {
            return self.control(control, request).after(Duration::ZERO);
        }
        let address = Address::parse(&request.path);
        let answer = self.answer(now, &address, request);
        self.log.push(entry(now, &address, request, answer.status));
        answer.after(self.delays.draw())
    }

    /// Every object of every tenant as `GET` answers it: what `GET /__sim/state` answers.
    #[must_use]
    pub fn state(&self) -> Value {
        let tenants = self
            .tenants
            .iter()
            .map(|(customer, tenant)| (customer.clone(), tenant.state()));
        json!({"tenants": tenants.collect::<serde_json::Map<_, _>>()})
    }

    /// Every request so far except those under `/__sim/`, in order of arrival.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The simulator's own paths: no token, no quota, no delay, not logged.
    fn control(&self, path: &str, request: &Request) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "state") => Answer::json(200, &self.state()),
            (method, "state") => wrong_method(method).into_answer(),
            _ => unknown_path(&request.path).into_answer(),
        }
    }

    fn answer(&mut self, now: Duration, address: &Address<'_>, request: &Request) -> Answer {
        let result = match address.target {
            Target::SignIn | Target::SignOut | Target::Token if request.method != "POST" => {
                Err(wrong_method(&request.method))
            }
            Target::SignIn => self.tokens.sign_in(now, request),
            Target::Token => self.tokens.token(now, request),
            Target::SignOut => Ok(self.tokens.sign_out(now, request, address.through_gateway)),
            _ if !self.tokens.admits(now, request) => Ok(unauthorized(address.through_gateway)),
            Target::Unknown => Err(unknown_path(&request.path)),
            Target::Api {
                version,
                customer,
                path,
            } => self.call(now, version, customer, path, request),
        };
        result.unwrap_or_else(Refusal::into_answer)
    }

    /// An API call with a valid token: the tenant's quota first, then the call itself.
    fn call(
        &mut self,
        now: Duration,
        version: &str,
        customer: &str,
        path: &str,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        let world = &mut self.world;
        let tenant = self
            .tenants
            .entry(customer.to_owned())
            .or_insert_with(|| Tenant::new(world));
        let limiter = match Class::of_method(&request.method) {
            Class::Read => &mut tenant.quotas.read,
            _ => &mut tenant.quotas.write,
        };
        if let Err(wait) = limiter.admit(now) {
            return Ok(too_many_requests(wait));
        }
        let (handler, param) = find(&request.method, version, path)?;
        check_media_type(request)?;
        let query = Pairs::parse(&request.query);
        let microtenant = microtenant(&query)?;
        let time = world.epoch.saturating_add_unsigned(now.as_secs());
        handler(&mut Call {
            world,
            tenant,
            microtenant,
            query,
            param,
            body: &request.body,
            time,
        })
    }
}

fn entry(now: Duration, address: &Address<'_>, request: &Request, status: u16) -> LogEntry {
    LogEntry {
        at: now,
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        tenant: address.customer().to_owned(),
        class: address.class(&request.method),
        method: request.method.clone(),
        path: request.path.clone(),
        status,
    }
}

/// Bodies of `GET` and `DELETE` are ignored, whatever they claim to be; all others must be JSON.
fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let carries_json =
        matches!(request.method.as_str(), "POST" | "PUT") && !request.body.is_empty();
    if carries_json && !is_content_type(request, "application/json") {
        return Err(Refusal::new(
            415,
            "unsupported.media.type",
            "The body must be application/json.",
        ));
    }
    Ok(())
}

fn microtenant(query: &Pairs) -> Result<Microtenant, Refusal> {
    let text = query.value("microtenantId");
    Microtenant::parse(text)
        .ok_or_else(|| Refusal::bad("invalid.query.parameter", "microtenantId is not a number."))
}

/// What a path is about.
#[derive(Debug)]
struct Address<'a> {
    /// `OneAPI` puts `/zpa` in front of every path; the legacy hosts take it bare.
    through_gateway: bool,
    target: Target<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Target<'a> {
    SignIn,
    SignOut,
    Token,
    Api {
        version: &'a str,
        customer: &'a str,
        path: &'a str,
    },
    Unknown,
}

impl<'a> Address<'a> {
    fn parse(path: &'a str) -> Self {
        let behind_gateway = path
            .strip_prefix("/zpa")
            .filter(|rest| rest.starts_with('/'));
        let bare = behind_gateway.unwrap_or(path);
        let target = match bare.strip_suffix('/').unwrap_or(bare) {
            "/signin" => Target::SignIn,
            "/signout" => Target::SignOut,
            "/oauth2/v1/token" => Target::Token,
            other => api(other).unwrap_or(Target::Unknown),
        };
        Self {
            through_gateway: behind_gateway.is_some(),
            target,
        }
    }

    fn customer(&self) -> &'a str {
        match self.target {
            Target::Api { customer, .. } => customer,
            _ => "",
        }
    }

    fn class(&self, method: &str) -> Class {
        match self.target {
            Target::SignIn | Target::SignOut | Target::Token => Class::Auth,
            Target::Api { .. } | Target::Unknown => Class::of_method(method),
        }
    }
}

/// Reads `/mgmtconfig/{version}/admin/customers/{customerId}/{path}`.
fn api(path: &str) -> Option<Target<'_>> {
    let (version, rest) = path.strip_prefix("/mgmtconfig/")?.split_once('/')?;
    let (customer, path) = rest.strip_prefix("admin/customers/")?.split_once('/')?;
    let is_id = !customer.is_empty() && customer.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(Target::Api {
        version,
        customer,
        path,
    })
}

/// How long the next answer takes.
#[derive(Debug)]
struct Delays {
    random: SplitMix64,
    latency: Latency,
}

impl Delays {
    fn draw(&mut self) -> Duration {
        let jitter = u64::try_from(self.latency.jitter.as_nanos()).unwrap_or(u64::MAX);
        self.latency.base + Duration::from_nanos(self.random.below(jitter.saturating_add(1)))
    }
}
