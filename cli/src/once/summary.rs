//! The summary of a cycle.

use std::time::Duration;

use super::{Outcome, Reporting, faults};
use crate::results::summary;

/// How many peers have which status, how many were not checked, and what was reported.
pub fn lines(outcome: &Outcome) -> Vec<String> {
    let Outcome { cycle, peers, reporting } = outcome;
    let statuses = peers.iter().map(|peer| peer.report.result.status);
    let mut lines = vec![summary::line(statuses, Duration::from_secs_f64(cycle.duration_ms / 1000.0))];
    if cycle.skipped > 0 {
        let why = match cycle.complete {
            true => "their listing is not valid",
            false => "the time was up, or their listing is not valid",
        };
        lines.push(format!("{} not checked: {why}", count_of_peers(cycle.skipped)));
    } else if faults::is_out_of_time(cycle) {
        lines.push("there may be more peers: the time was up before all were listed".to_owned());
    } else if cycle.complete && cycle.checked == 0 {
        lines.push("the backend lists no peers for this probe".to_owned());
    }
    if let Some(doubt) = &cycle.doubt {
        lines.push(format!("this probe seems to be cut off: {doubt}"));
    }
    if cycle.checked > 0 || *reporting == Reporting::DryRun {
        lines.push(reported(outcome));
    }
    lines
}

fn reported(Outcome { cycle, reporting, .. }: &Outcome) -> String {
    match reporting {
        Reporting::DryRun => return "nothing was reported, because this is a dry run".to_owned(),
        Reporting::ListOnly => return "nothing was reported, because the peers come from a list".to_owned(),
        Reporting::ToBackend => {}
    }
    if cycle.not_wanted == cycle.checked {
        return "the backend does not accept results of single peers (see --report-style)".to_owned();
    }
    let counts = [
        (cycle.delivered, "delivered"),
        (cycle.not_wanted, "not used by the backend"),
        (cycle.rejected, "rejected by the backend"),
        (cycle.undelivered, "not delivered"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, outcome)| format!("{count} {outcome}"))
        .collect();
    format!("results: {}", counts.join(", "))
}

fn count_of_peers(count: u64) -> String {
    match count {
        1 => "1 peer was".to_owned(),
        count => format!("{count} peers were"),
    }
}
