//! The maximum number of open files and connections.

use std::{io, sync::OnceLock};

use rlimit::Resource;

static RAISED: OnceLock<io::Result<u64>> = OnceLock::new();

/// Raises the limit to the maximum that the system allows. The default is low for the sake of programs that use `select`,
/// but every check and every connection takes a descriptor.
pub fn raise_limit() {
    RAISED.get_or_init(|| rlimit::increase_nofile_limit(Resource::NOFILE.get_hard()?));
}

/// Logs the outcome of [`raise_limit`].
pub fn log_limit() {
    match RAISED.get() {
        Some(Ok(limit)) => tracing::debug!(limit, "maximum number of open files and connections"),
        Some(Err(error)) => tracing::warn!(%error, "cannot raise the maximum number of open files and connections"),
        None => {}
    }
}
