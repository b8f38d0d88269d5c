//! File descriptors: every session that is held open takes one, and the 1,024 that a shell usually allows are soon used.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process as many as it may have.
pub fn allow_all() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "no more than {} file descriptors can be had", current.unwrap_or_default());
    }
}
