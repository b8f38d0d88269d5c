//! Prints results to standard output, and notes to standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints a line to standard output at once.
///
/// # Errors
///
/// If standard output cannot be written to, for example because the reader of a pipe has ended.
pub fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints a document as indented JSON to standard output.
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(document)?)?)
}

/// Prints rows under their headings to standard output, without empty columns.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let columns: Vec<usize> = (0..N).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let mut table = plain_table();
    table.set_header(columns.iter().map(|column| headings[*column]));
    for row in rows {
        table.add_row(columns.iter().map(|column| &row[*column]));
    }
    line(without_borders(table))
}

/// A table without borders. The terminal wraps lines that are too long: columns that are squeezed into its width are harder
/// to read, and cannot be copied or searched.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The text of a [`plain_table`], with two spaces between columns.
pub fn without_borders(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Prints a line for people to standard error. If that is closed, nobody reads it.
pub fn note(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// `1 peer`, `2 peers`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
