//! Exit codes.

use std::{io, process::ExitCode};

use clap::ValueEnum;
use easytier_probe::Status;

use crate::print;

/// How a command ended without an error that it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success,
    /// Peers are not online, and `--fail-on` makes that a failure.
    PeersNotOnline,
    /// The command ended early, or with an unexpected outcome.
    Unexpected,
    /// The backend refused a request, so the configuration is wrong.
    Misconfigured,
    /// The backend is unreachable, or answered with an error of its own.
    BackendUnreachable,
}

/// Which results of checks make a command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Fail if any peer is not online
    Any,
    /// Fail if no peer is online
    All,
    /// Never fail because of peers
    Never,
}

impl Exit {
    /// The exit of a command that found peers with these statuses.
    pub fn of_checks(mut statuses: impl Iterator<Item = Status>, fail_on: FailOn) -> Self {
        let is_online = |status| status == Status::Online;
        let failed = match fail_on {
            FailOn::Any => !statuses.all(is_online),
            FailOn::All => !statuses.any(is_online),
            FailOn::Never => false,
        };
        if failed { Self::PeersNotOnline } else { Self::Success }
    }
}

/// Prints the error, if there is one, and returns the exit code of the process. clap exits with 2 as well.
pub fn report(outcome: anyhow::Result<Exit>) -> ExitCode {
    match outcome {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::PeersNotOnline | Exit::Unexpected) => ExitCode::from(1),
        Ok(Exit::Misconfigured) => ExitCode::from(2),
        Ok(Exit::BackendUnreachable) => ExitCode::from(3),
        Err(error) => {
            // The reader of our output, such as `head` or a pager, has ended.
            if !is_broken_pipe(&error) {
                print::note(format_args!("error: {error:#}"));
            }
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use easytier_probe::Status::{Offline, Online, Unknown};

    use super::*;

    #[test]
    fn fail_on_decides_what_is_a_failure() {
        let of = |statuses: &[Status], fail_on| Exit::of_checks(statuses.iter().copied(), fail_on);
        let (fine, failed) = (Exit::Success, Exit::PeersNotOnline);

        assert_eq!(of(&[Online, Online], FailOn::Any), fine);
        assert_eq!(of(&[Online, Offline], FailOn::Any), failed);
        assert_eq!(of(&[Online, Unknown], FailOn::Any), failed);
        assert_eq!(of(&[Online, Offline], FailOn::All), fine);
        assert_eq!(of(&[Unknown, Offline], FailOn::All), failed);
        assert_eq!(of(&[Offline, Offline], FailOn::Never), fine);
    }
}
