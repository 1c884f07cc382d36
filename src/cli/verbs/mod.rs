//! The verbs, one file each: what was typed becomes options, and one call into [`ops`](crate::ops).

pub(super) mod apply;
pub(super) mod doctor;
pub(super) mod export;
pub(super) mod journal;
pub(super) mod plan;
pub(super) mod prune;
pub(super) mod resume;
pub(super) mod retry;
pub(super) mod runs;
pub(super) mod show;
pub(super) mod simulate;
pub(super) mod status;
pub(super) mod undo;
pub(super) mod verify;

use std::path::PathBuf;

use tokio::sync::watch;
use tokio::time::Instant;

use super::flags::{RunsDir, TenantArgs, WorkArgs};
use super::settings::{Connector, Settings, Simulation, Typed, runs_dir};
use super::ui::{Terminal, Watcher, interrupts};
use crate::clock::local;
use crate::ops::{Error, Session};

/// The surroundings of a verb: the settings file, the typed settings, and the terminal.
#[derive(Debug)]
pub(super) struct Context<'c> {
    pub(super) file: Settings,
    pub(super) typed: &'c Typed,
    pub(super) terminal: &'c Terminal,
    pub(super) started: Instant,
}

impl Context<'_> {
    /// The way to the tenant, for a verb that changes nothing.
    fn connector(&self, tenant: &TenantArgs) -> Connector {
        let simulation = tenant.simulate.then(|| Simulation {
            scenario: tenant.scenario.clone(),
        });
        Connector::new(tenant.settings.clone(), self.file.clone(), simulation)
    }

    /// The way to the tenant, for a verb that carries out a run.
    ///
    /// # Errors
    /// When it is outside the change window.
    fn work_connector(&self, work: &WorkArgs) -> Result<Connector, Error> {
        let bounds = work.stopping.bounds(&local())?;
        Ok(self.connector(&work.tenant).within(bounds))
    }

    /// The directory of all runs.
    fn runs_dir(&self, args: &RunsDir) -> PathBuf {
        runs_dir(args.runs_dir.as_deref(), &self.file)
    }

    /// A session that an interrupt stops.
    fn session<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            stop: interrupts(self.terminal),
            ..self.reading(watcher)
        }
    }

    /// A session that changes nothing, and ends with the process.
    fn reading<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            started: self.started,
            stop: never(),
            observer: watcher,
            prompt: watcher,
        }
    }
}

/// A request to stop that never comes.
fn never() -> watch::Receiver<bool> {
    // The last value stays readable once the sender is gone.
    watch::channel(false).1
}
