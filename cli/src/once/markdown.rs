//! The outcome of a cycle as Markdown, for a job summary, an issue or a comment.

use std::io::{self, Write};

use easytier_probe::Status;

use super::{Outcome, faults, summary};
use crate::{
    results::{Checked, words},
    text::printable,
};

/// The maximum number of rows. GitHub limits a summary to 1 MiB.
const MAX_ROWS: usize = 1000;

const HEADINGS: [&str; 6] = ["status", "peer", "latency", "version", "host name", "problem"];

/// Writes the summary of the cycle, and a table that begins with the peers that are not online.
pub fn write(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    writeln!(out, "### EasyTier nodes\n")?;
    for fault in faults::of(&outcome.cycle) {
        writeln!(out, "**error**: {}\n", code(&fault.message))?;
    }
    summary::lines(outcome).iter().try_for_each(|line| writeln!(out, "{line}  "))?;
    if outcome.peers.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| {} |\n|{}", HEADINGS.join(" | "), " --- |".repeat(HEADINGS.len()))?;
    let mut peers: Vec<&Checked> = outcome.peers.iter().collect();
    peers.sort_by_key(|peer| match peer.report.result.status {
        Status::Offline => 0,
        Status::Online => 2,
        _ => 1,
    });
    for peer in peers.iter().take(MAX_ROWS) {
        writeln!(out, "| {} |", cells(peer).join(" | "))?;
    }
    if peers.len() > MAX_ROWS {
        writeln!(out, "\n… and {} more", peers.len() - MAX_ROWS)?;
    }
    Ok(())
}

fn cells(peer: &Checked) -> [String; HEADINGS.len()] {
    let result = &peer.report.result;
    let mark = match result.status {
        Status::Online => "🟢",
        Status::Offline => "🔴",
        _ => "🟡",
    };
    [
        format!("{mark} {}", result.status.as_str()),
        code(&words::peer(peer.name.as_deref(), &peer.report.url)),
        peer.report.latency.map(|latency| words::millis(latency.median_ms)).unwrap_or_default(),
        result.version.as_deref().map(code).unwrap_or_default(),
        result.hostname.as_deref().map(code).unwrap_or_default(),
        words::problem(result).as_deref().map(code).unwrap_or_default(),
    ]
}

/// A code span, in which text is not interpreted as a link, HTML or other markup. In a table, `|` must be escaped even in a
/// code span, and so must the backslash.
fn code(text: &str) -> String {
    let text = printable(text).replace('`', "'").replace('\\', "\\\\").replace('|', "\\|");
    match text.trim() {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn text_cannot_leave_its_code_span_or_its_cell() {
        assert_eq!(code("node-1"), "`node-1`");
        assert_eq!(code("a|b"), r"`a\|b`");
        assert_eq!(code(r"a\|b"), r"`a\\\|b`");
        assert_eq!(code("`<img src=x>`"), "`'<img src=x>'`");
        assert_eq!(code("a\n| b |\r\n# c"), r"`a\| b \|# c`");
        assert_eq!(code(" \u{200b}"), "");
    }
}
