//! The `zpa-bulk` command.

fn main() {}
