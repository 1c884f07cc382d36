//! The simulator as a state machine: takes a request and a time, returns an answer and a delay.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::access::{Tokens, is_content_type};
use super::call::Call;
use super::churn;
use super::faults::{Faults, Injection};
use super::gateway::Gateway;
use super::http::{Answer, Delivery, Pairs, Request, Response};
use super::log::{Class, LogEntry};
use super::random::SplitMix64;
use super::refusal::{
    Refusal, UNAVAILABLE, gateway_too_many_requests, injected, too_many_requests, unauthorized,
};
use super::registry;
use super::scenario::{FailureRules, FaultKind, FeatureRules, Latency, Scenario};
use super::storm::Storm;
use super::tenant::{Service, Tenant};

/// The prefix of the simulator's own paths.
const CONTROL_PREFIX: &str = "/__sim/";

/// A simulated ZPA service with any number of tenants. A tenant is created by the first call to it.
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
    service: Service,
    tokens: Tokens,
    /// The gateways by customer id. Calls to unknown paths share the one of the empty id.
    gateways: BTreeMap<String, Gateway>,
    storm: Storm,
    faults: Faults,
    /// The calls to execute later, by their time and then in order of arrival.
    delayed: BTreeMap<(Duration, u64), DelayedCall>,
    tenants: BTreeMap<String, Tenant>,
    delays: Delays,
    log: Vec<LogEntry>,
}

