//! The JSON of hubs, backends, launchers and status pages, in the shapes that they have in the wild.

use easytier_probe::{
    Access,
    peer_list::{ListProblem, Part},
};
use serde_json::{Value, json};

use super::{entries, problem, problems, urls, valid};

#[track_caller]
fn urls_of(document: Value) -> Vec<String> {
    urls(&document.to_string())
}

#[test]
fn responses_of_backends_are_lists() {
    let foreign = include_str!("../fixtures/peers-foreign.json");
    let expected = ["ws://192.0.2.11:13011", "tcp://relay.example.net:11010", "tcp://192.0.2.12:11010"];
    assert_eq!(urls(foreign), expected);
    assert!(matches!(&valid(foreign)[1].access, Access::Member(network) if network.network_name == "hub"));
    // Backends say for ever that there is more; the number says that there is not.
    let all =
        json!({"code": 200, "data": {"peers": ["tcp://h:1"], "total_available": 1, "next_batch_available": true}});
    assert_eq!(urls_of(all), ["tcp://h:1"]);
}

#[test]
fn the_public_list_is_read_by_its_addresses() {
    let item = |id: u32, address: &str| {
        json!({"id": id, "name": format!("n{id}"), "host": "node.example.net", "port": 443, "protocol": "wss",
               "address": address, "is_active": true, "is_approved": true, "allow_relay": true, "tags": ["国内"],
               "network_name": null, "network_secret": null, "usage_percentage": 0.01, "ring_granularity": 900})
    };
    let page = |items: Value| {
        json!({"success": true, "error": null, "message": null,
        "data": {"total": 2, "page": 1, "per_page": 1000, "total_pages": 1, "items": items}})
    };
    let list = page(json!([item(7, "wss://node.example.net:443/path"), item(8, "")]));
    assert_eq!(urls_of(list.clone()), ["wss://node.example.net:443/path", "wss://node.example.net:443"]);
    assert_eq!(valid(&list.to_string())[0].id, 7);
}

#[test]
fn arrays_of_launchers_mix_urls_and_objects() {
    let array = json!(["tcp://192.0.2.1:11010", {"url": "https://nodes.example.org/-node1", "region": "CN"},
                       {"id": 9, "public_ip": "[2001:db8::2]:5", "protocol": "udp"}]);
    let expected = ["tcp://192.0.2.1:11010", "https://nodes.example.org:443/-node1", "udp://[2001:db8::2]:5"];
    assert_eq!(urls_of(array.clone()), expected);
    for place in ["peers", "items", "nodes", "data", "relays"] {
        assert_eq!(urls_of(json!({ place: array })), expected, "{place}");
    }
    for place in ["peers", "items", "nodes"] {
        assert_eq!(urls_of(json!({"data": { place: array }})), expected, "data.{place}");
    }
}

#[test]
fn a_node_of_easytier_worker_has_several_connections() {
    let document = json!({"nodes": [
        {"id": 1, "node_name": "上海", "status": "online", "allow_relay": 1, "tags": "cn,relay", "max_connections": 50,
         "connections": [{"type": "TCP", "ip": "192.0.2.1", "port": 11010}, {"type": "WSS", "ip": "a.example.net", "port": "443"}]},
        {"id": 2, "node_name": "none", "connections": []},
    ], "stats": {"total_connections": 3}});
    let (peers, refused) = (entries(&document.to_string()), problems(&document.to_string()));
    let listed: Vec<_> = peers.iter().filter_map(|entry| entry.peer.as_ref().ok()).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|peer| peer.name.as_deref() == Some("上海") && peer.allow_relay == Some(true)));
    assert_eq!(listed[0].tags.as_deref(), Some(["cn".to_owned(), "relay".to_owned()].as_slice()));
    assert_eq!(refused, ["peer 2 ('none'): it names neither 'url' nor 'host' nor 'public_ip'"]);
}

