//! The settings of single resources: the objects of a new tenant, and the behaviour that the
//! documentation leaves open.

use std::num::NonZeroU32;

use super::error::ScenarioError;
use super::form::{COUNT, Form, NAMES, POSITIVE, SEEDED, SHARE, TEXTS, names, texts};
use super::section::{Rules, Section};
use crate::sim::fields::is_domain;

/// The names of all resources.
pub(in crate::sim) const RESOURCES: [&str; 5] = [
    "portal-link",
    "user-portal",
    "connector",
    "connector-schedule",
    "domain",
];

/// The microtenants besides the Default one. All start with the same objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MicrotenantRules {
    /// The names, all different; none by default. `GET /__sim/state` shows their ids.
    pub names: Vec<String>,
}

impl Rules for MicrotenantRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("names", &mut self.names, &NAMES)
    }
}

/// The rules for deleting user portals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortalRules {
    /// The treatment of a portal that still has links, on which the documentation is silent; refused by
    /// default.
    pub delete_with_links: DeletePortal,
}

/// The treatment of a deleted user portal that still has links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeletePortal {
    /// `refuse`: the portal stays, and the answer is 400.
    #[default]
    Refuse,
    /// `detach`: the portal is deleted, and its links stay without it.
    Detach,
}

impl Rules for PortalRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [
            ("refuse", DeletePortal::Refuse),
            ("detach", DeletePortal::Detach),
        ];
        section.choice("delete_with_links", &mut self.delete_with_links, &choices)
    }
}

/// The app connectors of a new tenant, in each of its microtenants.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorRules {
    /// The number of connected ones; 6 by default. They last connected up to 200 days ago, after being
    /// disconnected for some minutes.
    pub live: u32,
    /// The number of those that were disconnected 31 to 400 days ago; 10 by default.
    pub stale: u32,
    /// The number of those that never connected; 2 by default. The first, the third and so on were created
    /// 35 to 400 days ago, the others within the last 20 days.
    pub never_connected: u32,
    /// The number of stale ones that cannot be changed, in addition to `stale`; 1 by default. The first,
    /// the third and so on are `readOnly`, the others `zscalerManaged`.
    pub read_only: u32,
    /// The number of groups over which the connectors are spread; 3 by default.
    pub groups: NonZeroU32,
    /// The number of groups without a connected one, in addition to `groups`; none by default. The first
    /// of the `stale` connectors are in them.
    pub dark_groups: u32,
    /// The share, 0 to 1, of the `stale` connectors that connect again right after they are first read; 0
    /// by default. The seed decides which.
    pub come_back: f64,
}

impl Default for ConnectorRules {
    fn default() -> Self {
        Self {
            live: 6,
            stale: 10,
            never_connected: 2,
            read_only: 1,
            groups: NonZeroU32::MIN.saturating_add(2),
            dark_groups: 0,
            come_back: 0.0,
        }
    }
}

impl Rules for ConnectorRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        const GROUPS: Form<NonZeroU32> = Form::new("a whole number from 1 to 10000", |value| {
            NonZeroU32::new((SEEDED.read)(value)?)
        });
        section.value("live", &mut self.live, &SEEDED)?;
        section.value("stale", &mut self.stale, &SEEDED)?;
        section.value("never_connected", &mut self.never_connected, &SEEDED)?;
        section.value("read_only", &mut self.read_only, &SEEDED)?;
        section.value("groups", &mut self.groups, &GROUPS)?;
        section.value("dark_groups", &mut self.dark_groups, &SEEDED)?;
        section.value("come_back", &mut self.come_back, &SHARE)
    }
}

/// The treatment of ids that `bulkDelete` cannot simply delete. The documentation is silent on all three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkDeleteRules {
    /// Ids of no connector of the microtenant; ignored by default.
    pub unknown_ids: Treatment,
    /// Ids that occur more than once; ignored by default.
    pub repeated_ids: Treatment,
    /// Connectors that cannot be changed; refused by default. If ignored, they stay as they are.
    pub read_only: Treatment,
}

impl Default for BulkDeleteRules {
    fn default() -> Self {
        Self {
            unknown_ids: Treatment::Ignore,
            repeated_ids: Treatment::Ignore,
            read_only: Treatment::Refuse,
        }
    }
}

/// The treatment of a bulk call with an unusual item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// `ignore`: the call is executed without the item. The answer does not mention it.
    Ignore,
    /// `refuse`: the answer is 400, and nothing is executed.
    Refuse,
}

