//! Peers as a table: one row each, under headings that are the names of the JSON fields. Tags and regions are joined with
//! commas, which no label contains. No cell is a formula.

use std::io;

use easytier_probe::peer_list::as_text;
use serde_json::Value;

use super::document::Document;

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
