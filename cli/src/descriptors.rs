//! How many files and connections the process may have open.

use std::{io, sync::OnceLock};

use rlimit::Resource;

static RAISED: OnceLock<io::Result<u64>> = OnceLock::new();

/// Raises the limit to what the system allows: every check and every connection takes one, and what systems begin with is
/// for programs that wait in `select`.
pub fn raise() {
    RAISED.get_or_init(|| rlimit::increase_nofile_limit(Resource::NOFILE.get_hard()?));
}

/// Logs what came of it.
pub fn tell() {
    match RAISED.get() {
        Some(Ok(limit)) => tracing::debug!(limit, "the process may have so many files and connections open"),
        Some(Err(error)) => tracing::warn!(%error, "the limit of open files and connections cannot be raised"),
        None => {}
    }
}
