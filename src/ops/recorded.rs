//! Checks of a run's recorded settings against the user's settings.

use super::error::{Error, ErrorKind};
use super::tenant::Connect;
use crate::journal::Header;
use crate::run::RecordedSettings;

/// Reads the settings that a run recorded.
pub(super) fn recorded(header: &Header) -> Result<RecordedSettings, Error> {
    RecordedSettings::read(header)
        .map_err(|error| Error::unexpected("the run's settings cannot be read", &error))
}

/// Reads the settings of a run, and refuses a run on an embedded simulated tenant: that tenant is gone.
pub(super) fn of_real_tenant(header: &Header) -> Result<RecordedSettings, Error> {
    let recorded = recorded(header)?;
    if recorded.simulated {
        let message = "this run was a rehearsal on an embedded simulated tenant, which is gone";
        return Err(Error::usage(message).hint("apply the manifest again to start a new run"));
    }
    Ok(recorded)
}

/// Refuses an embedded simulated tenant for a command that is about an earlier run.
pub(super) fn refuse_simulated(connect: &dyn Connect, verb: &str) -> Result<(), Error> {
    if !connect.simulates() {
        return Ok(());
    }
    let message =
        format!("the tenant of --simulate is new each time, so there is no run to {verb}");
    Err(Error::usage(message)
        .hint("start zpa-bulk simulate in a second terminal, and give its address with --base-url"))
}

/// Refuses a run of another tenant than the one that the user's settings name.
pub(super) fn refuse_other_tenant(connect: &dyn Connect, header: &Header) -> Result<(), Error> {
    let own = &header.tenant;
    match connect.customer() {
        Some(other) if other != own => Err(Error::new(
            ErrorKind::Run,
            format!("this run is of tenant {own}, not of {other}"),
        )
        .hint("check ZPA_CUSTOMER_ID, --customer-id and the settings file")),
        _ => Ok(()),
    }
}