impl Rules for BulkDeleteRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [("ignore", Treatment::Ignore), ("refuse", Treatment::Refuse)];
        section.choice("unknown_ids", &mut self.unknown_ids, &choices)?;
        section.choice("repeated_ids", &mut self.repeated_ids, &choices)?;
        section.choice("read_only", &mut self.read_only, &choices)
    }
}

/// The customer domains of a new tenant, in each of its microtenants, and the rules for posting domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRules {
    /// The effect of a posted list; it replaces the old one by default.
    pub post: DomainPost,
    /// The search suffixes of a new tenant; none by default.
    pub seed: Vec<String>,
    /// A domain that another administrator adds, once in a tenant, to the list that was just read; none by
    /// default.
    pub intruder: Option<String>,
    /// The number of the reading, from 1, after which the other administrator adds that domain; 1 by
    /// default. Readings of all lists of the tenant count.
    pub intruder_after: NonZeroU32,
}

/// The effect of a posted list of domains: the documentation says "add or update", a vendor's SDK
/// "replace".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DomainPost {
    /// `replace`: domains that are not posted are removed.
    #[default]
    Replace,
    /// `add`: domains that are not posted stay.
    Add,
}

impl Default for DomainRules {
    fn default() -> Self {
        Self {
            post: DomainPost::default(),
            seed: Vec::new(),
            intruder: None,
            intruder_after: NonZeroU32::MIN,
        }
    }
}

impl Rules for DomainRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        const DOMAINS: Form<Vec<String>> = Form::new("a list of different domains", |value| {
            names(value).filter(|seed| seed.iter().all(|domain| is_domain(domain)))
        });
        const INTRUDER: Form<Option<String>> = Form::new("a domain, or \"\" for none", |value| {
            match value.as_str()? {
                "" => Some(None),
                text => is_domain(text).then(|| Some(text.to_owned())),
            }
        });
        let choices = [("replace", DomainPost::Replace), ("add", DomainPost::Add)];
        section.choice("post", &mut self.post, &choices)?;
        section.value("seed", &mut self.seed, &DOMAINS)?;
        section.value("intruder", &mut self.intruder, &INTRUDER)?;
        section.value("intruder_after", &mut self.intruder_after, &POSITIVE)
    }
}

/// The answers about the auto-delete schedule of connectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleRules {
    /// The answer while there is no schedule; 404 by default.
    pub absent: AbsentSchedule,
    /// The form of its numbers; strings by default.
    pub numbers: NumberForm,
}

/// The answer of a `GET` while there is no schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AbsentSchedule {
    /// `not_found`: 404 `resource.not.found`.
    #[default]
    NotFound,
    /// `empty`: 200 with an empty object.
    Empty,
}

/// The form of ids and other numbers in an answer. The documentation shows both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NumberForm {
    /// `strings`: as JSON strings.
    #[default]
    Strings,
    /// `numbers`: as JSON numbers.
    Numbers,
}

impl Rules for ScheduleRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [
            ("not_found", AbsentSchedule::NotFound),
            ("empty", AbsentSchedule::Empty),
        ];
        section.choice("absent", &mut self.absent, &choices)?;
        let choices = [
            ("strings", NumberForm::Strings),
            ("numbers", NumberForm::Numbers),
        ];
        section.choice("numbers", &mut self.numbers, &choices)
    }
}

/// The resources without a licence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureRules {
    /// The resources (`portal-link`, `user-portal`, `connector`, `connector-schedule`, `domain`) whose calls
    /// are all refused with 401 `authz.featureflag.permission.denied`; none by default.
    pub off: Vec<String>,
}

impl Rules for FeatureRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        const OFF: Form<Vec<String>> = Form::new(
            "a list of portal-link, user-portal, connector, connector-schedule, domain",
            |value| texts(value).filter(|off| off.iter().all(|name| RESOURCES.contains(&&**name))),
        );
        section.value("off", &mut self.off, &OFF)
    }
}

/// The calls that always fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureRules {
    /// The page, from 1, of a list that is always answered with 500; 0, which is no page, by default.
    pub fail_page: u32,
    /// The paths after the customer id, such as `connector`, of the lists whose page fails. If there are
    /// none, as by default, that page fails in all lists.
    pub fail_paths: Vec<String>,
}

impl Rules for FailureRules {
    fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("fail_page", &mut self.fail_page, &COUNT)?;
        section.value("fail_paths", &mut self.fail_paths, &TEXTS)
    }
}
