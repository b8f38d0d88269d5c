//! Failures of the cycle itself, as opposed to peers, and the exit codes that they lead to.

use easytier_probe::{BackendError, CycleReport, cycle::BoxError};

use crate::{exit::Exit, text::printable};

/// A failure of a part of the cycle.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub part: Part,
    pub message: String,
    pub exit: Exit,
}

/// The part of the cycle that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Fetch,
    Report,
}

impl Fault {
    fn new(part: Part, summary: &str, error: &BoxError) -> Self {
        // The error may quote the backend, which is untrusted.
        Self { part, message: printable(&format!("{summary}: {error}")), exit: exit(error) }
    }
}

/// The failures of the cycle, in order.
pub fn of(cycle: &CycleReport) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(error) = &cycle.fetch_error
        && !is_out_of_time(cycle)
    {
        let peers = if cycle.checked == 0 { "no peers" } else { "no more peers" };
        faults.push(Fault::new(Part::Fetch, &format!("{peers} could be fetched"), error));
    }
    if let Some(error) = &cycle.report_error
        && !has_same_cause(cycle.fetch_error.as_ref(), error)
    {
        let summary = match cycle.undelivered {
            0 => "the probe's own status was not delivered",
            1 => "1 result was not delivered",
            n => &format!("{n} results were not delivered"),
        };
        faults.push(Fault::new(Part::Report, summary, error));
    }
    faults
}

/// The exit code of the command, if there is a failure. A wrong configuration takes precedence, because trying again does not
/// help.
pub fn exit_of(faults: &[Fault]) -> Option<Exit> {
    let any = |exit| faults.iter().any(|fault| fault.exit == exit).then_some(exit);
    any(Exit::Misconfigured).or_else(|| any(Exit::BackendUnreachable))
}

/// Whether the listing is incomplete because the checks took all the time. This is not a failure of the backend.
pub fn is_out_of_time(cycle: &CycleReport) -> bool {
    cycle.checked > 0 && cycle.fetch_error.as_ref().is_some_and(|error| !error.is::<BackendError>())
}

fn exit(error: &BoxError) -> Exit {
    match error.downcast_ref::<BackendError>() {
        Some(error) if !error.is_unreachable() => Exit::Misconfigured,
        // Any other error is a timeout of the cycle.
        _ => Exit::BackendUnreachable,
    }
}

/// Whether the second error repeats the first, so that wrong credentials or an unreachable backend are reported once.
fn has_same_cause(first: Option<&BoxError>, second: &BoxError) -> bool {
    let kind = |error: &BoxError| {
        let error = error.downcast_ref::<BackendError>()?;
        Some((error.is_unauthorized(), error.is_unreachable()))
    };
    first.and_then(kind).is_some_and(|(unauthorized, unreachable)| {
        (unauthorized || unreachable) && kind(second) == Some((unauthorized, unreachable))
    })
}
