//! Files of peers: the format that an export writes, and all formats that an import reads.

pub mod csv;
mod document;
mod expected;
mod field;
mod problem;
mod syntax;

use easytier_probe::peer_list::is_toml;
use easytier_uptime_store::domain::NewPeer;
use serde_json::Value;

use self::document::Entry;
pub use self::{
    document::{Access, Document},
    expected::Expected,
    problem::{Place, Problem, Unit},
    syntax::{JsonMistake, JsonMistakeKind, TomlMistake},
};

/// The place of a peer in a list, and the peer or every problem with it.
pub type Placed = (Place, Result<NewPeer, Vec<Problem>>);

/// Reads peers in one of these formats: JSON (an export, an array of peers or of URLs, a backend's response, the public
/// API's list), TOML with one `[[peers]]` table per peer, CSV, or one URL per line.
pub fn parse(text: &str) -> Result<Vec<Placed>, Problem> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if is_toml(text) {
        let document = toml::from_str(text).map_err(|error| Problem::NotToml(TomlMistake::new(text, &error)))?;
        return Ok(of_json(list_of(document)?, 1));
    }
    if first.starts_with(['{', '[']) {
        let document = serde_json::from_str(text).map_err(|error| Problem::NotJson(error.into()))?;
        return Ok(of_json(list_of(document)?, 1));
    }
    // A first line with a URL and no comma is a list of URLs, not the header of a table.
    if first.contains("://") && !first.contains(',') {
        let lines =
            (1..).zip(text.lines()).map(|(number, line)| (number, line.split(" #").next().unwrap_or_default().trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        return Ok(lines.map(|(number, line)| (Place::line(number), Entry::of_url(line).into_peer())).collect());
    }
    let rows = csv::read(text)?;
    let row = |(line, row): csv::Row| match row {
        Ok(value) => of_value(Place::line(line), value),
        Err(problem) => (Place::line(line), Err(vec![problem])),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The array of peers in a document: the document itself, `peers` as in the contract, or `items` as in the public API.
pub fn list_of(mut document: Value) -> Result<Vec<Value>, Problem> {
    let places = ["/data/items", "/data/peers", "/peers", "/items", "/data"];
    let list =
        places.iter().find_map(|place| document.pointer_mut(place).filter(|list| list.is_array()).map(Value::take));
    match list.unwrap_or(document) {
        Value::Array(list) => Ok(list),
        _ => Err(Problem::NoList),
    }
}

/// The peers of an array. `first` is the position of the first one in the whole list.
pub fn of_json(list: Vec<Value>, first: usize) -> Vec<Placed> {
    (first..).zip(list).map(|(number, value)| of_value(Place::peer(number), value)).collect()
}

fn of_value(place: Place, value: Value) -> Placed {
    match field::entry(value) {
        Ok(entry) => (Place { label: entry.label(), ..place }, entry.into_peer()),
        Err((label, problems)) => (Place { label, ..place }, Err(problems)),
    }
}
