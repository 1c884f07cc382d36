//! The simulated tenant: what a ZPA administrator API answers, without ZPA.
//!
//! Tests, benchmarks and rehearsals run against it over real HTTP on loopback, or in memory through
//! [`Sim::handle`]. [`Sim`] is a pure state machine: the time, the seed and the requests are passed in,
//! so the same calls always get the same answers. [`Server`] is a thin HTTP server around one.
//!
//! What always holds:
//!
//! - A request is under way for as long as [`Sim::travel`] says. The state changes when it arrives, unless a
//!   [`Fault`] makes it late; [`Response::delay`] says how much later its answer leaves, and [`Response::delivery`]
//!   how much of it.
//! - Every request except those under `/__sim/` is in the log, in order of arrival.
//! - It shares no type, field name or rule with the rest of this crate. It knows the wire by itself,
//!   because a mistake made once and used by both sides would hide itself. Only [`InMemory`], which
//!   carries requests to it without sockets, knows the client's side.
//!
//! Where the vendor's documentation leaves a behaviour open (whether a batch is atomic, whether posted
//! domains replace or add, what deleting an unknown connector does) it is a setting of the [`Scenario`].
//!
//! A caller sees the objects of one microtenant, all of which start alike; ids of microtenants that the
//! scenario does not name are refused.
//!
//! What it does not do: enrol connectors, or delete any by their schedule; check secrets (the literal
//! secret `wrong` is refused, any other accepted), verify the signature of an assertion unless the scenario gives
//! the key, or bind a token to a tenant. It
//! therefore listens on loopback only.
//!
//! A further resource is one file with its `ROUTES`, its lines in `registry.rs`, and its
//! collection in `tenant.rs`; its settings are a table in `scenario/resources.rs`. A further kind of fault is
//! a [`FaultKind`], and one line where it acts: before a call is carried out, or on its answer.

mod access;
mod assertion;
mod call;
mod collection;
mod connector;
mod connector_schedule;
mod domain;
mod faults;
mod fields;
mod fleet;
mod gateway;
mod http;
mod limiter;
mod line;
mod listing;
mod log;
mod machine;
mod memory;
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
pub use memory::InMemory;
pub use scenario::{
    AbsentSchedule, BadItems, BulkAnswer, BulkDeleteRules, BulkOrder, BulkRules, CallPattern,
    CoTenant, ConnectorRules, DeletePortal, DomainPost, DomainRules, Fault, FaultKind, FaultRules,
    FeatureRules, Latency, Limits, MicrotenantRules, Numbers, PortalRules, Quota, QuotaRules,
    Scenario, ScenarioError, ScheduleRules, Scope, SignInRules, StormRules, TenantStart,
    TokenRules, Treatment, Window,
};
pub use server::{Server, ServerOptions};