impl Sim {
    /// Creates a simulator without tenants. The same `seed` and the same requests at the same times give
    /// the same answers. `epoch` is the unix time, in seconds, at which `now` is zero.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64, epoch: i64) -> Self {
        Self {
            tokens: Tokens::new(seed, epoch, &scenario),
            gateways: BTreeMap::new(),
            storm: Storm::new(scenario.storm.clone(), SplitMix64::new(seed, 5)),
            faults: Faults::new(&scenario.faults, seed),
            delayed: BTreeMap::new(),
            delays: Delays {
                answers: SplitMix64::new(seed, 2),
                travels: SplitMix64::new(seed, 6),
                latency: scenario.latency.clone(),
            },
            service: Service::new(scenario, seed, epoch),
            tenants: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// The time that `request` needs to arrive. The caller waits so long before it calls [`Sim::handle`].
    pub fn travel(&mut self, request: &Request) -> Duration {
        if request.path.starts_with(CONTROL_PREFIX) {
            return Duration::ZERO;
        }
        self.delays.draw_travel()
    }

    /// Executes `request`, which arrives `now` after the simulator's start. `now` must not go backwards.
    pub fn handle(&mut self, now: Duration, request: &Request) -> Response {
        self.advance(now);
        if let Some(control) = request.path.strip_prefix(CONTROL_PREFIX) {
            let answer = self.answer_control(control, request);
            return answer.after(Duration::ZERO, Delivery::Whole);
        }
        let address = Address::parse(&request.path);
        let injection = self.faults.inject(now, request, address.is_sign_in());
        let arrival = Arrival {
            now,
            address,
            request,
            injection,
        };
        let (answer, delivery, delayed) = match self.receive(&arrival) {
            Some(answer) => arrival.injection.apply_to(answer),
            // The call was not executed, so its answer has no status.
            None => (Answer::empty(0), Delivery::Dropped, Duration::ZERO),
        };
        self.log.push(arrival.log_entry(answer.status));
        answer.after(self.delays.draw_answer() + delayed, delivery)
    }

    /// Executes the delayed calls whose time has come.
    pub fn advance(&mut self, now: Duration) {
        let is_due = |entry: &OccupiedEntry<'_, (Duration, u64), _>| entry.key().0 <= now;
        while let Some(entry) = self.delayed.first_entry().filter(is_due) {
            let ((due, _), DelayedCall { request, poisoned }) = entry.remove_entry();
            if let Target::Api(api) = Address::parse(&request.path).target {
                // The connection broke when the call arrived: nobody reads the answer.
                let _ = self.execute(due, api, &request, &request.body, &poisoned);
            }
        }
    }

    /// The answer of `GET /__sim/state`: the named microtenants, and every object of every tenant as
    /// `GET` shows it.
    #[must_use]
    pub fn state(&self) -> Value {
        let tenants = self.tenants.iter();
        let tenants: Map<String, Value> = tenants
            .map(|(customer, tenant)| (customer.clone(), registry::state(tenant)))
            .collect();
        json!({"microtenants": self.service.microtenant_names(), "tenants": tenants})
    }

    /// All requests so far except those under `/__sim/`, in order of arrival.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// Answers the simulator's own paths, without token, quota, delay or log.
    fn answer_control(&self, path: &str, request: &Request) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "state") => Answer::json(200, &self.state()),
            (method, "state") => Refusal::wrong_method(method).into_answer(),
            _ => Refusal::unknown_path(&request.path).into_answer(),
        }
    }

    /// Answers a call. A call that a fault stops or delays has no answer.
    fn receive(&mut self, arrival: &Arrival<'_>) -> Option<Answer> {
        match &arrival.injection.kind {
            Some(FaultKind::ResetBefore) => return None,
            Some(FaultKind::Status {
                status,
                retry_after,
                id,
            }) => return Some(injected(*status, id.as_deref(), retry_after.as_deref())),
            Some(FaultKind::SigninDown) => return Some(Answer::json_bytes(503, UNAVAILABLE)),
            Some(FaultKind::ExpireToken) => self.tokens.revoke(arrival.request),
            _ => {}
        }
        if !arrival.address.needs_token() {
            self.dispatch(arrival)
        } else if self.tokens.is_valid(arrival.now, arrival.request) {
            self.pass_gateway(arrival)
        } else {
            // The gateway checks the token before it counts the call.
            Some(unauthorized(arrival.address.through_gateway))
        }
    }

    /// Answers a call with a valid token. The gateway's limit holds for calls to the legacy hosts too, but
    /// only answers through the gateway have its headers.
    fn pass_gateway(&mut self, arrival: &Arrival<'_>) -> Option<Answer> {
        let customer = arrival.address.customer();
        let rules = &self.service.scenario.quota;
        let gateways = &mut self.gateways;
        let gateway = gateways
            .entry(customer.to_owned())
            .or_insert_with(|| Gateway::new(rules.gateway));
        let answer = match gateway.admit(arrival.now) {
            Ok(()) => self.dispatch(arrival)?,
            Err(wait) => gateway_too_many_requests(wait + rules.retry_after_padding),
        };
        let gateway = self.gateways.get(customer);
        Some(match gateway.filter(|_| arrival.address.through_gateway) {
            Some(gateway) => gateway.add_headers(arrival.now, answer),
            None => answer,
        })
    }

    fn dispatch(&mut self, arrival: &Arrival<'_>) -> Option<Answer> {
        let (now, request) = (arrival.now, arrival.request);
        let through_gateway = arrival.address.through_gateway;
        let result = match arrival.address.target {
            Target::Api(api) => return self.call_api(api, arrival),
            Target::Unknown => Err(Refusal::unknown_path(&request.path)),
            _ if request.method != "POST" => Err(Refusal::wrong_method(&request.method)),
            Target::SignIn => self.tokens.sign_in(now, request),
            Target::Token => self.tokens.token(now, request),
            Target::SignOut => Ok(self.tokens.sign_out(now, request, through_gateway)),
        };
        Some(result.unwrap_or_else(Refusal::into_answer))
    }

    /// Answers an API call that passed the gateway: the storm comes first, then the tenant's quota, then
    /// the call itself, unless a fault delays it.
    fn call_api(&mut self, api: ApiPath<'_>, arrival: &Arrival<'_>) -> Option<Answer> {
        let (now, request) = (arrival.now, arrival.request);
        if let Some(answer) = self.storm.refuse(now) {
            return Some(answer);
        }
        let class = Class::of_method(&request.method);
        let tenant = tenant_of(&mut self.tenants, &mut self.service, api.customer);
        if let Err(wait) = tenant.quotas.admit(class, api.path, now) {
            let padding = self.service.scenario.quota.retry_after_padding;
            return Some(too_many_requests(wait + padding));
        }
        let Injection {
            kind,
            poisoned,
            partial_body,
        } = &arrival.injection;
        if let Some(FaultKind::LateCommit { delay }) = kind {
            let delayed = DelayedCall {
                request: request.clone(),
                poisoned: poisoned.clone(),
            };
            let arrived_as = self.log.len() as u64;
            self.delayed.insert((now + *delay, arrived_as), delayed);
            return None;
        }
        let body = partial_body.as_ref().unwrap_or(&request.body);
        let result = self.execute(now, api, request, body, poisoned);
        Some(result.unwrap_or_else(Refusal::into_answer))
    }

    fn execute(
        &mut self,
        now: Duration,
        api: ApiPath<'_>,
        request: &Request,
        body: &[u8],
        poisoned: &[String],
    ) -> Result<Answer, Refusal> {
        let ApiPath { customer, path, .. } = api;
        let tenant = tenant_of(&mut self.tenants, &mut self.service, customer);
        let service = &mut self.service;
        let (resource, handler, param) = registry::find(&request.method, api.version, path)?;
        let query = Pairs::parse(&request.query);
        check_feature(&service.scenario.features, resource)?;
        check_page(&service.scenario.failures, &request.method, path, &query)?;
        check_media_type(request)?;
        let microtenant = service.microtenant(query.value("microtenantId"))?;
        let time = service.epoch.saturating_add_unsigned(now.as_secs());
        tenant.catch_up(now);
        let mut call = Call {
            service,
            tenant,
            microtenant,
            query,
            customer,
            param,
            body,
            poisoned,
            time,
        };
        churn::before_page(&mut call, &request.method, path);
        let result = handler(&mut call);
        call.tenant.note_changes(now);
        result
    }
}

