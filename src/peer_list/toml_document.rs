//! TOML: our `[[peers]]`, and EasyTier's own configuration with its `[[peer]]`.

use serde_json::Value;
use toml::Table;

use super::{at_most, entry::Entry, place::Place, problem::ListProblem, syntax::TomlMistake};

/// The arrays of peers: ours, and that of an EasyTier configuration.
const LISTS: [&str; 2] = ["peers", "peer"];

/// Reads a text that is TOML, or seems to be meant as such. The identity of the network in an EasyTier configuration is
/// that of the user, not of the peers, so it is not read.
pub(super) fn read(text: &str, max: usize) -> Option<Result<Vec<Entry>, ListProblem>> {
    let table = match toml::from_str::<Table>(text) {
        Ok(table) => table,
        Err(error) => return seems_meant(text).then(|| Err(ListProblem::NotToml(TomlMistake::new(text, &error)))),
    };
    let lists: Vec<_> = LISTS.iter().filter_map(|key| table.get(*key)?.as_array()).collect();
    if !lists.is_empty() {
        return Some(entries(lists.into_iter().flatten(), max));
    }
    // An array of JSON such as `["tcp://host"]` is the header of a table to TOML, and a text of comments is empty.
    if table.values().all(holds_nothing) { None } else { Some(Err(ListProblem::NoPeerTable)) }
}

fn entries<'a>(peers: impl Iterator<Item = &'a toml::Value>, max: usize) -> Result<Vec<Entry>, ListProblem> {
    // The template of EasyTier has a peer with an empty `uri`, which stands for none.
    let is_template = |peer: &toml::Value| peer.get("uri").and_then(toml::Value::as_str) == Some("");
    let values = (1..).zip(peers).filter(|(_, peer)| !is_template(peer));
    let entries = values.flat_map(|(number, peer)| {
        // Any value of TOML is one of JSON; a date becomes an object, which is no value of any field.
        Entry::of_value(Place::peer(number), serde_json::to_value(peer).unwrap_or(Value::Null))
    });
    at_most(entries, max)
}

fn holds_nothing(value: &toml::Value) -> bool {
    match value {
        toml::Value::Table(table) => table.values().all(holds_nothing),
        toml::Value::Array(items) => items.iter().all(|item| item.is_table() && holds_nothing(item)),
        _ => false,
    }
}

/// Whether a text that is not TOML has a line that only TOML with peers has: `[[peers]]`, or `peers = [`.
fn seems_meant(text: &str) -> bool {
    let is_list = |key: &str| LISTS.contains(&key.trim().trim_matches(['"', '\'']));
    text.lines().map(str::trim).any(|line| {
        let is_header = line.strip_prefix("[[").and_then(|rest| rest.split_once("]]")).is_some_and(|(key, rest)| {
            let rest = rest.trim_start();
            is_list(key) && (rest.is_empty() || rest.starts_with('#'))
        });
        let is_array =
            line.split_once('=').is_some_and(|(key, value)| is_list(key) && value.trim_start().starts_with('['));
        is_header || is_array
    })
}
