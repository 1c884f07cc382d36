//! The settings of single resources: what a tenant starts with, and how open questions are answered.

use std::num::NonZeroU32;

use super::error::ScenarioError;
use super::section::{
    COUNT_FORM, LIST_FORM, POSITIVE_FORM, SEEDED_FORM, SHARE_FORM, Section, choice, count, names,
    positive, seeded, share, texts,
};
use crate::sim::fields::is_domain;

/// The names of the resources.
pub(in crate::sim) const RESOURCES: [&str; 5] = [
    "portal-link",
    "user-portal",
    "connector",
    "connector-schedule",
    "domain",
];

/// The named microtenants beside the Default one. Each starts with what the Default one starts with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MicrotenantRules {
    /// Their names, all different; none unless told otherwise. `GET /__sim/state` shows their ids.
    pub names: Vec<String>,
}

impl MicrotenantRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let allowed = "a list of names, none of them empty or twice in it";
        section.value("names", &mut self.names, allowed, names)
    }
}

/// What becomes of the links of a user portal that is deleted. The documentation does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortalRules {
    /// Whether a portal with links can be deleted; it cannot unless told otherwise.
    pub delete_with_links: DeletePortal,
}

/// See [`PortalRules::delete_with_links`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeletePortal {
    /// `refuse`: 400 while it has links.
    #[default]
    Refuse,
    /// `detach`: it is deleted, and its links stay without it.
    Detach,
}

impl PortalRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [
            ("refuse", DeletePortal::Refuse),
            ("detach", DeletePortal::Detach),
        ];
        section.value(
            "delete_with_links",
            &mut self.delete_with_links,
            "\"refuse\" or \"detach\"",
            |value| choice(value, choices),
        )
    }
}

/// The app connectors that a tenant starts with, in each of its microtenants.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorRules {
    /// Connected ones; 6 unless told otherwise. Their last connection began up to 200 days ago, after a
    /// disconnection of some minutes.
    pub live: u32,
    /// Ones that were disconnected 31 to 400 days ago; 10 unless told otherwise.
    pub stale: u32,
    /// Ones that never connected; 2 unless told otherwise. The first, the third and so on were created 35
    /// to 400 days ago, the others within the last 20 days.
    pub never_connected: u32,
    /// Stale ones that cannot be changed, in addition to `stale`; 1 unless told otherwise. The first, the
    /// third and so on are `readOnly`, the others `zscalerManaged`.
    pub read_only: u32,
    /// Groups over which all of them are spread; 3 unless told otherwise.
    pub groups: NonZeroU32,
    /// Groups in addition to `groups` in which nothing is connected; none unless told otherwise. Theirs
    /// are the first of the `stale` ones.
    pub dark_groups: u32,
    /// The share, 0 to 1, of the `stale` ones that connect again right after their first reading; 0 unless
    /// told otherwise. The seed decides which.
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

impl ConnectorRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("live", &mut self.live, SEEDED_FORM, seeded)?;
        section.value("stale", &mut self.stale, SEEDED_FORM, seeded)?;
        let never = &mut self.never_connected;
        section.value("never_connected", never, SEEDED_FORM, seeded)?;
        section.value("read_only", &mut self.read_only, SEEDED_FORM, seeded)?;
        let groups = "a whole number from 1 to 10000";
        section.value("groups", &mut self.groups, groups, |value| {
            NonZeroU32::new(seeded(value)?)
        })?;
        section.value("dark_groups", &mut self.dark_groups, SEEDED_FORM, seeded)?;
        section.value("come_back", &mut self.come_back, SHARE_FORM, share)
    }
}

/// What `bulkDelete` does with ids that it cannot simply delete. The documentation is silent on all three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkDeleteRules {
    /// Ids of no connector of the microtenant; ignored unless told otherwise.
    pub unknown_ids: Treatment,
    /// Ids that are there more than once; ignored unless told otherwise.
    pub repeated_ids: Treatment,
    /// Connectors that cannot be changed; refused unless told otherwise. Ignored, they are left as they are.
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

/// What becomes of a call that holds an odd item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// `ignore`: it is carried out without the item, which the answer does not say.
    Ignore,
    /// `refuse`: 400, and nothing of it is carried out.
    Refuse,
}

