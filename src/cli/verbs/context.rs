//! The surroundings of a verb.

use std::path::PathBuf;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::flags::{RunsDir, TenantArgs, WorkArgs};
use crate::cli::settings::{Connector, Settings, Simulation, Typed, runs_dir};
use crate::cli::ui::event_target::is_stdout;
use crate::cli::ui::{Terminal, Watcher, interrupts};
use crate::clock::local;
use crate::ops::{Error, Session};

/// The context of a verb: the settings file, the flags' origins, and the terminal.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    /// The settings file that is named.
    pub(crate) config: Option<PathBuf>,
    /// The profile that is named.
    pub(crate) profile: Option<String>,
    pub(crate) file: Settings,
    pub(crate) typed: &'c Typed,
    pub(crate) terminal: &'c Terminal,
    pub(crate) started: Instant,
}

impl Context<'_> {
    /// Returns the way to the tenant, for a verb that changes nothing.
    pub(crate) fn connector(&self, tenant: &TenantArgs) -> Connector {
        let simulation = tenant.simulate.then(|| Simulation {
            scenario: tenant.scenario.clone(),
        });
        Connector::new(tenant.settings.clone(), self.file.clone(), simulation)
            .within(tenant.bounds())
    }

    /// Returns the way to the tenant, for a verb that carries out a run.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ops::ErrorKind::Usage) outside the change window, and for events that cannot be written.
    pub(crate) fn work_connector(&self, work: &WorkArgs) -> Result<Connector, Error> {
        let bounds = work.stopping.bounds(work.tenant.bounds(), &local())?;
        if work.json.json && work.events.as_deref().is_some_and(is_stdout) {
            let message = "--json and --events both write to standard output";
            return Err(Error::usage(message).hint("write the events to a file, or to fd:3"));
        }
        let target = work.events.as_deref();
        let events = target
            .map(|target| self.terminal.begin_events(target))
            .transpose()?;
        let connector = self.connector(&work.tenant).sealing().telling(events);
        Ok(connector.within(bounds))
    }

    pub(crate) fn runs_dir(&self, args: &RunsDir) -> PathBuf {
        runs_dir(args.runs_dir.as_deref(), &self.file)
    }

    /// Returns a session that an interrupt stops.
    pub(crate) fn session<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            stop: interrupts(self.terminal),
            ..self.reading(watcher)
        }
    }

    /// Returns a session for a verb that changes nothing. An interrupt ends the process.
    pub(crate) fn reading<'s>(&self, watcher: &'s Watcher) -> Session<'s> {
        Session {
            started: self.started,
            stop: never(),
            observer: watcher,
            prompt: watcher,
        }
    }
}

/// Returns a stop signal that never comes.
pub(crate) fn never() -> watch::Receiver<bool> {
    // The last value stays readable when the sender is gone.
    watch::channel(false).1
}
