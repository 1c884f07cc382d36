//! The scenario: the settings of a simulation, read from a TOML file. Every key has a default.
//!
//! An unknown key is an error, because a misspelt setting that is silently ignored makes a rehearsal
//! worthless. To add a table, add its `rules!`, here or in a file of its kind, and one line in
//! `Scenario::read`.

mod error;
mod fault;
mod form;
pub(super) mod resources;
mod section;
mod traffic;

use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;

pub use self::error::ScenarioError;
pub use self::fault::{CallPattern, Fault, FaultKind};
use self::form::{COUNT, FLAG, Form, LIFETIME, POSITIVE, SEEDED, SEEDED_LINKS};
pub use self::resources::{
    AbsentSchedule, BulkDeleteRules, ConnectorRules, DeletePortal, DomainPost, DomainRules,
    FailureRules, FeatureRules, ListingRules, MicrotenantRules, NumberForm, PortalRules,
    ScheduleRules, Treatment,
};
use self::section::{Rules, Section, rules};
pub use self::traffic::{CoTenant, Latency, Quota, QuotaRules, QuotaScope, StormRules, Window};
use super::assertion::PublicKey;

/// All settings of a simulation. The default is the documented tenant with its published limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scenario {
    /// The rate limits of a tenant.
    pub quota: QuotaRules,
    /// The delays of requests and answers.
    pub latency: Latency,
    /// The storms, in which calls are refused whatever the quotas say.
    pub storm: StormRules,
    /// The lifetime of tokens.
    pub token: TokenRules,
    /// The checks at sign-in.
    pub sign_in: SignInRules,
    /// The portals and links of a new tenant.
    pub tenant: TenantStart,
    /// The rules for batches and names.
    pub bulk: BulkRules,
    /// The most objects that a tenant may have.
    pub limits: Limits,
    /// The microtenants of a tenant.
    pub microtenants: MicrotenantRules,
    /// The rules for deleting user portals.
    pub user_portals: PortalRules,
    /// The connectors of a new tenant.
    pub connectors: ConnectorRules,
    /// The rules for deleting many connectors at once.
    pub bulk_delete: BulkDeleteRules,
    /// The customer domains of a new tenant, and the rules for posting domains.
    pub domains: DomainRules,
    /// The answers about the schedule of connectors.
    pub connector_schedule: ScheduleRules,
    /// The resources without a licence.
    pub features: FeatureRules,
    /// The differences between listings and the objects as they are.
    pub listing: ListingRules,
    /// The calls that always fail.
    pub failures: FailureRules,
    /// The faults that act on calls, in their order.
    pub faults: Vec<Fault>,
}

rules! {
    /// The rules for issuing tokens.
    TokenRules {
        /// The lifetime of a token, in whole seconds from 1 s to 24 h; 1 h by default.
        lifetime: Duration = Duration::from_secs(3600), LIFETIME;
    }
}

const PUBLIC_KEY: Form<Option<PublicKey>> = Form::new(
    "an RSA key in PEM that begins with -----BEGIN PUBLIC KEY-----",
    |value| PublicKey::parse(value.as_str()?).map(Some),
);

rules! {
    /// The checks at sign-in.
    SignInRules {
        /// The RSA key, in PEM, that checks the signatures of assertions. Without a key, as by default, they
        /// are not checked.
        public_key: Option<PublicKey> = None, PUBLIC_KEY;
    }
}

rules! {
    /// The portals and links of a new tenant, in each of its microtenants.
    TenantStart {
        /// The number of user portals; 4 by default.
        portals: u32 = 4, SEEDED;
        /// The number of links, spread evenly over the portals; none by default. [`Limits`] do not apply to
        /// them.
        links: u32 = 0, SEEDED_LINKS;
    }
}

rules! {
    /// The rules for batches and names. The documentation is silent on all of them.
    BulkRules, Self::check {
        /// The most links in one bulk call; 500 by default.
        max: NonZeroU32 = NonZeroU32::MIN.saturating_add(499), POSITIVE;
        /// True if one invalid item keeps its whole batch from being created, as by default.
        atomic: bool = true, FLAG;
        /// True if names must be unique among the links, and among the portals, of a microtenant, as by
        /// default.
        unique_names: bool = true, FLAG;
        /// The part of the answer to a batch that is about its invalid items.
        bad_items: BadItems = BadItems::default(), Form::word();
        /// The form of the answer to a batch.
        answer: BulkAnswer = BulkAnswer::default(), Form::word();
        /// The order of the links in that answer.
        order: BulkOrder = BulkOrder::default(), Form::word();
        /// The effect of portals that stand with a single link of a batch.
        item_portals: ItemPortals = ItemPortals::default(), Form::word();
    }
}

