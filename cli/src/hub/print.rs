//! What the hub's commands print.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints `lines` to standard output, which a pipe's reader may have closed.
pub fn line(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(anstream::stdout(), "{line}")
}

pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(document)?)?;
    Ok(())
}

/// Prints rows under their headings, without the columns in which nothing stands.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let columns: Vec<usize> = (0..N).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let mut table = Table::new();
    // Lines too long for the terminal are left to it, as in the tables of results.
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| headings[*column]));
    for row in rows {
        table.add_row(columns.iter().map(|column| &row[*column]));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    line(table.trim_fmt())
}

/// `1 peer`, `2 peers`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
