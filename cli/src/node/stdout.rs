//! Standard output, kept clean.

use std::{fs::File, io, os::fd::AsFd};

/// Standard output itself; what anyone prints to it from now on goes to stderr instead. The EasyTier crate prints there
/// when it feels like it (`[server] connection accepted`), and a program that reads our line wants nothing else.
pub fn divert_to_stderr() -> io::Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(stdout.into())
}
