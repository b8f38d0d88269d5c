//! Exit codes, decided in this one place.

use std::{io, process::ExitCode};

use clap::ValueEnum;
use easytier_probe::Status;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// As many peers are not online as `--fail-on` says.
    PeersNotOnline,
    /// Something happened that should not have.
    NotAsExpected,
    /// The backend is there, and does not do what it is asked: something in the configuration is wrong.
    Misconfigured,
    /// The backend is out of reach, or in no state to answer.
    BackendUnreachable,
}

/// Which outcome of a check is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A single peer that is not online
    Any,
    /// No peer online at all
    All,
    /// Nothing: the command succeeds whatever the peers do
    Never,
}

impl Exit {
    /// The end of a command that found peers in these states. What is unknown was not found online.
    pub fn of_checks(mut statuses: impl Iterator<Item = Status>, fail_on: FailOn) -> Self {
        let online = |status| status == Status::Online;
        let failed = match fail_on {
            FailOn::Any => !statuses.all(online),
            FailOn::All => !statuses.any(online),
            FailOn::Never => false,
        };
        if failed { Self::PeersNotOnline } else { Self::Success }
    }
}

/// Prints the error, where there is one, and gives the process's exit code. 2 is also what clap exits with.
pub fn report(outcome: anyhow::Result<Exit>) -> ExitCode {
    match outcome {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::PeersNotOnline | Exit::NotAsExpected) => ExitCode::from(1),
        Ok(Exit::Misconfigured) => ExitCode::from(2),
        Ok(Exit::BackendUnreachable) => ExitCode::from(3),
        Err(error) => {
            // Whoever reads our output (`head`, a pager) has seen enough; that is no news to the person.
            if !is_broken_pipe(&error) {
                anstream::eprintln!("error: {error:#}");
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
