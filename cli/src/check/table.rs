//! Results for people.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use easytier_probe::{CheckReport, Peer, Status};

use super::words;
use crate::text::printable;

/// A column: its heading, and what stands in it for a peer, if anything.
type Column = (&'static str, fn(&Peer, &CheckReport) -> Option<String>);

const COLUMNS: [Column; 8] = [
    ("STATUS", |_, report| Some(words::status(report.result.status).to_owned())),
    ("PEER", |peer, _| Some(words::peer(peer))),
    ("LATENCY", |_, report| Some(words::millis(report.latency?.median_ms))),
    ("LOSS", |_, report| Some(words::percent(report.latency?.loss))),
    ("VERSION", |_, report| report.result.version.as_deref().map(printable)),
    ("HOSTNAME", |_, report| report.result.hostname.as_deref().map(printable)),
    ("NETWORKS", |_, report| Some(report.result.network_count?.to_string())),
    ("PROBLEM", |_, report| words::problem(&report.result)),
];

/// A row for each peer, in order, without the columns that nobody fills. It carries colours; who prints it takes them
/// out where they do not belong.
pub fn of(peers: &[Peer], reports: &[CheckReport]) -> String {
    let rows = || peers.iter().zip(reports);
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|(_, content)| rows().any(|(peer, report)| content(peer, report).is_some())).collect();

    let mut table = Table::new();
    // Lines too long for the terminal are left to it: columns squeezed into its width are harder to read, and cannot
    // be copied or searched.
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).enforce_styling();
    table.set_header(columns.iter().map(|(heading, _)| heading));
    for (peer, report) in rows() {
        table.add_row(columns.iter().map(|(heading, content)| {
            let cell = Cell::new(content(peer, report).unwrap_or_default());
            if *heading == "STATUS" { cell.fg(color(report.result.status)) } else { cell }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn color(status: Status) -> Color {
    match status {
        Status::Online => Color::DarkGreen,
        Status::Offline => Color::DarkRed,
        Status::Unknown => Color::DarkYellow,
    }
}
