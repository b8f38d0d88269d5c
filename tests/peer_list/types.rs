//! The types of fields, which other programs write in their own ways.

use easytier_probe::peer_list::ListedPeer;
use serde_json::{Value, json};

use super::{problems, valid};

fn listed(fields: Value) -> ListedPeer {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn numbers_and_booleans_may_be_written_otherwise() {
    let peer = listed(json!({"id": "3", "host": "192.0.2.7", "port": "11010", "allow_relay": 1, "is_approved": "0",
        "submitted": "Yes", "max_connections": 100.0, "timeout_ms": " 500 ", "qq_number": 10001, "name": 7, "tags": "a, b",
        "regions": ["eu", 2], "description": null}));
    assert_eq!(
        (peer.id, peer.port, peer.max_connections, peer.timeout_ms),
        (Some(3), Some(11010), Some(100), Some(500))
    );
    assert_eq!((peer.allow_relay, peer.is_approved, peer.submitted), (Some(true), Some(false), Some(true)));
    assert_eq!((peer.qq_number.as_deref(), peer.name.as_deref(), peer.description), (Some("10001"), Some("7"), None));
    assert_eq!(peer.tags, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(peer.regions, Some(vec!["eu".to_owned(), "2".to_owned()]));
}

#[test]
fn what_is_empty_is_not_there() {
    let empty = json!([{"id": "", "url": "", "address": " ", "host": "192.0.2.7", "port": 1, "protocol": "", "name": "",
        "network_name": "", "allow_relay": "", "tags": "", "timeout_ms": null, "check": "", "access": null}]);
    let peers = valid(&empty.to_string());
    assert_eq!((peers[0].id, peers[0].url.full().as_str()), (1, "tcp://192.0.2.7:1"));
    assert_eq!((&peers[0].name, peers[0].tags.len(), peers[0].timeout), (&None, 0, None));
}

#[test]
fn every_field_of_a_wrong_type_is_named_with_what_it_must_be_and_without_its_value() {
    let texts =
        ["name", "url", "host", "protocol", "public_ip", "network_name", "check", "status", "address", "description"];
    let cases = texts.into_iter().chain(["qq_number", "wechat", "mail"]).map(|field| (field, json!([4711]), "a text"));
    let others = [
        ("network_secret", json!(4711), "a text"),
        ("id", json!("4711a"), "a whole number"),
        ("timeout_ms", json!(-1), "a whole number"),
        ("port", json!(65536), "a whole number from 0 to 65535"),
        ("max_connections", json!(4711.5), "a whole number from 0 to 4294967295"),
        ("tags", json!({"4711": 1}), "an array of texts"),
        ("regions", json!([[4711]]), "an array of texts"),
        ("allow_relay", json!("4711"), "true or false"),
        ("is_approved", json!(4711), "true or false"),
        ("submitted", json!([]), "true or false"),
        ("access", json!("4711"), "'guest' or 'member'"),
    ];
    for (field, value, expected) in cases.chain(others) {
        let said = problems(&json!([{ field: value, "unknown": 4711 }]).to_string());
        assert_eq!(said, [format!("peer 1: its '{field}' must be {expected}")]);
    }
    let several = problems(&json!([{"name": "one", "port": "many", "tags": 1.5}]).to_string());
    assert_eq!(several.len(), 2, "{several:?}");
    assert!(several[0].starts_with("peer 1 ('one'): "), "{several:?}");
}
