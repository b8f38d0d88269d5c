//! Fields of a peer in a document whose values have the wrong type.

use serde_json::{Map, Value};

use super::{document::Entry, expected::Expected, problem::Problem};

/// A peer of a document; or its label, if the right fields name it, and all problems with the others.
pub(super) fn entry(value: Value) -> Result<Entry, (Option<String>, Vec<Problem>)> {
    let mut fields = match value {
        Value::String(url) => return Ok(Entry::of_url(&url)),
        Value::Object(fields) => fields,
        _ => return Err((None, vec![Problem::NotAPeer])),
    };
    if let Ok(entry) = read(fields.clone()) {
        return Ok(entry);
    }
    // The library does not say which field it is about: the message of a flattened struct names none.
    let mut problems = Vec::new();
    fields.retain(|name, value| {
        let is_right = read(Map::from_iter([(name.clone(), value.clone())])).is_ok();
        if !is_right {
            problems.push(Problem::WrongType { field: name.clone(), expected: Expected::of(name) });
        }
        is_right
    });
    Err((read(fields).ok().and_then(|entry| entry.label()), problems))
}

fn read(fields: Map<String, Value>) -> serde_json::Result<Entry> {
    serde_json::from_value(fields.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_of_a_wrong_type_is_named_with_what_it_must_be_and_without_its_value() {
        let texts =
            ["name", "url", "host", "protocol", "public_ip", "network_name", "network_secret", "check", "status"];
        let more = ["address", "description", "qq_number", "wechat", "mail"];
        let cases = texts.into_iter().chain(more).map(|field| (field, json!(4711), "a text"));
        let others = [
            ("id", json!("4711"), "a whole number"),
            ("timeout_ms", json!(-1), "a whole number"),
            ("port", json!(65536), "a whole number from 0 to 65535"),
            ("max_connections", json!("4711"), "a whole number from 0 to 4294967295"),
            ("tags", json!("4711"), "an array of texts"),
            ("regions", json!([4711]), "an array of texts"),
            ("allow_relay", json!("4711"), "true or false"),
            ("is_approved", json!(1), "true or false"),
            ("submitted", json!("yes"), "true or false"),
            ("access", json!("4711"), "'guest' or 'member'"),
        ];
        for (field, value, expected) in cases.chain(others) {
            let (_, problems) = entry(json!({ field: value, "unknown": 4711 })).unwrap_err();
            let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(said, [format!("its '{field}' must be {expected}")]);
        }
    }

    #[test]
    fn all_wrong_fields_are_named_and_the_peer_by_the_others() {
        let (label, problems) = entry(json!({ "name": "one", "port": "many", "tags": 1 })).unwrap_err();
        assert_eq!((label, problems.len()), (Some("one".to_owned()), 2));
        assert_eq!(entry(json!([])).unwrap_err().1, [Problem::NotAPeer]);
    }
}
