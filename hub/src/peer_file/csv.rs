//! Peers as a table: one row each, under headings that are the names of the JSON fields. Tags and regions are joined with
//! commas, which no label contains.
//!
//! A spreadsheet takes a cell that begins with one of [`FORMULA`] for a formula and runs it. Strangers choose names and
//! contacts, so such a cell is written with a `'` before it, which a spreadsheet shows as text and an import removes.

use std::io;

use serde_json::{Map, Value};

use super::{document::Document, problem::Problem};

/// The columns of an export, in order; `network_secret` is left out of an export without secrets.
const COLUMNS: [&str; 18] = [
    "id",
    "name",
    "url",
    "description",
    "access",
    "network_name",
    "network_secret",
    "check",
    "timeout_ms",
    "allow_relay",
    "max_connections",
    "tags",
    "regions",
    "qq_number",
    "wechat",
    "mail",
    "is_approved",
    "submitted",
];

const SECRET: &str = "network_secret";
const LISTS: [&str; 2] = ["tags", "regions"];
const NUMBERS: [&str; 4] = ["id", "port", "timeout_ms", "max_connections"];
const SWITCHES: [&str; 3] = ["allow_relay", "is_approved", "submitted"];

/// The documents as a table.
pub fn write(documents: &[Document], with_secrets: bool) -> io::Result<String> {
    let columns: Vec<&str> = COLUMNS.into_iter().filter(|column| with_secrets || *column != SECRET).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns)?;
    for document in documents {
        let fields = serde_json::to_value(document)?;
        writer.write_record(columns.iter().map(|column| cell(&fields[*column])))?;
    }
    let table = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(table).map_err(io::Error::other)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => as_text(text),
        Value::Array(items) => as_text(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// With these a spreadsheet begins a formula, also in their full-width forms; line breaks and tabs may hide them.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether a text begins like a formula, after any number of `'`.
fn begins_like_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A text as a cell that is no formula.
pub(crate) fn as_text(text: &str) -> String {
    if begins_like_a_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text of a cell that [`as_text`] or a spreadsheet wrote.
fn text_of(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if begins_like_a_formula(text) => text,
        _ => cell,
    }
}

/// The line number of a row, and the row as a JSON object or why it cannot be read.
pub type Row = (u64, Result<Value, Problem>);

/// The rows of a table whose first line names the columns.
pub fn read(text: &str) -> Result<Vec<Row>, Problem> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).flexible(true).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| Problem::NotCsv(error.to_string()))?.clone();
    let headings: Vec<String> = headings.iter().map(str::to_ascii_lowercase).collect();
    if !headings.iter().any(|heading| ["url", "host", "public_ip", "address"].contains(&heading.as_str())) {
        return Err(Problem::NoAddressColumn);
    }
    let rows = reader.records().map(|record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            let row = if record.len() > headings.len() {
                Err(Problem::TooManyCells { cells: record.len(), columns: headings.len() })
            } else {
                object(&headings, &record)
            };
            (line, row)
        }
        Err(error) => (error.position().map_or(0, csv::Position::line), Err(Problem::Row(error.to_string()))),
    });
    Ok(rows.collect())
}

fn object(headings: &[String], record: &csv::StringRecord) -> Result<Value, Problem> {
    let mut fields = Map::new();
    for (heading, cell) in headings.iter().zip(record.iter().map(text_of)) {
        let is_member = || {
            let access = headings.iter().position(|heading| heading == "access").and_then(|at| record.get(at));
            access == Some("member")
        };
        let value = match heading.as_str() {
            // An empty cell is an empty secret for a member, and no secret for a guest.
            SECRET if cell.is_empty() && !is_member() => continue,
            SECRET => Value::from(cell),
            _ if cell.trim().is_empty() => continue,
            name if LISTS.contains(&name) => cell.split(',').map(str::trim).collect(),
            name if NUMBERS.contains(&name) => {
                let number: u64 = cell
                    .trim()
                    .parse()
                    .map_err(|_| Problem::NotANumber { column: name.to_owned(), cell: cell.to_owned() })?;
                number.into()
            }
            name if SWITCHES.contains(&name) => match cell.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => true.into(),
                "false" | "0" | "no" => false.into(),
                _ => return Err(Problem::NotABoolean { column: name.to_owned(), cell: cell.to_owned() }),
            },
            _ => Value::from(cell.trim()),
        };
        fields.insert(heading.clone(), value);
    }
    Ok(fields.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_an_export_begins_a_formula_and_all_are_read_as_they_were() {
        for text in
            ["=1+1", "+1", "-x", "@sum", "\tx", "\rx", "\nx", "'=x", "''-x", "＝x", "'", "it's", "'quoted'", "a=b", ""]
        {
            let cell = as_text(text);
            assert!(!cell.starts_with(FORMULA), "{cell:?}");
            assert_eq!(text_of(&cell), text);
        }
        assert_eq!((as_text("a=b"), as_text("'quoted'")), ("a=b".to_owned(), "'quoted'".to_owned()));
    }
}
