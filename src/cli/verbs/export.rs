//! `zpa-bulk export`: write live state as a manifest. Changes nothing on the tenant.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::{Context, never};
use crate::cli::flags::{TenantArgs, kind};
use crate::cli::ui::{exit, output};
use crate::manifest::OutputFormat;
use crate::ops::{self, Error, ExportOptions, counted};
use crate::plan::Filter;
use crate::resource::Kind;

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Kind of object: portal-link, user-portal, connector, domain or connector-schedule
    #[arg(value_parser = kind)]
    resource: Kind,
    /// File to write; `-` is standard output. The file is written whole or not at all, and only you can read it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the manifest [default: by the ending of FILE, else csv]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Only objects that meet this condition: FIELD=VALUE, FIELD!=VALUE, FIELD~GLOB (* stands for any text, ? for one
    /// character), "FIELD older-than 30d" or "FIELD younger-than 30d" (units s, m, h, d, w). FIELD is a column or a
    /// field of the API, like name, status (connected or disconnected) or `modifiedTime`. May be given several times;
    /// then an object must meet all conditions
    #[arg(long = "where", value_name = "EXPR")]
    filters: Vec<Filter>,
    /// Only these columns, separated by commas; resource and id always come first
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Only this part of a kind that has several parts; for domains, `SEARCH_SUFFIX` or `SHARED`
    #[arg(long, value_name = "PART")]
    part: Option<String>,
    /// Only the links of this portal, by name or id
    #[arg(long, value_name = "NAME|ID")]
    portal: Option<String>,
    #[command(flatten)]
    tenant: TenantArgs,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk export portal-link -o links.csv
  zpa-bulk export portal-link --portal Staff --columns name,link
  zpa-bulk export connector --where status=disconnected";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// Comma-separated values, for spreadsheets
    Csv,
    /// Values with tabs between them
    Tsv,
    /// One JSON object a line
    Jsonl,
    /// A JSON array
    Json,
    /// A workbook of Excel
    Xlsx,
}

impl From<FormatName> for OutputFormat {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Csv => Self::Csv,
            FormatName::Tsv => Self::Tsv,
            FormatName::Jsonl => Self::Jsonl,
            FormatName::Json => Self::Json,
            FormatName::Xlsx => Self::Xlsx,
        }
    }
}

pub(crate) async fn run(args: ExportArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let file = args.output.as_deref();
    let file = file.filter(|path| *path != Path::new("-"));
    let format = match (args.format, file) {
        (Some(format), _) => Some(format.into()),
        (None, Some(path)) => OutputFormat::of_name(path).map_err(|why| {
            Error::usage(format!("{}: {why}", path.display())).hint("--format says the format")
        })?,
        (None, None) => None,
    };
    let format = format.unwrap_or(OutputFormat::Csv);
    let name = file.map_or_else(|| "export".to_owned(), |path| path.display().to_string());
    let options = ExportOptions {
        kind: args.resource,
        columns: &args.columns,
        filters: &args.filters,
        part: args.part.as_deref(),
        portal: args.portal.as_deref(),
        format,
        name: &name,
    };
    let mut connector = context.connector(&args.tenant);
    let export = ops::export(options, &mut connector, never()).await?;
    for warning in &export.warnings {
        terminal.warn(warning);
    }
    match file {
        None => terminal.manifest(&export.content, format)?,
        Some(path) => {
            output::write(path, &export.content)?;
            let count = counted(export.rows as u64, "row", "rows");
            terminal.say(&format!("{count} written to {}", path.display()));
        }
    }
    Ok(if export.rows == export.chosen {
        exit::SUCCESS
    } else {
        exit::FAILED_ITEMS
    })
}
