//! What went wrong with the cycle itself, as opposed to the peers, and how it ends the command.

use easytier_probe::{BackendError, CycleReport, cycle::BoxError};

use crate::{exit::Exit, text::printable};

/// Something that a person has to know of.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub what: What,
    pub words: String,
    pub exit: Exit,
}

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Fetch,
    Report,
}

impl Fault {
    fn new(what: What, words: &str, error: &BoxError) -> Self {
        // The error may quote the backend.
        Self { what, words: printable(&format!("{words}: {error}")), exit: exit(error) }
    }
}

/// What went wrong, the first first.
pub fn of(cycle: &CycleReport) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(error) = &cycle.fetch_error
        && !is_mere_lack_of_time(cycle)
    {
        let what = if cycle.checked == 0 { "no peers" } else { "no more peers" };
        faults.push(Fault::new(What::Fetch, &format!("{what} could be fetched"), error));
    }
    if let Some(error) = &cycle.report_error
        && !is_the_same(cycle.fetch_error.as_ref(), error)
    {
        let what = match cycle.undelivered {
            0 => "the probe's own status was not delivered",
            1 => "1 result was not delivered",
            n => &format!("{n} results were not delivered"),
        };
        faults.push(Fault::new(What::Report, what, error));
    }
    faults
}

/// How the command ends, if something went wrong. What is wrong with the configuration goes before the rest, because
/// waiting does not mend it.
pub fn worst(faults: &[Fault]) -> Option<Exit> {
    let any = |exit| faults.iter().any(|fault| fault.exit == exit).then_some(exit);
    any(Exit::Misconfigured).or_else(|| any(Exit::BackendUnreachable))
}

/// Whether the checks took the time that the rest of the listing would have needed: no fault of the backend's.
pub fn is_mere_lack_of_time(cycle: &CycleReport) -> bool {
    cycle.checked > 0 && cycle.fetch_error.as_ref().is_some_and(|error| !error.is::<BackendError>())
}

fn exit(error: &BoxError) -> Exit {
    match error.downcast_ref::<BackendError>() {
        Some(error) if !error.is_unreachable() => Exit::Misconfigured,
        // What is no error of the backend's is that the time was over.
        _ => Exit::BackendUnreachable,
    }
}

/// Whether the second error says nothing that the first has not: who has no credentials is told so once.
fn is_the_same(first: Option<&BoxError>, second: &BoxError) -> bool {
    let kind = |error: &BoxError| {
        let error = error.downcast_ref::<BackendError>()?;
        Some((error.is_unauthorized(), error.is_unreachable()))
    };
    first.and_then(kind).is_some_and(|(unauthorized, unreachable)| {
        (unauthorized || unreachable) && kind(second) == Some((unauthorized, unreachable))
    })
}
