//! `zpa-bulk show`: print one object as the API returns it.

use clap::Args;

use super::context::{Context, never};
use crate::cli::flags::{TenantArgs, kind};
use crate::cli::ui::exit;
use crate::ops::{self, Error};
use crate::resource::Kind;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// Kind of object: portal-link, user-portal, connector, domain or connector-schedule
    #[arg(value_parser = kind)]
    resource: Kind,
    /// Id or name of the object; the connector schedule needs none
    id: Option<String>,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk show portal-link Wiki
  zpa-bulk show connector 145283994705985600
  zpa-bulk show connector-schedule";

pub(crate) async fn run(args: ShowArgs, context: Context<'_>) -> Result<u8, Error> {
    let mut connector = context.connector(&args.tenant);
    let object = ops::show(args.resource, args.id, &mut connector, never()).await?;
    context.terminal.json(&object)?;
    Ok(exit::SUCCESS)
}
