//! Standard output without the lines of the EasyTier crate.

use std::{fs::File, io, os::fd::AsFd};

/// Returns standard output, and redirects everything that is printed later to stderr. The EasyTier crate prints lines such
/// as `[server] connection accepted`, which must not reach the program that reads our line.
pub fn redirect_to_stderr() -> io::Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(stdout.into())
}
