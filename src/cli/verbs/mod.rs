//! The verbs, one file each. A verb turns its arguments into options, and makes one call into [`ops`](crate::ops).

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

/// The context of a verb: the settings file, the flags' origins, and the terminal.
#[derive(Debug)]
pub(super) struct Context<'c> {
    pub(super) file: Settings,
    pub(super) typed: &'c Typed,
    pub(super) terminal: &'c Terminal,
    pub(super) started: Instant,
}

impl Context<'_> {
    /// Returns the way to the tenant, for a verb that changes nothing.
    fn connector(&self, tenant: &TenantArgs) -> Connector {
        let simulation = tenant.simulate.then(|| Simulation {
            scenario: tenant.scenario.clone(),
        });
        Connector::new(tenant.settings.clone(), self.file.clone(), simulation)
    }

    /// Returns the way to the tenant, for a verb that carries out a run.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) outside the change window.
    fn work_connector(&self, work: &WorkArgs) -> Result<Connector, Error> {
        let bounds = work.stopping.bounds(&local())?;
        Ok(self.connector(&work.tenant).within(bounds))
    }

    /// Returns the directory of all runs.
    fn runs_dir(&self, args: &RunsDir) -> PathBuf {
        runs_dir(args.runs_dir.as_deref(), &self.file)
    }

    /// Returns a session that an interrupt stops.
    fn session<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            stop: interrupts(self.terminal),
            ..self.reading(watcher)
        }
    }

    /// Returns a session for a verb that changes nothing. An interrupt ends the process.
    fn reading<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            started: self.started,
            stop: never(),
            observer: watcher,
            prompt: watcher,
        }
    }
}

/// Returns a stop signal that never comes.
fn never() -> watch::Receiver<bool> {
    // The last value stays readable when the sender is gone.
    watch::channel(false).1
}
