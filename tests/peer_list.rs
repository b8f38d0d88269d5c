//! Lists of peers in all formats.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use std::time::Duration;

use easytier_probe::{
    Access, CheckMode, Origin, Peer,
    peer_list::{ListedPeer, TIMEOUTS, parse},
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
    assert_eq!(peers[1].timeout, Some(Duration::from_millis(1500)));
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

#[test]
fn a_peer_of_an_unknown_protocol_does_not_make_the_list_useless() {
    let lists = [
        "tcp://192.0.2.7:11010\nfaketcp://node.example.net:11013\nunix:///run/easytier.sock\n",
        "[[peers]]\nurl = \"tcp://192.0.2.7\"\n[[peers]]\nprotocol = \"faketcp\"\nhost = \"node.example.net\"\n\
         port = 11013\n[[peers]]\nurl = \"unix:///run/easytier.sock\"\n",
        r#"["tcp://192.0.2.7", {"url": "faketcp://node.example.net:11013"}, "unix:///run/easytier.sock"]"#,
    ];
    for list in lists {
        let peers = parse(list).unwrap();
        let expected = ["tcp://192.0.2.7:11010", "faketcp://node.example.net:11013", "unix:///run/easytier.sock"];
        assert_eq!(urls(&peers), expected, "{list}");
    }
    for protocol in ["tcp://x?", "a b", ""] {
        let list = format!(r#"[{{"protocol": "{protocol}", "host": "h", "port": 1}}]"#);
        assert!(parse(&list).is_err(), "{list}");
    }
}

#[test]
fn toml_is_recognised_in_each_of_its_spellings() {
    let spellings = [
        "[[peers]]\nurl = \"tcp://192.0.2.1\"\n",
        "# mine\n  [[ peers ]]\nurl = \"tcp://192.0.2.1\" # the first\n",
        "[[peers]] # mine\r\nurl = \"tcp://192.0.2.1\"\r\n",
        "peers = [{ url = \"tcp://192.0.2.1\" }]\n",
        "title = \"nodes\"\npeers=[\n  { host = \"192.0.2.1\", port = 11010 },\n]\n",
    ];
    for text in spellings {
        assert_eq!(urls(&parse(text).unwrap()), ["tcp://192.0.2.1:11010"], "{text}");
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    let with_value = |value: &str| {
        [
            format!("[[peers]]\nurl = \"tcp://192.0.2.1\"\nnetwork_secret = {value}\n"),
            format!("peers = [{{ url = \"tcp://192.0.2.1\", network_secret = {value} }}]\n"),
            format!(r#"[{{"url": "tcp://192.0.2.1", "network_secret": {value}}}]"#),
        ]
    };
    for value in ["\"4711", "4711", "4711.5", "[4711]", "{ a = 4711 }", "4711-07-27", "\"4711\" 4711", "'4711"] {
        for text in with_value(value) {
            let error = parse(&text).unwrap_err().to_string();
            assert!(!error.contains("4711"), "{text}: {error}");
        }
    }
    let error = parse(&with_value("\"4711")[0]).unwrap_err().to_string();
    assert!(error.starts_with("not a TOML list of peers: line 3: "), "{error}");
    let error = parse(&with_value("4711")[0]).unwrap_err().to_string();
    assert_eq!(error, "not a TOML list of peers: line 3: a secret must be a text; put it in quotes");
}

proptest! {
    /// A list of a backend may ask for any timeout.
    #[test]
    fn a_listed_timeout_is_kept_within_its_limits(timeout_ms in any::<u64>()) {
        let listed = ListedPeer { url: Some("tcp://192.0.2.1".to_owned()), timeout_ms: Some(timeout_ms), ..ListedPeer::default() };
        let timeout = listed.into_peer(Origin::Remote, Some(1)).unwrap().timeout.unwrap();
        prop_assert!(TIMEOUTS.contains(&timeout));
        let asked = Duration::from_millis(timeout_ms);
        prop_assert!(timeout == asked || !TIMEOUTS.contains(&asked));
    }

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
