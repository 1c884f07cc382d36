//! The options of a journal's files.

use std::fs::OpenOptions;

use crate::platform;

/// Returns the options of files that only their owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = platform::private_file();
    options.read(true).write(true);
    options
}
