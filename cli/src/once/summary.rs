//! The cycle in a few lines.

use std::time::Duration;

use super::{Outcome, Reporting, faults};
use crate::results::summary;

/// How many peers are how, what was left out, and what was reported.
pub fn lines(outcome: &Outcome) -> Vec<String> {
    let Outcome { cycle, peers, reporting } = outcome;
    let statuses = peers.iter().map(|peer| peer.report.result.status);
    let mut lines = vec![summary::line(statuses, Duration::from_secs_f64(cycle.duration_ms / 1000.0))];
    if cycle.skipped > 0 {
        let why = match cycle.complete {
            true => "something in their listing is wrong",
            false => "the time was over, or something in their listing is wrong",
        };
        lines.push(format!("{} not checked: {why}", peers_in_words(cycle.skipped)));
    } else if faults::is_mere_lack_of_time(cycle) {
        lines.push("there may be more peers: the time was over before all were listed".to_owned());
    } else if cycle.complete && cycle.checked == 0 {
        lines.push("the backend lists no peers for this probe".to_owned());
    }
    if cycle.checked > 0 || *reporting == Reporting::DryRun {
        lines.push(reported(outcome));
    }
    lines
}

fn reported(Outcome { cycle, reporting, .. }: &Outcome) -> String {
    match reporting {
        Reporting::DryRun => return "nothing was reported: it is a dry run".to_owned(),
        Reporting::ListOnly => return "nothing was reported: the peers are those of a list".to_owned(),
        Reporting::ToBackend => {}
    }
    if cycle.not_wanted == cycle.checked {
        return "the backend takes no results of single peers (see --report-style)".to_owned();
    }
    let counts = [
        (cycle.delivered, "delivered"),
        (cycle.not_wanted, "not wanted by the backend"),
        (cycle.rejected, "rejected by the backend"),
        (cycle.undelivered, "not delivered"),
    ];
    let counts: Vec<String> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, became)| format!("{count} {became}")).collect();
    format!("results: {}", counts.join(", "))
}

fn peers_in_words(count: u64) -> String {
    match count {
        1 => "1 peer was".to_owned(),
        count => format!("{count} peers were"),
    }
}