/// Returns the tenant of this customer; creates it at its first call.
fn tenant_of<'t>(
    tenants: &'t mut BTreeMap<String, Tenant>,
    service: &mut Service,
    customer: &str,
) -> &'t mut Tenant {
    tenants
        .entry(customer.to_owned())
        .or_insert_with(|| registry::new_tenant(service, customer))
}

/// A call to execute later than it arrived.
#[derive(Debug)]
struct DelayedCall {
    request: Request,
    poisoned: Vec<String>,
}

/// A call at the moment of its arrival, with the faults that act on it.
#[derive(Debug)]
struct Arrival<'a> {
    now: Duration,
    address: Address<'a>,
    request: &'a Request,
    injection: Injection,
}

impl Arrival<'_> {
    fn log_entry(&self, status: u16) -> LogEntry {
        let (request, address) = (self.request, &self.address);
        LogEntry {
            at: self.now,
            at_ms: u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX),
            tenant: address.customer().to_owned(),
            class: address.class(&request.method),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            status,
            fault: self.injection.kind.as_ref().map(FaultKind::name),
        }
    }
}

/// Refuses a resource that the tenant has no licence for. The 401 has an error id of its own, because
/// another token would not help.
fn check_feature(features: &FeatureRules, resource: &str) -> Result<(), Refusal> {
    if features.off.iter().any(|off| off == resource) {
        let reason = format!("The feature {resource} is not enabled for this customer.");
        let id = "authz.featureflag.permission.denied";
        return Err(Refusal::new(401, id, reason));
    }
    Ok(())
}

/// Refuses the page of a list that the scenario makes fail.
fn check_page(
    failures: &FailureRules,
    method: &str,
    path: &str,
    query: &Pairs,
) -> Result<(), Refusal> {
    let page: Result<u32, _> = query.value("page").unwrap_or("1").parse();
    let listed = || failures.fail_paths.is_empty() || failures.fail_paths.iter().any(|p| p == path);
    if method != "GET" || page != Ok(failures.fail_page) || !listed() {
        return Ok(());
    }
    let reason = format!("The page {} could not be read.", failures.fail_page);
    Err(Refusal::new(500, "internal.server.error", reason))
}

/// Refuses the body of a `POST` or `PUT` that is not declared as JSON. Other methods ignore the body.
fn check_media_type(request: &Request) -> Result<(), Refusal> {
    let has_json = matches!(&*request.method, "POST" | "PUT") && !request.body.is_empty();
    if has_json && !is_content_type(request, "application/json") {
        let reason = "The body must be application/json.";
        return Err(Refusal::new(415, "unsupported.media.type", reason));
    }
    Ok(())
}

#[derive(Debug)]
struct Address<'a> {
    /// True for paths that start with `/zpa`, as with `OneAPI`. The legacy hosts use no prefix.
    through_gateway: bool,
    target: Target<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Target<'a> {
    SignIn,
    SignOut,
    Token,
    Api(ApiPath<'a>),
    Unknown,
}

/// The parts of `/mgmtconfig/{version}/admin/customers/{customer}/{path}`.
#[derive(Debug, Clone, Copy)]
struct ApiPath<'a> {
    version: &'a str,
    customer: &'a str,
    path: &'a str,
}

impl<'a> ApiPath<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let (version, rest) = path.strip_prefix("/mgmtconfig/")?.split_once('/')?;
        let (customer, path) = rest.strip_prefix("admin/customers/")?.split_once('/')?;
        let is_id = !customer.is_empty() && customer.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then_some(Self {
            version,
            customer,
            path,
        })
    }
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
            other => ApiPath::parse(other).map_or(Target::Unknown, Target::Api),
        };
        Self {
            through_gateway: behind_gateway.is_some(),
            target,
        }
    }

    fn needs_token(&self) -> bool {
        matches!(self.target, Target::Api(_) | Target::Unknown)
    }

    fn is_sign_in(&self) -> bool {
        matches!(self.target, Target::SignIn | Target::Token)
    }

    fn customer(&self) -> &'a str {
        match self.target {
            Target::Api(api) => api.customer,
            _ => "",
        }
    }

    fn class(&self, method: &str) -> Class {
        match self.target {
            Target::SignIn | Target::SignOut | Target::Token => Class::Auth,
            Target::Api(_) | Target::Unknown => Class::of_method(method),
        }
    }
}

