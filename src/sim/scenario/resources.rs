//! The settings of single resources: the objects of a new tenant, and the behaviour that the
//! documentation leaves open.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::ValueEnum;

use super::error::ScenarioError;
use super::form::{COUNT, DURATION, Form, NAMES, POSITIVE, SEEDED, SHARE, TEXTS, names, texts};
use super::section::{Rules, Section, rules};
use crate::sim::fields::is_domain;

pub(in crate::sim) const RESOURCES: [&str; 5] = [
    "portal-link",
    "user-portal",
    "connector",
    "connector-schedule",
    "domain",
];

rules! {
    /// The microtenants besides the Default one. All start with the same objects.
    MicrotenantRules {
        /// The names, all different; none by default. `GET /__sim/state` shows their ids.
        names: Vec<String> = Vec::new(), NAMES;
    }
}

rules! {
    /// The rules for deleting user portals.
    PortalRules {
        /// The treatment of a portal that still has links, on which the documentation is silent; refused by
        /// default.
        delete_with_links: DeletePortal = DeletePortal::default(), Form::word();
    }
}

/// The treatment of a deleted user portal that still has links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DeletePortal {
    /// `refuse`: the portal stays, and the answer is 400.
    #[default]
    Refuse,
    /// `detach`: the portal is deleted, and its links stay without it.
    Detach,
}

const SOME_SEEDED: Form<NonZeroU32> = Form::new("a whole number from 1 to 10000", |value| {
    NonZeroU32::new((SEEDED.read)(value)?)
});

rules! {
    /// The app connectors of a new tenant, in each of its microtenants.
    ConnectorRules {
        /// The number of connected ones; 6 by default. They last connected up to 200 days ago, after being
        /// disconnected for some minutes.
        live: u32 = 6, SEEDED;
        /// The number of those that were disconnected 31 to 400 days ago; 10 by default.
        stale: u32 = 10, SEEDED;
        /// The number of those that never connected; 2 by default. The first, the third and so on were created
        /// 35 to 400 days ago, the others within the last 20 days.
        never_connected: u32 = 2, SEEDED;
        /// The number of stale ones that cannot be changed, in addition to `stale`; 1 by default. The first,
        /// the third and so on are `readOnly`, the others `zscalerManaged`.
        read_only: u32 = 1, SEEDED;
        /// The number of groups over which the connectors are spread; 3 by default.
        groups: NonZeroU32 = NonZeroU32::MIN.saturating_add(2), SOME_SEEDED;
        /// The number of groups without a connected one, in addition to `groups`; none by default. The first
        /// of the `stale` connectors are in them.
        dark_groups: u32 = 0, SEEDED;
        /// The share, 0 to 1, of the `stale` connectors that connect again right after they are first read; 0
        /// by default. The seed decides which.
        come_back: f64 = 0.0, SHARE;
    }
}

rules! {
    /// The treatment of ids that `bulkDelete` cannot simply delete. The documentation is silent on all three.
    BulkDeleteRules {
        /// Ids of no connector of the microtenant; ignored by default.
        unknown_ids: Treatment = Treatment::Ignore, Form::word();
        /// Ids that occur more than once; ignored by default.
        repeated_ids: Treatment = Treatment::Ignore, Form::word();
        /// Connectors that cannot be changed; refused by default. If ignored, they stay as they are.
        read_only: Treatment = Treatment::Refuse, Form::word();
    }
}

/// The treatment of a bulk call with an unusual item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Treatment {
    /// `ignore`: the call is executed without the item. The answer does not mention it.
    Ignore,
    /// `refuse`: the answer is 400, and nothing is executed.
    Refuse,
}

const DOMAINS: Form<Vec<String>> = Form::new("a list of different domains", |value| {
    names(value).filter(|seed| seed.iter().all(|domain| is_domain(domain)))
});

const INTRUDER: Form<Option<String>> = Form::new("a domain, or \"\" for none", |value| match value
    .as_str(
)? {
    "" => Some(None),
    text => is_domain(text).then(|| Some(text.to_owned())),
});

