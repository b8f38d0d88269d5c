//! Reads heartbeats. A result in one that cannot be read does not delay the others.

use easytier_uptime_monitor::{
    Refusal,
    input::{self, Object},
};
use serde_json::{Map, Value};

use crate::instance::wire::{Heartbeat, RejectedResult};

/// The name of the results.
const RESULTS: &str = "monitoringResults";

/// The maximum length of a `detail`, in characters.
const MAX_DETAIL: usize = 200;

/// A heartbeat, and the results in it that could not be read.
pub(super) struct ReadBeat {
    pub beat: Heartbeat,
    pub unreadable: Vec<RejectedResult>,
}

/// Reads the body of a heartbeat.
///
/// # Errors
///
/// When it is not a JSON object, or a field other than one of a result is wrong (400).
pub(super) fn read(body: &[u8]) -> Result<ReadBeat, Refusal> {
    let text = input::text(body)?;
    // The fast path: nearly always every result is valid.
    if let Ok(Object(beat)) = serde_json::from_str(text) {
        return Ok(ReadBeat { beat, unreadable: Vec::new() });
    }
    let mut fields: Map<String, Value> = input::parse(text)?;
    let Some(Value::Array(sent)) = fields.get_mut(RESULTS).map(Value::take) else {
        return input::parse(text).map(|beat| ReadBeat { beat, unreadable: Vec::new() });
    };
    fields.remove(RESULTS);
    let mut beat: Heartbeat = input::parse(Value::Object(fields).to_string())?;
    let mut unreadable = Vec::new();
    for (index, one) in sent.into_iter().enumerate() {
        match serde_path_to_error::deserialize(one) {
            Ok(Object(result)) => beat.monitoring_results.push(result),
            Err(error) => {
                let field = input::field_of(&error).map_or_else(String::new, |field| format!("{field}: "));
                let detail = format!("{field}{}", error.inner()).chars().take(MAX_DETAIL).collect();
                unreadable.push(RejectedResult::invalid(index, detail));
            }
        }
    }
    Ok(ReadBeat { beat, unreadable })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    fn beat(results: Value) -> Value {
        json!({
            "instanceId": "0192f0c1-7d3a-7c55-9a7e-2f6f4f1b9d10", "timestamp": "2026-11-25T12:00:30Z", "status": "healthy",
            "uptime": 86400.7, "monitoringResults": results, "more": [1],
        })
    }

    fn result() -> Value {
        json!({
            "endpointId": 8, "instanceId": "0192f0c1-7d3a-7c55-9a7e-2f6f4f1b9d10", "timestamp": "2026-11-25T12:00:29Z",
            "isOk": false, "responseTime": null, "status": "DOWN", "location": "EU-West-1", "metadata": null, "more": {},
        })
    }

    fn read_one(beat: &Value) -> Result<ReadBeat, Refusal> {
        read(beat.to_string().as_bytes())
    }

    #[test]
    fn what_other_programs_leave_out_or_send_as_null_is_no_error() {
        let ReadBeat { beat, unreadable } = read_one(&beat(json!([result()]))).unwrap();
        assert!(unreadable.is_empty());
        assert_eq!((beat.uptime, beat.monitoring_results[0].response_time), (86400, 0.0));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_place_and_the_rest_is_taken() {
        let wrong = |field: &str, value: Value| {
            let mut result = result();
            result[field] = value;
            result
        };
        let results =
            json!([result(), wrong("endpointId", "x".into()), 5, wrong("status", "SIDEWAYS".into()), result()]);
        let ReadBeat { beat, unreadable } = read_one(&beat(results)).unwrap();
        assert_eq!(beat.monitoring_results.len(), 2);
        let told: Vec<_> = unreadable.iter().map(|one| (one.index, one.detail.as_deref().unwrap())).collect();
        assert_eq!(told.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(told[0].1.starts_with("endpointId: invalid type"), "{told:?}");
        assert!(told[1].1.contains("expected an object"), "{told:?}");
        assert!(told[2].1.starts_with("status: unknown variant"), "{told:?}");
    }

    #[test]
    fn a_body_that_is_no_heartbeat_is_refused_by_field() {
        let mut other = beat(json!([5]));
        other["status"] = "tired".into();
        for (body, said) in [
            (other.to_string(), "status: unknown variant"),
            (beat(json!(5)).to_string(), "monitoringResults: invalid type"),
            (beat(Value::Null).to_string(), "monitoringResults: invalid type"),
            ("[]".to_owned(), "expected an object"),
            ("{".to_owned(), "the body: EOF"),
        ] {
            let refusal = read(body.as_bytes()).map(drop).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            assert!(refusal.message.contains(said), "{said}: {}", refusal.message);
        }
    }
}
