//! What an entry of a list means: which addresses are none, and who may name one.

use easytier_probe::{
    Origin, PeerUrlError,
    peer_list::{ListProblem, ListedPeer, PeerProblem, UnknownSchemes, peers, typed},
};

use super::{entries, problem, problems, urls, valid};

#[test]
fn all_mistakes_are_told_with_their_place() {
    let refused = problems("tcp://192.0.2.1\nnode.example.net udp://192.0.2.2\ntcp://192.0.2.1:0\n");
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].starts_with("line 2: 'node.example.net' has no scheme"), "{refused:?}");
    assert!(refused[1].starts_with("line 3: port 0"), "{refused:?}");
    let refused = problems(r#"[{"id": 1}, {"name": "n", "host": "192.0.2.1", "check": "half", "timeout_ms": 0}]"#);
    assert_eq!(
        refused,
        [
            "peer 1: it names neither 'url' nor 'host' nor 'public_ip'",
            "peer 2 ('n'): its check 'half' is neither 'full' nor 'handshake'",
            "peer 2 ('n'): its timeout_ms is 0",
            "peer 2 ('n'): its 'port' is missing",
        ]
    );
    let argument = typed("tcp://h:1，h:2", 3);
    let refused = peers(argument, Origin::Local, UnknownSchemes::Kept).1;
    assert!(refused[0].to_string().starts_with("URL 4: 'h:2' has no scheme"), "{refused:?}");
}

#[test]
fn a_masked_address_is_named_and_never_a_peer() {
    let masked = [
        "tcp://****:11010",
        "udp://***.***.***.***:14947,",
        "wss://n*.example.net",
        r#"["tcp://****:11010"]"#,
        r#"[{"name": "n", "host": "****", "port": 11010, "protocol": "tcp", "address": "tcp://****:11010"}]"#,
        r#"[{"name": "n", "host": "****", "port": null}]"#,
    ];
    for text in masked {
        let refused = problems(text);
        assert!(refused.len() == 1 && refused[0].contains("is masked"), "{text}: {refused:?}");
    }
    let masked = ListedPeer { url: Some("tcp://****".to_owned()), id: Some(1), ..ListedPeer::default() };
    let of_backend = masked.into_peer(Origin::Remote, None).unwrap_err();
    assert!(matches!(of_backend, PeerProblem::Url(PeerUrlError::Masked(_))), "{of_backend}");
}

#[test]
fn a_list_that_hides_all_its_addresses_is_one_problem() {
    let hidden = r#"{"name": "n", "host": "", "port": null, "address": ""}"#;
    let masked = r#"{"name": "n", "host": "****", "port": 11010}"#;
    let whole = problem(&format!("[{hidden}, {masked}, {hidden}]"));
    assert_eq!(whole, ListProblem::Hidden { count: 3 });
    assert!(whole.to_string().contains("hides its addresses"), "{whole}");
    // One that is not hidden makes the others single problems.
    let refused = problems(&format!(r#"[{hidden}, "tcp://192.0.2.1", {masked}]"#));
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].starts_with("peer 1 ('n'): its address is empty"), "{refused:?}");
}

#[test]
fn a_listener_is_no_peer() {
    for url in ["ws://[::]:11011/", "wss://0.0.0.0:11012/", "udp://0.0.0.0:11010,", "tcp://0:11010"] {
        let refused = problems(url);
        assert!(refused.len() == 1 && refused[0].contains("no address to connect to"), "{url}: {refused:?}");
    }
}

#[test]
fn odd_addresses_of_the_field_are_peers() {
    for (text, url) in [
        ("wss://node.example.net:0", "wss://node.example.net:443"),
        ("ws://node.example.net:0/et", "ws://node.example.net:80/et"),
        ("wss://my-domain.example/", "wss://my-domain.example:443"),
        ("https://example.com:8080/test/path", "https://example.com:8080/test/path"),
        ("srv://et.example.com", "srv://et.example.com"),
        ("txt://et-1.example.com", "txt://et-1.example.com"),
        ("tcp://服务器:11010", "tcp://xn--zfru1ggxt:11010"),
        (r#"[{"host": "node.example.net", "port": 0, "protocol": "WSS"}]"#, "wss://node.example.net:443"),
    ] {
        assert_eq!(urls(text), [url], "{text}");
    }
}

/// A check says of such a peer that it cannot be checked. Nobody else has a use for it.
#[test]
fn a_peer_of_an_unknown_scheme_is_kept_or_named() {
    let lists = [
        "tcp://192.0.2.7:11010\nfaketcp://node.example.net:11013\nunix:///run/easytier.sock\n",
        "[[peers]]\nurl = \"tcp://192.0.2.7\"\n[[peers]]\nprotocol = \"faketcp\"\nhost = \"node.example.net\"\n\
         port = 11013\n[[peers]]\nurl = \"unix:///run/easytier.sock\"\n",
        r#"["tcp://192.0.2.7", {"url": "faketcp://node.example.net:11013"}, "unix:///run/easytier.sock"]"#,
    ];
    for list in lists {
        let expected = ["tcp://192.0.2.7:11010", "faketcp://node.example.net:11013", "unix:///run/easytier.sock"];
        assert_eq!(urls(list), expected, "{list}");
        let (known, refused) = peers(entries(list), Origin::Local, UnknownSchemes::Refused);
        assert_eq!((known.len(), refused.len()), (1, 2), "{list}");
        assert!(refused[0].to_string().contains("protocol 'faketcp' is not supported"), "{refused:?}");
    }
    for protocol in ["tcp://x?", "a b"] {
        let list = format!(r#"[{{"protocol": "{protocol}", "host": "h", "port": 1}}]"#);
        assert_eq!(problems(&list).len(), 1, "{list}");
    }
}

#[test]
fn a_member_without_its_secret_is_never_checked_as_a_guest() {
    let peer = |rest: &str| format!(r#"[{{"url": "tcp://192.0.2.1", "network_name": "n", {rest}}}]"#);
    let refused = problems(&peer(r#""access": "member""#));
    assert!(refused.len() == 1 && refused[0].contains("network secret is missing"), "{refused:?}");
    assert_eq!(valid(&peer(r#""access": "guest", "network_secret": "s""#))[0].access, easytier_probe::Access::Guest);
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
