//! A simulated ZPA administrator API, with any number of tenants.
//!
//! Tests, benchmarks and rehearsals call it over real HTTP on loopback, or in memory through
//! [`Sim::handle`]. [`Sim`] is a pure state machine: time, seed and requests are passed in, so the same
//! calls always get the same answers. [`Server`] is a thin HTTP server around one [`Sim`].
//!
//! Three things always hold:
//!
//! - The state changes when a request arrives, unless a [`Fault`] delays the change. [`Sim::travel`] says
//!   how long the request is on its way. [`Response::delay`] says how long after the arrival the answer
//!   leaves, and [`Response::delivery`] how much of the answer leaves.
//! - Every request except those under `/__sim/` is in the log, in order of arrival.
//! - The simulator shares no type, field name or rule with the client, because a mistake used by both
//!   sides would stay hidden.
//!
//! The vendor's documentation leaves some behaviour open: is a batch atomic, do posted domains replace
//! the list or add to it, what does deleting an unknown connector do? Each such question is a setting of
//! the [`Scenario`].
//!
//! A caller sees the objects of one microtenant. All microtenants start alike. The id of a microtenant
//! that the scenario does not name is refused.
//!
//! The simulator does not enrol connectors, does not delete them by their schedule, and does not bind a
//! token to a tenant. Every secret is accepted except `wrong`. The signature of an assertion is verified
//! only if the scenario gives the key. For these reasons the server listens on loopback only.
//!
//! To add a resource, write one file with its `ROUTES`, list it in `registry.rs`, and add its collection
//! to `objects.rs`. Its settings are a table in `scenario/resources.rs`. To add a kind of fault, add a
//! [`FaultKind`] and one line where the fault acts: before the call is executed, or on its answer.

mod access;
mod assertion;
mod call;
mod churn;
mod collection;
mod connector;
mod connector_schedule;
mod connector_seed;
mod domain;
mod faults;
mod fields;
mod gateway;
mod http;
mod limiter;
mod listing;
mod log;
mod machine;
mod objects;
mod portal_link;
mod quotas;
mod random;
mod refusal;
mod registry;
mod scenario;
mod server;
mod storm;
mod tenant;
mod user_portal;

pub use assertion::PublicKey;
pub use http::{Delivery, Request, Response};
pub use log::{Class, LogEntry};
pub use machine::Sim;
pub use scenario::{
    AbsentSchedule, BadItems, BulkAnswer, BulkDeleteRules, BulkOrder, BulkRules, CallPattern,
    CoTenant, ConnectorRules, DeletePortal, DomainPost, DomainRules, FailureRules, Fault,
    FaultKind, FeatureRules, ItemPortals, Latency, Limits, ListingRules, MicrotenantRules,
    NumberForm, PortalRules, Quota, QuotaRules, QuotaScope, Scenario, ScenarioError, ScheduleRules,
    SignInRules, StormRules, TenantStart, TokenRules, Treatment, Window,
};
pub use server::{Server, ServerOptions};