impl BulkRules {
    fn check(&self, section: &Section) -> Result<(), ScenarioError> {
        if self.atomic && self.bad_items == BadItems::Unsaid {
            let what =
                "cannot be \"unsaid\" unless `bulk.atomic` is false: nothing would be created";
            return Err(section.conflict("bad_items", what));
        }
        Ok(())
    }
}

/// The part of the answer to a batch that is about its invalid items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BadItems {
    /// `named`: 400 for the first invalid item, with its name.
    #[default]
    Named,
    /// `unnamed`: 400 for the first invalid item, without its name.
    Unnamed,
    /// `unsaid`: nothing. The answer is 201 and shows only the valid items. Batches may not be atomic then.
    Unsaid,
}

/// The form of the 201 to a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BulkAnswer {
    /// `wrapper`: the posted body, with ids, as documented.
    #[default]
    Wrapper,
    /// `list`: only the links, as a JSON array.
    List,
    /// `empty`: no body.
    Empty,
}

/// The order of the links in the 201 to a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BulkOrder {
    /// `posted`: the order in which they were posted.
    #[default]
    Posted,
    /// `reversed`: the opposite order.
    Reversed,
}

/// The effect of portals that stand with a single link of a batch: a model of the API has them, the documentation does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ItemPortals {
    /// `ignored`: every link gets the portals of the call.
    #[default]
    Ignored,
    /// `honoured`: a link with portals of its own gets those, and the answer shows them.
    Honoured,
}

rules! {
    /// The most objects that a tenant may have; by default the published limits of ZPA.
    Limits {
        /// The links of one tenant, all microtenants together; 500 by default.
        links: u32 = 500, COUNT;
        /// The links of one user portal; 500 by default.
        links_per_portal: u32 = 500, COUNT;
        /// The customer domains of one association type in one microtenant; 50 by default.
        domains: u32 = 50, COUNT;
    }
}

