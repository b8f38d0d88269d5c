//! Files of peers: the form that an export writes, and all forms that an import reads.

pub mod csv;
mod document;
mod problem;

use serde_json::Value;

use self::document::Entry;
pub use self::{
    document::{Access, Candidate, Document},
    problem::{Place, Problem, Unit},
};

/// The place of a peer in a list, and the peer or everything that is wrong with it.
pub type Placed = (Place, Result<Candidate, Vec<Problem>>);

/// The peers of a text in any of these forms: JSON (an export, an array of peers or of URLs, a backend's response, the
/// public API's list), TOML with a `[[peers]]` table a peer, CSV, or URLs one a line.
pub fn parse(text: &str) -> Result<Vec<Placed>, Problem> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if text.lines().any(|line| line.trim() == "[[peers]]") {
        // The whole error quotes a line, which may hold a secret.
        let document =
            toml::from_str(text).map_err(|error: toml::de::Error| Problem::NotToml(error.message().to_owned()))?;
        return Ok(of_json(list_of(document)?, 1));
    }
    if first.starts_with(['{', '[']) {
        let document = serde_json::from_str(text).map_err(|error| Problem::NotJson(error.to_string()))?;
        return Ok(of_json(list_of(document)?, 1));
    }
    // A list of URLs names no columns.
    if first.contains("://") && !first.contains(',') {
        let lines =
            (1..).zip(text.lines()).map(|(number, line)| (number, line.split(" #").next().unwrap_or_default().trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        return Ok(lines.map(|(number, line)| (Place::line(number), Entry::of_url(line).into_candidate())).collect());
    }
    let rows = csv::read(text)?;
    let row = |(line, row): csv::Row| match row {
        Ok(value) => of_value(Place::line(line), value),
        Err(problem) => (Place::line(line), Err(vec![problem])),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// The array of peers in a document: it alone, the contract's `peers`, or the public API's `items`.
pub fn list_of(mut document: Value) -> Result<Vec<Value>, Problem> {
    let places = ["/data/items", "/data/peers", "/peers", "/items", "/data"];
    let list =
        places.iter().find_map(|place| document.pointer_mut(place).filter(|list| list.is_array()).map(Value::take));
    match list.unwrap_or(document) {
        Value::Array(list) => Ok(list),
        _ => Err(Problem::NoList),
    }
}

/// The peers of an array, the first of which is the `first` of the whole list.
pub fn of_json(list: Vec<Value>, first: usize) -> Vec<Placed> {
    (first..).zip(list).map(|(number, value)| of_value(Place::peer(number), value)).collect()
}

fn of_value(place: Place, value: Value) -> Placed {
    let entry = match &value {
        Value::String(url) => Ok(Entry::of_url(url)),
        _ => serde_json::from_value::<Entry>(value.clone()),
    };
    match entry {
        Ok(entry) => {
            let label = entry.label().map(str::to_owned);
            (Place { label, ..place }, entry.into_candidate())
        }
        // The message may repeat a value, but never a secret, which may be any text.
        Err(error) => (place, Err(vec![Problem::NotAPeer(error.to_string())])),
    }
}
