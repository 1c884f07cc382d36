//! `zpa-bulk simulate`: serve a simulated tenant until Ctrl-C.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use crate::cli::settings::scenario;
use crate::cli::ui::exit;
use crate::ops::{self, Error};
use crate::sim::{Server, ServerOptions};

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// Loopback address to listen on; port 0 picks a free port
    #[arg(long, default_value = "127.0.0.1:8700", env = "ZPA_BULK_LISTEN")]
    listen: SocketAddr,
    /// Behaviour of the tenant, a TOML file; see samples/scenario-default.toml
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_SCENARIO")]
    scenario: Option<PathBuf>,
    /// Seed of ids and latencies: the same seed gives the same tenant
    #[arg(long, default_value_t = 1, env = "ZPA_BULK_SEED")]
    seed: u64,
    /// File to which one JSON line is appended for each request; only you can read it
    #[arg(long, value_name = "FILE", env = "ZPA_BULK_REQUEST_LOG")]
    log: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  zpa-bulk simulate
  zpa-bulk simulate --scenario samples/scenario-faults.toml --log requests.jsonl";

pub(crate) async fn run(args: SimulateArgs, context: Context<'_>) -> Result<u8, Error> {
    let terminal = context.terminal;
    let log = args.log.clone();
    let options = ServerOptions {
        listen: args.listen,
        scenario: scenario(args.scenario.as_deref())?,
        seed: args.seed,
        log: args.log,
    };
    let server = Server::start(options).await.map_err(|error| {
        let refused = Error::usage(error.to_string());
        match error.kind() {
            ErrorKind::AddrInUse => refused.hint("--listen 127.0.0.1:0 picks a free port"),
            _ => refused,
        }
    })?;
    let url = server.url();
    terminal.result(&[serde_json::json!({ "listening": url }).to_string()])?;
    terminal.say(&format!(
        "simulating at {url}; {url}/__sim/state shows the tenants; Ctrl-C ends it"
    ));
    let ended = tokio::select! {
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(|error| Error::unexpected("cannot wait for Ctrl-C", &error))
        }
        why = server.log_failure() => Err(log_failed(&log.unwrap_or_default(), &why)),
    };
    server.stop().await;
    ended.map(|()| exit::SUCCESS)
}

fn log_failed(log: &Path, why: &str) -> Error {
    let message = format!("{}: a request could not be logged: {why}", log.display());
    Error::new(ops::ErrorKind::Unexpected, message)
        .hint("the simulated tenant ends here, since a log that lacks requests proves nothing")
}
