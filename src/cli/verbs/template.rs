//! `zpa-bulk template`: write an empty workbook to fill in. Changes nothing on the tenant.

use std::path::PathBuf;

use clap::Args;

use super::context::{Context, never};
use crate::cli::flags::{TenantArgs, kind};
use crate::cli::ui::{exit, output};
use crate::manifest::OutputFormat;
use crate::ops::{self, Error};
use crate::resource::Kind;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct TemplateArgs {
    /// Kind of object: portal-link, user-portal, connector, domain or connector-schedule
    #[arg(value_parser = kind)]
    resource: Kind,
    /// Workbook to write: a name that ends in .xlsx
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk template portal-link -o links.xlsx              with the names of your portals to choose from
  zpa-bulk template portal-link -o links.xlsx --simulate   without a tenant";

pub(crate) async fn run(args: TemplateArgs, context: Context<'_>) -> Result<u8, Error> {
    let path = args.output;
    if OutputFormat::of_name(&path) != Ok(Some(OutputFormat::Xlsx)) {
        let message = format!("{}: a template is a workbook", path.display());
        return Err(Error::usage(message).hint("give it a name that ends in .xlsx"));
    }
    let mut connector = context.connector(&args.tenant);
    let workbook = ops::template(args.resource, &mut connector, never()).await?;
    output::write(&path, &workbook)?;
    context
        .terminal
        .say(&format!("template written to {}", path.display()));
    Ok(exit::SUCCESS)
}