/// Draws the delay of each request and each answer.
#[derive(Debug)]
struct Delays {
    answers: SplitMix64,
    travels: SplitMix64,
    latency: Latency,
}

impl Delays {
    fn draw_answer(&mut self) -> Duration {
        self.latency.base + draw_up_to(self.latency.jitter, &mut self.answers)
    }

    fn draw_travel(&mut self) -> Duration {
        self.latency.travel + draw_up_to(self.latency.travel_jitter, &mut self.travels)
    }
}

fn draw_up_to(most: Duration, random: &mut SplitMix64) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random.below(most.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTALS: &str = "/mgmtconfig/v1/admin/customers/1/userPortal";

    fn request(method: &str, path: &str, token: &str, body: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            authorization: Some(format!("Bearer {token}")),
            content_type: Some("application/json".to_owned()),
            body: body.into(),
            ..Request::default()
        }
    }

    fn sign_in(sim: &mut Sim) -> String {
        let content_type = Some("application/x-www-form-urlencoded".to_owned());
        let form = b"client_id=me&client_secret=s".to_vec();
        let path = "/signin".to_owned();
        let method = "POST".to_owned();
        let request = Request {
            method,
            path,
            content_type,
            body: form,
            ..Request::default()
        };
        let body: Value =
            serde_json::from_slice(&sim.handle(Duration::ZERO, &request).body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn sim(scenario: &str) -> (Sim, String) {
        let mut sim = Sim::new(Scenario::parse(scenario).unwrap(), 7, 1_700_000_000);
        let token = sign_in(&mut sim);
        (sim, token)
    }

    fn answers(seed: u64) -> Vec<Response> {
        let mut sim = Sim::new(Scenario::default(), seed, 0);
        let token = sign_in(&mut sim);
        let link = PORTALS.to_owned() + "Link";
        let create = request("POST", &link, &token, r#"{"name": "a", "link": "b.c"}"#);
        let read = request("GET", PORTALS, &token, "");
        vec![
            sim.handle(Duration::ZERO, &create),
            sim.handle(Duration::from_secs(1), &read),
        ]
    }

    #[test]
    fn the_seed_alone_decides_the_answers() {
        assert_eq!(answers(1), answers(1));
        let (one, two) = (answers(1), answers(2));
        assert!(
            one.iter()
                .zip(&two)
                .all(|(one, two)| one.body != two.body && one.delay != two.delay)
        );
    }

    #[test]
    fn a_refused_call_passes_when_retry_after_is_over() {
        let (mut sim, token) = sim("quota = { read = \"1/10s\" }");
        let read = request("GET", PORTALS, &token, "");
        let mut at = |millis| sim.handle(Duration::from_millis(millis), &read);
        assert_eq!(at(1000).status, 200);
        let refused = at(4500);
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains(&("retry-after", "7s".to_owned())));
        assert_eq!(at(10_999).status, 429);
        assert_eq!(at(11_000).status, 200);
    }

    #[test]
    fn answers_take_base_plus_at_most_the_jitter() {
        let (mut sim, token) =
            sim("quota = { read = \"off\" }\nlatency = { base = \"10ms\", jitter = \"5ms\" }");
        let read = request("GET", PORTALS, &token, "");
        let delays: Vec<Duration> = (0..500)
            .map(|_| sim.handle(Duration::ZERO, &read).delay)
            .collect();
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(15));
        assert!(delays.iter().all(|delay| (least..=most).contains(delay)));
        let spread = delays
            .iter()
            .max()
            .unwrap()
            .saturating_sub(*delays.iter().min().unwrap());
        assert!(spread > Duration::from_millis(4));
    }

    #[test]
    fn tokens_expire_and_objects_have_simulated_times() {
        let (mut sim, token) = sim("token = { lifetime = \"5s\" }");
        let create = request(
            "POST",
            &(PORTALS.to_owned() + "Link"),
            &token,
            r#"{"name": "a", "link": "b.c"}"#,
        );
        let created: Value =
            serde_json::from_slice(&sim.handle(Duration::from_millis(4999), &create).body).unwrap();
        assert_eq!(created["creationTime"], "1700000004");
        assert_eq!(sim.handle(Duration::from_secs(5), &create).status, 401);
    }

    #[test]
    fn the_state_is_answered_at_once_and_not_logged() {
        let (mut sim, _) = sim("");
        let response = sim.handle(Duration::ZERO, &request("GET", "/__sim/state", "", ""));
        assert_eq!((response.status, response.delay), (200, Duration::ZERO));
        assert_eq!(
            sim.handle(Duration::ZERO, &request("GET", "/__sim/other", "", ""))
                .status,
            404
        );
        assert_eq!(sim.log().len(), 1, "the sign-in alone");
    }
}
