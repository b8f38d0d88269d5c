//! Results as a table.

use comfy_table::{Cell, Color};
use easytier_probe::Status;

use super::{Checked, words};
use crate::{
    print::{plain_table, without_borders},
    text::printable,
};

/// A column: its heading, and its content for a peer.
type Column = (&'static str, fn(&Checked) -> Option<String>);

const COLUMNS: [Column; 9] = [
    ("STATUS", |peer| Some(peer.report.result.status.as_str().to_owned())),
    ("PEER", |peer| Some(words::peer(peer.name.as_deref(), &peer.report.url))),
    ("LATENCY", |peer| Some(words::millis(peer.report.latency?.median_ms))),
    ("LOSS", |peer| Some(words::percent(peer.report.latency?.loss))),
    ("VERSION", |peer| peer.report.result.version.as_deref().map(printable)),
    ("HOSTNAME", |peer| peer.report.result.hostname.as_deref().map(printable)),
    ("NETWORKS", |peer| Some(peer.report.result.network_count?.to_string())),
    ("RELAY", |peer| words::relay(&peer.report)),
    ("PROBLEM", |peer| words::problem(&peer.report.result)),
];

/// A row for each peer, in order, without empty columns. The text has colours, which the stream it is printed to may strip.
pub fn of(peers: &[Checked]) -> String {
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|(_, content)| peers.iter().any(|peer| content(peer).is_some())).collect();

    let mut table = plain_table();
    table.enforce_styling();
    table.set_header(columns.iter().map(|(heading, _)| heading));
    for peer in peers {
        table.add_row(columns.iter().map(|(heading, content)| {
            let cell = Cell::new(content(peer).unwrap_or_default());
            if *heading == "STATUS" { cell.fg(color(peer.report.result.status)) } else { cell }
        }));
    }
    without_borders(table)
}

fn color(status: Status) -> Color {
    match status {
        Status::Online => Color::DarkGreen,
        Status::Offline => Color::DarkRed,
        _ => Color::DarkYellow,
    }
}