impl BulkDeleteRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [("ignore", Treatment::Ignore), ("refuse", Treatment::Refuse)];
        let mut treatment = |key, target| {
            let allowed = "\"ignore\" or \"refuse\"";
            section.value(key, target, allowed, |value| choice(value, choices))
        };
        treatment("unknown_ids", &mut self.unknown_ids)?;
        treatment("repeated_ids", &mut self.repeated_ids)?;
        treatment("read_only", &mut self.read_only)
    }
}

/// The customer domains that a tenant starts with, in each of its microtenants, and what posting does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRules {
    /// What a posted list means; it replaces unless told otherwise.
    pub post: DomainPost,
    /// The search suffixes at the start; none unless told otherwise.
    pub seed: Vec<String>,
    /// A domain that another administrator adds, once in a tenant, to the list that was read; none unless
    /// told otherwise.
    pub intruder: Option<String>,
    /// After which reading of a list of the tenant, from 1, the intruder comes; 1 unless told otherwise.
    pub intruder_after: NonZeroU32,
}

/// What posting a list of domains does: the documentation says "add or update", a vendor's SDK "replace".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DomainPost {
    /// `replace`: domains that are not posted are gone.
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

impl DomainRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [("replace", DomainPost::Replace), ("add", DomainPost::Add)];
        let allowed = "\"replace\" or \"add\"";
        section.value("post", &mut self.post, allowed, |value| {
            choice(value, choices)
        })?;
        let allowed = "a list of domains, none of them twice in it";
        section.value("seed", &mut self.seed, allowed, |value| {
            names(value).filter(|seed| seed.iter().all(|domain| is_domain(domain)))
        })?;
        let allowed = "a domain, or \"\" for none";
        section.value("intruder", &mut self.intruder, allowed, |value| {
            let text = value.as_str()?;
            (text.is_empty() || is_domain(text))
                .then(|| Some(text.to_owned()).filter(|domain| !domain.is_empty()))
        })?;
        let after = &mut self.intruder_after;
        section.value("intruder_after", after, POSITIVE_FORM, positive)
    }
}

/// How the auto-delete schedule of connectors answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleRules {
    /// What reading it answers before one was posted; 404 unless told otherwise.
    pub absent: AbsentSchedule,
    /// How its numbers are written; as strings unless told otherwise.
    pub numbers: Numbers,
}

/// See [`ScheduleRules::absent`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AbsentSchedule {
    /// `not_found`: 404 `resource.not.found`.
    #[default]
    NotFound,
    /// `empty`: 200 with an object that has no fields.
    Empty,
}

/// How an answer writes ids and other numbers: both forms occur in the documentation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbers {
    /// `strings`.
    #[default]
    Strings,
    /// `numbers`.
    Numbers,
}

impl ScheduleRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let choices = [
            ("not_found", AbsentSchedule::NotFound),
            ("empty", AbsentSchedule::Empty),
        ];
        let allowed = "\"not_found\" or \"empty\"";
        section.value("absent", &mut self.absent, allowed, |value| {
            choice(value, choices)
        })?;
        let choices = [("strings", Numbers::Strings), ("numbers", Numbers::Numbers)];
        let allowed = "\"strings\" or \"numbers\"";
        section.value("numbers", &mut self.numbers, allowed, |value| {
            choice(value, choices)
        })
    }
}

/// What the tenant is not licensed for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureRules {
    /// The resources (`portal-link`, `user-portal`, `connector`, `domain`, `connector-schedule`) every call
    /// on which is refused with 401 `authz.featureflag.permission.denied`; none unless told otherwise.
    pub off: Vec<String>,
}

impl FeatureRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        let allowed = "a list of portal-link, user-portal, connector, domain, connector-schedule";
        section.value("off", &mut self.off, allowed, |value| {
            texts(value).filter(|off| off.iter().all(|name| RESOURCES.contains(&name.as_str())))
        })
    }
}

/// What never works, however often it is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultRules {
    /// The page, from 1, whose every reading is answered with 500; 0, which is no page, unless told otherwise.
    pub fail_page: u32,
    /// The paths behind the customer id, such as `connector`, of the listings whose page fails; those of all
    /// listings when there are none, as there are unless told otherwise.
    pub fail_paths: Vec<String>,
}

impl FaultRules {
    pub(super) fn fill(&mut self, section: &mut Section) -> Result<(), ScenarioError> {
        section.value("fail_page", &mut self.fail_page, COUNT_FORM, count)?;
        section.value("fail_paths", &mut self.fail_paths, LIST_FORM, texts)
    }
}
