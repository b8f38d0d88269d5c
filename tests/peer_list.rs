//! Lists of peers in all formats.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use easytier_probe::{
    Access, CheckMode, Origin, Peer,
    peer_list::{ListedPeer, parse},
};
use proptest::prelude::*;

fn urls(peers: &[Peer]) -> Vec<String> {
    peers.iter().map(|peer| peer.url.to_string()).collect()
}

#[test]
fn urls_on_lines_are_numbered_by_their_position() {
    let peers = parse("# mine\ntcp://192.0.2.1\n\nudp://[2001:db8::1]:11011 # the other\n").unwrap();
    assert_eq!(urls(&peers), ["tcp://192.0.2.1:11010", "udp://[2001:db8::1]:11011"]);
    assert_eq!(peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [1, 2]);
    assert!(peers.iter().all(|peer| peer.access == Access::Guest && peer.origin == Origin::Local));
}

#[test]
fn a_toml_list_can_name_networks_and_check_modes() {
    let peers = parse(
        "[[peers]]\nurl = \"wss://node.example.net\"\ncheck = \"handshake\"\n\
         [[peers]]\nhost = \"192.0.2.1\"\nport = 7\nprotocol = \"ws\"\nnetwork_secret = \"\"\ntimeout_ms = 1500\n",
    )
    .unwrap();
    assert_eq!(urls(&peers), ["wss://node.example.net:443", "ws://192.0.2.1:7"]);
    assert_eq!((peers[0].mode, peers[1].mode), (CheckMode::Handshake, CheckMode::Full));
    // An empty secret counts, and a network without a name is EasyTier's default one.
    let Access::Member(network) = &peers[1].access else { panic!("a guest") };
    assert_eq!((network.network_name.as_str(), network.network_secret.expose()), ("default", ""));
    assert_eq!(peers[1].timeout, Some(std::time::Duration::from_millis(1500)));
}

#[test]
fn a_response_of_our_hub_is_a_list() {
    let peers = parse(include_str!("fixtures/peers-minimal.json")).unwrap();
    assert_eq!(urls(&peers), ["tcp://192.0.2.10:11010", "wss://node.example.net:443"]);
}

#[test]
fn responses_of_other_backends_are_lists() {
    let peers = parse(include_str!("fixtures/peers-foreign.json")).unwrap();
    assert_eq!(urls(&peers), ["ws://192.0.2.11:13011", "tcp://relay.example.net:11010", "tcp://192.0.2.12:11010"]);
    assert!(matches!(&peers[1].access, Access::Member(network) if network.network_name == "hub"));
}

#[test]
fn an_array_may_mix_urls_and_peers() {
    let peers = parse(r#"["tcp://192.0.2.1", {"id": 9, "public_ip": "[2001:db8::2]:5", "protocol": "udp"}]"#).unwrap();
    assert_eq!(urls(&peers), ["tcp://192.0.2.1:11010", "udp://[2001:db8::2]:5"]);
    assert_eq!(peers[1].id, 9);
}

#[test]
fn all_mistakes_are_reported_with_their_place() {
    let error = parse("tcp://192.0.2.1\nnode.example.net\ntcp://192.0.2.1:0\n").unwrap_err();
    assert_eq!(error.problems.len(), 2, "{error}");
    assert!(error.problems[0].starts_with("line 2: "), "{error}");
    assert!(error.problems[1].starts_with("line 3: "), "{error}");
    let error = parse(r#"[{"id": 1}, {"id": 2, "host": "192.0.2.1"}]"#).unwrap_err();
    assert_eq!(error.problems.len(), 2, "{error}");
}

#[test]
fn a_backend_marks_submitted_peers() {
    let origin = |submitted, origin| {
        let listed = ListedPeer { url: Some("tcp://192.0.2.1".to_owned()), submitted, ..ListedPeer::default() };
        listed.into_peer(origin, Some(1)).unwrap().origin
    };
    assert_eq!(origin(Some(true), Origin::Remote), Origin::Submitted);
    assert_eq!(origin(Some(false), Origin::Remote), Origin::Remote);
    assert_eq!(origin(None, Origin::Remote), Origin::Remote);
    // In a local list the mark is ignored.
    assert_eq!(origin(Some(true), Origin::Local), Origin::Local);
}

proptest! {
    #[test]
    fn any_text_is_a_list_or_an_error(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_json_is_a_list_or_an_error(
        text in r#"[\[{]("(host|port|id|public_ip|peers|data)"|:|,|[0-9]{1,3}|null|"[a-z.:]{0,9}"|\[|\]|\{|\}){0,20}"#,
    ) {
        let _ = parse(&text);
    }
}
