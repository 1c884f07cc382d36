//! The quota classes of a tenant's calls: reads, and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settings::EngineSettings;
use crate::pacer::{Flow, Pace, Pacer, Refusal};
use crate::wire::QuotaClass;

/// Both classes.
#[derive(Debug)]
pub(super) struct Classes {
    read: Class,
    write: Class,
}

impl Classes {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        Self {
            read: Class::new(settings.read_quota, now),
            write: Class::new(settings.write_quota, now),
        }
    }

    pub(super) fn of(&self, class: QuotaClass) -> &Class {
        match class {
            QuotaClass::Read => &self.read,
            QuotaClass::Write => &self.write,
        }
    }

    pub(super) fn of_mut(&mut self, class: QuotaClass) -> &mut Class {
        match class {
            QuotaClass::Read => &mut self.read,
            QuotaClass::Write => &mut self.write,
        }
    }

    pub(super) fn each_mut(&mut self) -> [&mut Class; 2] {
        [&mut self.read, &mut self.write]
    }

    /// Returns the flow of reads and writes together; none when some of them are not paced.
    pub(super) fn flow(&self) -> Option<Flow> {
        let (reads, writes) = (self.read.together.flow()?, self.write.together.flow()?);
        let rate = reads.interval.as_secs_f64().recip() + writes.interval.as_secs_f64().recip();
        Some(Flow {
            interval: Duration::try_from_secs_f64(rate.recip()).unwrap_or(Duration::ZERO),
            burst: reads.burst + writes.burst,
        })
    }
}

/// The common ground of all lanes of a class.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) pace: Pace,
    /// Paces all calls of the class together. It counts them whatever the scope is.
    pub(super) together: Pacer,
    /// The end of a pause of all calls of the class.
    pub(super) paused_until: Option<Instant>,
    pub(super) sent_before: SentBefore,
}

/// The calls that count though no lane of a path sent them, by their paths. Those under the empty path may have gone to any,
/// so they count on each.
#[derive(Debug, Default)]
pub(super) struct SentBefore(HashMap<Arc<str>, Vec<Instant>>);

impl SentBefore {
    pub(super) fn add(&mut self, at: Instant, path: Arc<str>) {
        self.0.entry(path).or_default().push(at);
    }

    pub(super) fn latest(&self) -> Option<Instant> {
        self.0.values().flatten().max().copied()
    }

    /// Returns the calls that count on the path, oldest first.
    pub(super) fn on(&self, path: &Arc<str>) -> Vec<Instant> {
        let any = Arc::default();
        let paths = [&any, path].into_iter().filter_map(|path| self.0.get(path));
        let mut calls: Vec<Instant> = paths.flatten().copied().collect();
        calls.sort_unstable();
        calls
    }
}

impl Class {
    fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            together: Pacer::new(pace, now),
            paused_until: None,
            sent_before: SentBefore::default(),
        }
    }

    pub(super) fn pause(&mut self, refusal: &Refusal) {
        self.together.pause(refusal);
        self.paused_until = self.together.paused_until(refusal.at);
    }
}