impl Scenario {
    /// Reads a scenario. Keys that are left out keep their defaults.
    ///
    /// # Errors
    ///
    /// Returns a [`ScenarioError`] if the text is not TOML, a key is unknown, or a value is not allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpa_bulk::sim::{Quota, Scenario};
    ///
    /// let scenario = Scenario::parse("[quota]\nread = \"off\"")?;
    /// assert_eq!(scenario.quota.read, Quota::Off);
    /// assert_eq!(scenario.tenant.portals, 4);
    /// # Ok::<(), zpa_bulk::sim::ScenarioError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let mut root = Section::parse(text)?;
        let scenario = Self::read(&mut root)?;
        root.finish()?;
        Ok(scenario)
    }

    fn read(root: &mut Section) -> Result<Self, ScenarioError> {
        let mut scenario = Self::default();
        root.table("quota", &mut scenario.quota)?;
        root.table("latency", &mut scenario.latency)?;
        root.table("storm", &mut scenario.storm)?;
        root.table("token", &mut scenario.token)?;
        root.table("sign_in", &mut scenario.sign_in)?;
        root.table("tenant", &mut scenario.tenant)?;
        root.table("bulk", &mut scenario.bulk)?;
        root.table("limits", &mut scenario.limits)?;
        root.table("microtenants", &mut scenario.microtenants)?;
        root.table("user_portals", &mut scenario.user_portals)?;
        root.table("connectors", &mut scenario.connectors)?;
        root.table("bulk_delete", &mut scenario.bulk_delete)?;
        root.table("domains", &mut scenario.domains)?;
        root.table("connector_schedule", &mut scenario.connector_schedule)?;
        root.table("features", &mut scenario.features)?;
        root.table("listing", &mut scenario.listing)?;
        root.table("faults", &mut scenario.failures)?;
        scenario.faults = root.tables("fault", Fault::read)?;
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Scenario::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_scenario_is_the_default_one() {
        assert_eq!(Scenario::parse("").unwrap(), Scenario::default());
        assert_eq!(Scenario::default().bulk.max.get(), 500);
    }

    #[test]
    fn every_other_key_is_read() {
        let text = r#"
            latency = { base = "0ms", jitter = "2s", travel = "3ms", travel_jitter = "4ms" }
            token = { lifetime = "2m" }
            tenant = { portals = 1, links = 2 }
            bulk = { max = 3, atomic = false, unique_names = false, bad_items = "unsaid", answer = "list", order = "reversed", item_portals = "honoured" }
            limits = { links = 4, links_per_portal = 5, domains = 6 }
            microtenants = { names = ["North", "South"] }
            user_portals = { delete_with_links = "detach" }
            connectors = { live = 1, stale = 2, never_connected = 3, read_only = 4, groups = 5, dark_groups = 6, come_back = 0.5 }
            bulk_delete = { unknown_ids = "refuse", repeated_ids = "refuse", read_only = "ignore" }
            domains = { post = "add", seed = ["a.example.com"], intruder = "b.example.com", intruder_after = 2 }
            connector_schedule = { absent = "empty", numbers = "numbers" }
            features = { off = ["domain"] }
            listing = { lag = "3s", churn = 0.5, churn_of = ["connector"], churn_rows = 7 }
            faults = { fail_page = 3, fail_paths = ["connector"] }
        "#;
        let public_key = include_str!("../../../tests/keys/public.pem");
        let text = format!("{text}\n[sign_in]\npublic_key = \"\"\"{public_key}\"\"\"");
        let mut expected = resources();
        expected.latency.base = Duration::ZERO;
        expected.latency.jitter = Duration::from_secs(2);
        expected.latency.travel = Duration::from_millis(3);
        expected.latency.travel_jitter = Duration::from_millis(4);
        expected.token.lifetime = Duration::from_secs(120);
        expected.sign_in.public_key = PublicKey::parse(public_key);
        expected.tenant.portals = 1;
        expected.tenant.links = 2;
        expected.bulk.max = NonZeroU32::new(3).unwrap();
        expected.bulk.atomic = false;
        expected.bulk.bad_items = BadItems::Unsaid;
        expected.bulk.answer = BulkAnswer::List;
        expected.bulk.order = BulkOrder::Reversed;
        expected.bulk.item_portals = ItemPortals::Honoured;
        expected.bulk.unique_names = false;
        expected.limits.links = 4;
        expected.limits.links_per_portal = 5;
        expected.limits.domains = 6;
        assert!(expected.sign_in.public_key.is_some());
        assert_eq!(Scenario::parse(&text).unwrap(), expected);
    }

    /// The expected settings of single resources in the test above.
    fn resources() -> Scenario {
        let mut expected = Scenario::default();
        expected.microtenants.names = vec!["North".to_owned(), "South".to_owned()];
        expected.user_portals.delete_with_links = DeletePortal::Detach;
        expected.connectors.live = 1;
        expected.connectors.stale = 2;
        expected.connectors.never_connected = 3;
        expected.connectors.read_only = 4;
        expected.connectors.groups = NonZeroU32::new(5).unwrap();
        expected.connectors.dark_groups = 6;
        expected.connectors.come_back = 0.5;
        expected.bulk_delete.unknown_ids = Treatment::Refuse;
        expected.bulk_delete.repeated_ids = Treatment::Refuse;
        expected.bulk_delete.read_only = Treatment::Ignore;
        expected.domains.post = DomainPost::Add;
        expected.domains.seed = vec!["a.example.com".to_owned()];
        expected.domains.intruder = Some("b.example.com".to_owned());
        expected.domains.intruder_after = NonZeroU32::new(2).unwrap();
        expected.connector_schedule.absent = AbsentSchedule::Empty;
        expected.connector_schedule.numbers = NumberForm::Numbers;
        expected.features.off = vec!["domain".to_owned()];
        expected.listing.lag = Duration::from_secs(3);
        expected.listing.churn = 0.5;
        expected.listing.churn_of = vec!["connector".to_owned()];
        expected.listing.churn_rows = NonZeroU32::new(7).unwrap();
        expected.failures.fail_page = 3;
        expected.failures.fail_paths = vec!["connector".to_owned()];
        expected
    }

    #[test]
    fn every_quota_and_storm_key_is_read() {
        let text = r#"
            [quota]
            read = "3/250ms"
            write = "off"
            window = "small-bucket"
            counts_refused = true
            scope = "endpoint"
            gateway = "7/1s"
            retry_after_padding = "2s"
            co_tenant = "3/10s"

            [storm]
            statuses = [429, 503]
            from = "1m"
            until = "90s"
            every = "1h"
            share = 0.5
            retry_after = "13 seconds"
        "#;
        let limited = |calls, per| Quota::Limited {
            calls: NonZeroU32::new(calls).unwrap(),
            per,
        };
        let mut expected = Scenario::default();
        expected.quota.read = limited(3, Duration::from_millis(250));
        expected.quota.write = Quota::Off;
        expected.quota.window = Window::SmallBucket;
        expected.quota.counts_refused = true;
        expected.quota.scope = QuotaScope::Endpoint;
        expected.quota.gateway = limited(7, Duration::from_secs(1));
        expected.quota.retry_after_padding = Duration::from_secs(2);
        expected.quota.co_tenant.calls = 3;
        expected.quota.co_tenant.per = Duration::from_secs(10);
        expected.storm.statuses = vec![429, 503];
        expected.storm.from = Duration::from_secs(60);
        expected.storm.until = Duration::from_secs(90);
        expected.storm.every = Duration::from_secs(3600);
        expected.storm.share = 0.5;
        expected.storm.retry_after = "13 seconds".to_owned();
        assert_eq!(Scenario::parse(text).unwrap(), expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_the_known_ones() {
        assert_eq!(
            refused("[quota]\nreed = \"off\""),
            "unknown key `quota.reed`; allowed here: read, write, window, counts_refused, scope, gateway, \
             retry_after_padding, co_tenant"
        );
        let message = refused("[weather]\n");
        assert!(
            message.starts_with("unknown key `weather`; allowed here: quota, latency"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_the_allowed_ones() {
        let message = refused("[quota]\nwrite = \"10 per minute\"");
        assert!(
            message.starts_with("`quota.write` cannot be \"10 per minute\"; allowed: \"off\""),
            "{message}"
        );
        let wrong = [
            "quota.read = \"0/10s\"",
            "quota.read = \"5/0s\"",
            "quota.window = \"hourly\"",
            "latency.base = \"80\"",
            "latency.jitter = \"2h\"",
            "latency.travel = \"3601s\"",
            "quota.counts_refused = 1",
            "quota.scope = \"path\"",
            "quota.gateway = \"0/60s\"",
            "quota.retry_after_padding = \"2h\"",
            "quota.co_tenant = \"off\"",
            "quota.co_tenant = \"11/10ms\"",
            "storm.statuses = []",
            "storm.statuses = [500]",
            "storm.until = \"1001h\"",
            "storm.share = -0.1",
            "storm.retry_after = \"1\\n2\"",
            "token.lifetime = \"1500ms\"",
            "sign_in.public_key = \"mine\"",
            "tenant.portals = -1",
            "tenant.links = 1000001",
            "bulk.max = 0",
            "bulk.atomic = \"yes\"",
            "bulk.bad_items = \"unsaid\"",
            "bulk.bad_items = \"some\"",
            "bulk.answer = \"bare\"",
            "bulk.order = \"sorted\"",
            "listing.lag = \"2h\"",
            "listing.churn = 1.5",
            "listing.churn_of = [\"domain\"]",
            "listing.churn_rows = 0",
            "limits.links = 1.5",
            "limits = 500",
            "microtenants.names = [\"a\", \"a\"]",
            "microtenants.names = [\" \"]",
            "user_portals.delete_with_links = true",
            "connectors.live = 10001",
            "connectors.groups = 0",
            "connectors.come_back = 1.5",
            "bulk_delete.read_only = \"delete\"",
            "domains.post = \"merge\"",
            "domains.seed = [\"not a domain\"]",
            "domains.intruder = \"-\"",
            "domains.intruder_after = 0",
            "connector_schedule.absent = \"missing\"",
            "connector_schedule.numbers = 5",
            "features.off = [\"weather\"]",
            "faults.fail_page = -1",
            "faults.fail_paths = \"connector\"",
        ];
        for text in wrong {
            assert!(refused(text).contains("cannot be"), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_refused() {
        let error = Scenario::parse("quota = ").unwrap_err();
        let message = "the scenario is not valid TOML";
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.line(), None);
    }
}
