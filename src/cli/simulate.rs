//! `zpa-bulk simulate`: serves a simulated tenant until it is interrupted.

use super::args::SimulateArgs;
use super::error::{CliError, exit};
use super::tenant::scenario;
use super::terminal::Terminal;
use crate::sim::{Server, ServerOptions};

pub(super) async fn run(args: SimulateArgs, terminal: &Terminal) -> Result<u8, CliError> {
    let options = ServerOptions {
        listen: args.listen,
        scenario: scenario(args.scenario.as_deref())?,
        seed: args.seed,
        log: args.log,
    };
    let server = Server::start(options).await.map_err(|error| {
        CliError::usage(format!("cannot listen on {}: {error}", args.listen))
            .hint("--listen 127.0.0.1:0 picks a free port")
    })?;
    let url = server.url();
    terminal.result(&format!("{}\n", serde_json::json!({ "listening": url })))?;
    terminal.say(&format!(
        "simulating at {url}; {url}/__sim/state shows the tenants; Ctrl-C ends it"
    ));
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| CliError::unexpected("cannot wait for Ctrl-C", &error))?;
    server.stop().await;
    Ok(exit::SUCCESS)
}