rules! {
    /// The customer domains of a new tenant, in each of its microtenants, and the rules for posting domains.
    DomainRules {
        /// The effect of a posted list; it replaces the old one by default.
        post: DomainPost = DomainPost::default(), Form::word();
        /// The search suffixes of a new tenant; none by default.
        seed: Vec<String> = Vec::new(), DOMAINS;
        /// A domain that another administrator adds, once in a tenant, to the list that was just read; none by
        /// default.
        intruder: Option<String> = None, INTRUDER;
        /// The number of the reading, from 1, after which the other administrator adds that domain; 1 by
        /// default. Readings of all lists of the tenant count.
        intruder_after: NonZeroU32 = NonZeroU32::MIN, POSITIVE;
    }
}

/// The effect of a posted list of domains: the documentation says "add or update", a vendor's SDK
/// "replace".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DomainPost {
    /// `replace`: domains that are not posted are removed.
    #[default]
    Replace,
    /// `add`: domains that are not posted stay.
    Add,
}

rules! {
    /// The answers about the auto-delete schedule of connectors.
    ScheduleRules {
        /// The answer while there is no schedule; 404 by default.
        absent: AbsentSchedule = AbsentSchedule::default(), Form::word();
        /// The form of its numbers; strings by default.
        numbers: NumberForm = NumberForm::default(), Form::word();
    }
}

/// The answer of a `GET` while there is no schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum AbsentSchedule {
    /// `not_found`: 404 `resource.not.found`.
    #[default]
    NotFound,
    /// `empty`: 200 with an empty object.
    Empty,
}

/// The form of ids and other numbers in an answer. The documentation shows both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NumberForm {
    /// `strings`: as JSON strings.
    #[default]
    Strings,
    /// `numbers`: as JSON numbers.
    Numbers,
}

/// The resources whose listings have pages.
pub(in crate::sim) const PAGED: [&str; 3] = ["portal-link", "user-portal", "connector"];

const CHURNED: Form<Vec<String>> =
    Form::new("a list of portal-link, user-portal, connector", |value| {
        texts(value).filter(|of| of.iter().all(|name| PAGED.contains(&&**name)))
    });

rules! {
    /// The differences between a listing and the objects as they are.
    ListingRules {
        /// The time, up to 1 h, after which a listing shows a change; none by default. A call on a single object by
        /// its id shows it at once.
        lag: Duration = Duration::ZERO, DURATION;
        /// The probability, 0 to 1, that another administrator changes a collection before a listing of it answers a
        /// page after the first; 0 by default. One of its own objects goes, and another comes. The seed decides.
        churn: f64 = 0.0, SHARE;
        /// The resources (`portal-link`, `user-portal`, `connector`) whose listings so change; all by default.
        churn_of: Vec<String> = PAGED.map(str::to_owned).to_vec(), CHURNED;
        /// The number of objects of each of them, in each microtenant, that the other administrator has at the start,
        /// unless `churn` is 0; 10 by default. They are the oldest.
        churn_rows: NonZeroU32 = NonZeroU32::MIN.saturating_add(9), SOME_SEEDED;
    }
}

const OFF: Form<Vec<String>> = Form::new(
    "a list of portal-link, user-portal, connector, connector-schedule, domain",
    |value| texts(value).filter(|off| off.iter().all(|name| RESOURCES.contains(&&**name))),
);

rules! {
    /// The resources without a licence.
    FeatureRules {
        /// The resources (`portal-link`, `user-portal`, `connector`, `connector-schedule`, `domain`) whose calls
        /// are all refused with 401 `authz.featureflag.permission.denied`; none by default.
        off: Vec<String> = Vec::new(), OFF;
    }
}

rules! {
    /// The calls that always fail.
    FailureRules {
        /// The page, from 1, of a list that is always answered with 500; 0, which is no page, by default.
        fail_page: u32 = 0, COUNT;
        /// The paths after the customer id, such as `connector`, of the lists whose page fails. If there are
        /// none, as by default, that page fails in all lists.
        fail_paths: Vec<String> = Vec::new(), TEXTS;
    }
}
