//! Checks of a run's recorded settings against the user's settings.

use super::error::{Error, ErrorKind};
use super::tenant::Connect;
use crate::journal::Header;
use crate::run::{self, RecordedSettings, RunDirectory};

pub(super) fn recorded(header: &Header) -> Result<RecordedSettings, Error> {
    RecordedSettings::read(header)
        .map_err(|error| Error::unexpected("the run's settings cannot be read", &error))
}

/// Reads the settings of a run of this tenant. Of a run that is not trusted, takes only those that slow it down.
///
/// # Errors
/// [`ErrorKind::Run`] for a run of another tenant, and for one that is not trusted, unless the user says so.
pub(super) fn believed(
    connect: &dyn Connect,
    directory: &RunDirectory,
    header: &Header,
) -> Result<RecordedSettings, Error> {
    let recorded = recorded(header)?;
    for other in [
        connect.customer(),
        recorded.addresses.customer_id.as_deref(),
    ] {
        refuse_other_tenant("run", other, &header.tenant)?;
    }
    let Some(reason) = run::distrust(directory, header, connect.sealer())? else {
        return Ok(recorded);
    };
    if connect.trusts_run() {
        return Ok(recorded.of_stranger());
    }
    let message = format!("this run is not trusted: {reason}");
    Err(Error::new(ErrorKind::Run, message).hint(
        "nothing was sent; look at it with zpa-bulk status, and give --trust-run if you trust the one who made it",
    ))
}

/// Refuses a run on an embedded simulated tenant: that tenant is gone.
pub(super) fn refuse_rehearsal(recorded: &RecordedSettings) -> Result<(), Error> {
    if !recorded.simulated {
        return Ok(());
    }
    let message = "this run was a rehearsal on an embedded simulated tenant, which is gone";
    Err(Error::usage(message).hint("apply the manifest again to start a new run"))
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

/// Refuses a run or a plan of tenant `own` if the tenant is to be another.
pub(super) fn refuse_other_tenant(what: &str, other: Option<&str>, own: &str) -> Result<(), Error> {
    match other {
        Some(other) if other != own => Err(Error::new(
            ErrorKind::Run,
            format!("this {what} is of tenant {own}, not of {other}"),
        )
        .hint("check ZPA_CUSTOMER_ID, --customer-id and the settings file")),
        _ => Ok(()),
    }
}
