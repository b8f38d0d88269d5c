//! The maximum number of open files and connections.

use std::{io, sync::OnceLock};

use easytier_uptime_config::descriptors;
use rlimit::Resource;

/// The usual soft limit, for systems that do not tell theirs.
const USUAL_LIMIT: u64 = 1024;

static RAISED: OnceLock<io::Result<u64>> = OnceLock::new();

/// Raises the limit to the maximum that the system allows. The default is low for the sake of programs that use `select`,
/// but every check and every connection takes a descriptor.
pub fn raise_limit() {
    RAISED.get_or_init(|| rlimit::increase_nofile_limit(Resource::NOFILE.get_hard()?));
}

/// How many sockets the checks of this process may use, when it serves no HTTP.
pub fn for_checks() -> usize {
    descriptors::sockets_for_checks(limit())
}

/// How many sockets the checks of this process may use beside a server of HTTP.
pub fn for_checks_of_server() -> usize {
    descriptors::sockets_for_checks_of_server(limit())
}

fn limit() -> usize {
    let limit = Resource::NOFILE.get_soft().unwrap_or(USUAL_LIMIT);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Logs the outcome of [`raise_limit`].
pub fn log_limit() {
    match RAISED.get() {
        Some(Ok(limit)) => tracing::debug!(limit, "maximum number of open files and connections"),
        Some(Err(error)) => tracing::warn!(%error, "cannot raise the maximum number of open files and connections"),
        None => {}
    }
}
