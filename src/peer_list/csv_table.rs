//! Peers as a table: one row each, under headings that are the names of the JSON fields. Tags and regions are joined with
//! commas, which no label contains.

use csv::{ReaderBuilder, StringRecord, Trim};
use serde_json::{Map, Value};

use super::{
    cell::text_of,
    entry::Entry,
    place::Place,
    problem::{ListProblem, PeerProblem},
};

/// The columns that can hold an address.
const ADDRESSES: [&str; 5] = ["url", "uri", "address", "host", "public_ip"];

/// A first line that has one of these and no address is that of a table too.
const OTHERS: [&str; 4] = ["id", "name", "port", "protocol"];

/// What separates cells: that of a first line that has the most of them. Spreadsheets of some languages use semicolons.
const SEPARATORS: [u8; 3] = *b",;\t";

/// An empty cell is an empty secret for a member, and no secret for a guest.
const SECRET: &str = "network_secret";

/// Reads a text whose first line names columns.
pub(super) fn read(text: &str, max: usize) -> Option<Result<Vec<Entry>, ListProblem>> {
    // A table has no comments: the name of a node may begin with `#`.
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).filter(|line| !line.contains("://"))?;
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    // The first of those that are equal, which `max_by_key` would not be.
    let separator = SEPARATORS.into_iter().rev().max_by_key(count)?;
    let headings: Vec<String> = first.split(char::from(separator)).map(heading).collect();
    let has = |names: &[&str]| headings.iter().any(|heading| names.contains(&heading.as_str()));
    match (has(&ADDRESSES), has(&OTHERS)) {
        (true, _) => Some(rows(text, separator, max)),
        (false, true) => Some(Err(ListProblem::NoAddressColumn)),
        (false, false) => None,
    }
}

fn heading(cell: &str) -> String {
    cell.trim().trim_matches('"').to_ascii_lowercase()
}

fn rows(text: &str, separator: u8, max: usize) -> Result<Vec<Entry>, ListProblem> {
    let mut builder = ReaderBuilder::new();
    let mut reader = builder.delimiter(separator).trim(Trim::Headers).flexible(true).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| ListProblem::NotCsv(error.to_string()))?;
    let headings: Vec<String> = headings.iter().map(heading).collect();
    let mut entries = Vec::new();
    for record in reader.records() {
        let position = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        let place = Place::line(position.map_or(0, csv::Position::line));
        match record {
            Ok(record) if record.len() > headings.len() => {
                let problem = PeerProblem::TooManyCells { cells: record.len(), columns: headings.len() };
                entries.push(Entry::refused(place, problem));
            }
            Ok(record) => entries.extend(Entry::of_value(place, fields(&headings, &record).into())),
            Err(error) => entries.push(Entry::refused(place, PeerProblem::Row(error.to_string()))),
        }
        if entries.len() > max {
            return Err(ListProblem::TooLong { max });
        }
    }
    Ok(entries)
}

/// The cells of a row that say something, as texts: fields are lenient in their types.
fn fields(headings: &[String], record: &StringRecord) -> Map<String, Value> {
    let cells = || headings.iter().zip(record.iter().map(text_of));
    let is_member = cells().any(|(heading, cell)| heading == "access" && cell.trim() == "member");
    let says = |heading: &str, cell: &str| match heading {
        SECRET => is_member || !cell.is_empty(),
        _ => !cell.trim().is_empty(),
    };
    let value = |heading: &str, cell: &str| Value::from(if heading == SECRET { cell } else { cell.trim() });
    let said = cells().filter(|(heading, cell)| says(heading, cell));
    said.map(|(heading, cell)| (heading.clone(), value(heading, cell))).collect()
}
