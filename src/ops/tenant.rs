//! A tenant that use cases work on.

use std::fmt;

use tokio::sync::watch;

use super::error::{Error, ErrorKind, of_end};
use super::session::Later;
use crate::engine::{Engine, Settings as EngineSettings};
use crate::plan::{Guards, Limits, Snapshot};
use crate::resource::Scope;
use crate::run::RecordedSettings;
use crate::wire::Id;
use crate::zpa::{Connection, HttpApi};

/// A tenant, ready to be worked on: the engine, and the settings with which it was set up, resolved once.
#[derive(Debug)]
pub struct Tenant {
    /// The engine that drives it.
    pub engine: Engine<HttpApi>,
    /// The settings of that engine.
    pub engine_settings: EngineSettings,
    /// Its address and customer id.
    pub connection: Connection,
    /// The microtenant of rows that name none.
    pub microtenant: Option<Id>,
    /// The limits of the tenant.
    pub limits: Limits,
    /// The guards between a plan and its deletes.
    pub guards: Guards,
    /// The settings as a run records them.
    pub recorded: RecordedSettings,
}

impl Tenant {
    /// Whether it is an embedded simulated tenant, which this process alone drives.
    pub(super) fn is_simulated(&self) -> bool {
        self.recorded.simulated
    }

    /// Reads all objects of these scopes. `passing` is the kind of the error for failures that another attempt may not
    /// meet.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`], [`ErrorKind::Stopped`] or `passing`.
    pub(super) async fn snapshot(
        &mut self,
        scopes: Vec<Scope>,
        passing: ErrorKind,
    ) -> Result<Snapshot, Error> {
        let snapshot = self.engine.snapshot(scopes).await;
        snapshot.map_err(|end| {
            of_end(&end, passing).unwrap_or_else(|| Error::new(passing, "nothing was read"))
        })
    }
}

/// The way to a tenant: the user's settings, which a run that is resumed, retried, undone or verified completes with
/// those that it recorded.
pub trait Connect: Send {
    /// The customer id that the user's settings name.
    fn customer(&self) -> Option<&str>;

    /// Whether the tenant is to be an embedded simulated one.
    fn simulates(&self) -> bool;

    /// Connects. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for settings that cannot be used.
    fn connect<'c>(
        &'c mut self,
        recorded: Option<&'c RecordedSettings>,
        stop: watch::Receiver<bool>,
    ) -> Later<'c, Result<Tenant, Error>>;
}

impl fmt::Debug for dyn Connect + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect")
    }
}
