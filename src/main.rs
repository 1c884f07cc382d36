//! The `zpa-bulk` command: see `zpa-bulk --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    zpa_bulk::cli::main()
}