#[test]
fn a_status_page_of_uptime_kuma_names_nodes_in_its_monitors() {
    let document = json!({"config": {}, "publicGroupList": [
        {"id": 1, "name": "Public", "monitorList": [
            {"id": 7, "name": "tcp://a.example.net:11010（上海 电信）"}, {"id": 8, "name": "北京 udp://[2001:db8::1]:11010 (BGP)"}]},
        {"id": 2, "name": "More", "monitorList": [{"id": 9, "name": "wss://c.example.net"}, {"id": 10, "name": "官网"}]},
    ]});
    let listed = entries(&document.to_string());
    let names: Vec<_> = listed.iter().filter_map(|entry| entry.peer.as_ref().ok()?.name.as_deref()).collect();
    assert_eq!(names, ["上海 电信", "北京 BGP", ""]);
    let urls: Vec<_> = listed.iter().filter_map(|entry| entry.peer.as_ref().ok()?.url.as_deref()).collect();
    assert_eq!(urls, ["tcp://a.example.net:11010", "udp://[2001:db8::1]:11010", "wss://c.example.net"]);
    assert_eq!(problems(&document.to_string()), ["peer 4 ('官网'): it names neither 'url' nor 'host' nor 'public_ip'"]);
}

#[test]
fn an_announcement_of_pcl_ce_has_relays() {
    let document = json!({"version": 1, "available": true, "notices": [{"type": "info", "content": "x"}],
                          "relays": [{"name": "r1", "url": "tcp://192.0.2.1:11010", "desc": "one"}]});
    assert_eq!(urls_of(document.clone()), ["tcp://192.0.2.1:11010"]);
    let listed = entries(&document.to_string());
    assert_eq!(listed[0].peer.as_ref().unwrap().description.as_deref(), Some("one"));
}

#[test]
fn an_array_under_data_is_that_of_easytier_uptime_ce() {
    let node = json!({"server_id": "3", "id": "3", "name": "n", "host": "node.example.net", "port": "11010", "protocol": "tcp",
                      "allow_relay": 1, "is_active": 0, "max_connections": 0, "@prev_sid := t.server_id": null});
    let pagination = json!({"total": 1, "page": 1, "per_page": 20, "total_pages": 1});
    let document = json!({"success": true, "data": [node], "pagination": pagination});
    assert_eq!(urls_of(document), ["tcp://node.example.net:11010"]);
}

/// Whatever says itself that it is not all of a list must not be taken for the list.
#[test]
fn a_page_is_no_list() {
    let peers = json!(["tcp://a:1", "tcp://b:1"]);
    let of = |data: Value| json!({"data": data});
    let documents = [
        (of(json!({"items": peers, "total": 500, "page": 1, "total_pages": 25})), Some(500), Some(1), Some(25)),
        (of(json!({"items": peers, "total": 500, "page": 25, "total_pages": 25})), Some(500), Some(25), Some(25)),
        (of(json!({"items": peers, "total": "3"})), Some(3), None, None),
        (of(json!({"peers": peers, "next_cursor": "abc"})), None, None, None),
        (of(json!({"peers": peers, "next_batch_available": true})), None, None, None),
        (of(json!({"peers": peers, "total_available": 100, "next_batch_available": true})), Some(100), None, None),
        (
            json!({"data": peers, "pagination": {"total": 224, "page": 1, "total_pages": 12}}),
            Some(224),
            Some(1),
            Some(12),
        ),
        (json!({"items": peers, "totalPages": 2}), None, None, Some(2)),
    ];
    for (document, total, page, pages) in documents {
        let expected = ListProblem::Part(Part { count: 2, total, page, pages });
        assert_eq!(problem(&document.to_string()), expected, "{document}");
    }
    let words = problem(include_str!("../fixtures/peers-minimal.json")).to_string();
    assert!(words.starts_with("one page of a longer list, with 2 of 100 peers; "), "{words}");
    let numbered = ListProblem::Part(Part { count: 20, total: Some(500), page: Some(1), pages: Some(25) }).to_string();
    assert!(numbered.starts_with("page 1 of 25, with 20 of 500 peers; "), "{numbered}");
    // One page is all.
    let one = of(json!({"items": peers, "total": 2, "page": 1, "total_pages": 1, "next_cursor": null}));
    assert_eq!(urls_of(one), ["tcp://a:1", "tcp://b:1"]);
}

#[test]
fn a_document_without_a_list_is_none() {
    for text in ["{}", r#"{"data": {"peers": {}}}"#, r#"{"success": false, "data": null, "error": "no"}"#] {
        assert_eq!(problem(text), ListProblem::NoList, "{text}");
    }
    assert!(matches!(problem("{\"peers\": ["), ListProblem::NotJson(_)));
    assert_eq!(problems("[5, [\"tcp://h:1\"], null]").len(), 3);
}
