//! The tenant that a use case works on, and the way to it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::error::{Error, ErrorKind, UNSHARED, unread};
use super::evidence::Evidence;
use super::session::Later;
use crate::clock::monotonic;
use crate::coordination::{Coordination, Now};
use crate::engine::{Engine, EngineSettings};
use crate::plan::{Guards, Snapshot, TenantRules};
use crate::resource::{Scope, Shape};
use crate::run::{RecordedSettings, Sealer};
use crate::wire::Id;
use crate::zpa::{AnyApi, Connection};

/// A tenant that is ready for work: the engine, and the settings with which it was set up.
#[derive(Debug)]
pub struct Tenant {
    /// The engine that sends the calls.
    pub engine: Engine<AnyApi>,
    /// The settings of that engine.
    pub engine_settings: EngineSettings,
    /// The addresses and the customer id.
    pub connection: Connection,
    /// The microtenant of rows that name none.
    pub microtenant: Option<Id>,
    /// The rules of the tenant for portal links.
    pub rules: TenantRules,
    /// The guards on deletes.
    pub guards: Guards,
    /// The settings as a run records them.
    pub recorded: RecordedSettings,
    /// The way in which the tenant is shared with other runs.
    pub sharing: Sharing,
    /// The user's seal for new runs; `None` if the user's state cannot be used.
    pub sealer: Option<Sealer>,
    /// The receivers of all that the engine does, which observe it.
    pub evidence: Evidence,
}

/// The longest time for which a listing that lags behind is read again.
const LONGEST_LAG: Duration = Duration::from_secs(60);

/// The pause before a listing that lags behind is read again.
const PAUSE: Duration = Duration::from_secs(1);

impl Tenant {
    /// Returns the table by which runs know of each other; `None` if no other run works on the tenant.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the table cannot be used.
    pub(super) fn table(&self) -> Result<Option<&Coordination>, Error> {
        match &self.sharing {
            Sharing::None => Ok(None),
            Sharing::Table(table) => Ok(Some(table)),
            Sharing::Unusable(reason) => Err(Error::usage(reason.clone()).hint(UNSHARED)),
        }
    }

    /// Reads all objects of these scopes. `temporary` is the kind of the error for failures that another attempt may
    /// not meet.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`], [`ErrorKind::Stopped`] or `temporary`.
    pub(super) async fn snapshot(
        &mut self,
        scopes: Vec<Scope>,
        temporary: ErrorKind,
    ) -> Result<Snapshot, Error> {
        if let Sharing::Unusable(reason) = &self.sharing {
            tracing::warn!("{reason}: calls of other processes are not known");
        }
        let until = monotonic() + LONGEST_LAG;
        loop {
            let snapshot = self.engine.snapshot(scopes.clone()).await;
            let snapshot = snapshot.map_err(|end| unread(&end, temporary))?;
            if !self.is_behind(&snapshot, temporary).await? {
                return Ok(snapshot);
            }
            if monotonic() > until {
                tracing::warn!(
                    "a listing of the tenant does not show what a run has changed; it is used as it is"
                );
                return Ok(snapshot);
            }
            sleep(PAUSE).await;
        }
    }

    /// Tells whether a listing lags behind the changes of runs. The object that a run has changed last tells, read by its
    /// id.
    async fn is_behind(&mut self, live: &Snapshot, temporary: ErrorKind) -> Result<bool, Error> {
        let latest = match &self.sharing {
            Sharing::Table(table) => table.latest(Now::read())?,
            Sharing::None | Sharing::Unusable(_) => HashMap::new(),
        };
        for listing in &live.listings {
            let id = latest
                .get(&listing.scope.shared_name())
                .and_then(|id| Id::parse(id));
            let Some(id) = id.filter(|_| listing.scope.kind.shape() == Shape::Collection) else {
                continue;
            };
            let exact = self.engine.read(listing.scope.clone(), id.clone()).await;
            let exact = exact.map_err(|end| unread(&end, temporary))?;
            let mut rows = listing.objects.iter();
            let listed = rows.find(|row| Id::of(row).as_ref() == Some(&id));
            let is_same = match (listed, &exact) {
                (Some(listed), Some(exact)) => listing.scope.kind.is_same(listed, exact),
                (listed, exact) => listed.is_none() == exact.is_none(),
            };
            if !is_same {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The way in which a tenant is shared with other runs.
#[derive(Clone, Debug)]
pub enum Sharing {
    /// No other run works on the tenant: it is simulated, or the user says so.
    None,
    /// Runs know of each other by way of this table.
    Table(Coordination),
    /// The table cannot be used, for this reason. Nothing may be changed.
    Unusable(String),
}

/// The way to a tenant: the user's settings. A run that is resumed, retried, undone or verified adds those that it
/// carries on. Addresses and credentials are the user's alone.
pub trait Connect: Send {
    /// The customer id that the user's settings name.
    fn customer(&self) -> Option<&str>;

    /// Tells whether the user asks for an embedded simulated tenant.
    fn simulates(&self) -> bool;

    /// Returns the user's seal; `None` if the user's state cannot be used.
    fn sealer(&self) -> Option<&Sealer>;

    /// Tells whether the user trusts the run that is named, wherever it comes from.
    fn trusts_run(&self) -> bool;

    /// Sets up the tenant. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for settings that cannot be used, and for addresses that are not those of `recorded`.
    fn connect<'c>(
        &'c mut self,
        recorded: Option<&'c RecordedSettings>,
        stop: watch::Receiver<bool>,
    ) -> Later<'c, Result<Tenant, Error>>;
}
