//! JSON: the lists of hubs, backends, launchers and status pages.

use serde_json::Value;

use super::{at_most, entry::Entry, paging::Paging, place::Place, problem::ListProblem};

/// Where documents have the array of their peers; a document may also be the array itself. The first array counts.
const PLACES: [&str; 9] = [
    // The public API of this project and of EasyTier's own.
    "/data/items",
    // `GET /peers` of a backend, and what other people serve in its envelope.
    "/data/peers",
    "/data/nodes",
    "/peers",
    "/items",
    // easytier-worker.
    "/nodes",
    // The announcement of PCL-CE.
    "/relays",
    // A status page of Uptime Kuma.
    "/publicGroupList",
    // EasytierUptime-CE.
    "/data",
];

/// A document with a list of peers.
pub(crate) struct Document(Value);

impl Document {
    /// The document in a text.
    ///
    /// # Errors
    ///
    /// [`ListProblem::NotJson`].
    pub fn parse(text: &str) -> Result<Self, ListProblem> {
        serde_json::from_str(text).map(Self).map_err(|error| ListProblem::NotJson(error.into()))
    }

    /// What it says of the pages of its list.
    pub fn paging(&self) -> Paging {
        Paging::of(&self.0)
    }

    /// The values that are peers.
    ///
    /// # Errors
    ///
    /// [`ListProblem::NoList`].
    pub fn into_values(mut self) -> Result<Vec<Value>, ListProblem> {
        let is_list = |place: &&&str| self.0.pointer(place).is_some_and(Value::is_array);
        let place = PLACES.iter().find(is_list).copied().unwrap_or_default();
        let list = self.0.pointer_mut(place).map(Value::take);
        match list {
            Some(Value::Array(list)) => Ok(list.into_iter().flat_map(without_groups).collect()),
            _ => Err(ListProblem::NoList),
        }
    }
}

/// Reads a text that begins like JSON.
pub(super) fn read(text: &str, max: usize) -> Option<Result<Vec<Entry>, ListProblem>> {
    text.trim_start().starts_with(['{', '[']).then(|| whole(text, max))
}

fn whole(text: &str, max: usize) -> Result<Vec<Entry>, ListProblem> {
    let document = Document::parse(text)?;
    let paging = document.paging();
    let values = document.into_values()?;
    match paging.part(values.len()) {
        Some(part) => Err(ListProblem::Part(part)),
        None => entries(values, max),
    }
}

/// The entries of the values of a whole list, unless there are more than `max`.
pub(crate) fn entries(values: Vec<Value>, max: usize) -> Result<Vec<Entry>, ListProblem> {
    at_most((1..).zip(values).flat_map(|(number, value)| Entry::of_value(Place::peer(number), value)), max)
}

/// The monitors of a group of Uptime Kuma as peers; any other value as it is.
fn without_groups(value: Value) -> Vec<Value> {
    match value {
        Value::Object(mut group) if group.get("monitorList").is_some_and(Value::is_array) => {
            match group.remove("monitorList") {
                Some(Value::Array(monitors)) => monitors.into_iter().map(of_monitor).collect(),
                _ => Vec::new(),
            }
        }
        value => vec![value],
    }
}

/// The peer of a monitor, whose address is in its name: `tcp://host:port（Shanghai）`.
fn of_monitor(monitor: Value) -> Value {
    let Some(name) = monitor.get("name").and_then(Value::as_str) else { return monitor };
    let Some(scheme_end) = name.find("://") else { return Value::from_iter([("name", name)]) };
    let start = name[..scheme_end].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    let is_end = |c: char| c.is_whitespace() || "（(，,【|".contains(c);
    let end = name[start..].find(is_end).map_or(name.len(), |length| start + length);
    let words = [&name[..start], &name[end..]]
        .map(|part| part.trim_matches(|c: char| c.is_whitespace() || "（）()【】，,|".contains(c)));
    Value::from_iter([("url", name[start..end].to_owned()), ("name", words.join(" ").trim().to_owned())])
}
