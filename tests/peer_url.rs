//! Parsing, formatting and errors of peer URLs.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use easytier_probe::{PeerUrl, PeerUrlError, Scheme};
use proptest::prelude::*;
use url::Host;

#[track_caller]
fn parsed(text: &str) -> PeerUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str) -> PeerUrlError {
    text.parse::<PeerUrl>().expect_err(text)
}

#[test]
fn a_url_without_a_port_has_the_default_port_of_its_scheme() {
    let expected = [
        ("tcp", Some(11010)),
        ("udp", Some(11010)),
        ("ws", Some(80)),
        ("wss", Some(443)),
        ("wg", Some(11011)),
        ("quic", Some(11012)),
        ("http", Some(80)),
        ("https", Some(443)),
        ("txt", None),
        ("srv", None),
    ];
    for (scheme, port) in expected {
        assert_eq!(parsed(&format!("{scheme}://node.example")).port(), port, "{scheme}");
    }
    assert_eq!(Scheme::all().count(), expected.len());
}

#[test]
fn unusual_spellings_of_an_address_are_recognised() {
    for text in ["tcp://127.0.0.1", "tcp://127.1", "tcp://0x7f000001", "tcp://2130706433", "tcp://%3127.0.0.1"] {
        assert_eq!(parsed(text).ip(), Some("127.0.0.1".parse().unwrap()), "{text}");
    }
    assert_eq!(parsed("udp://[::FFFF:7f00:1]").ip(), Some("::ffff:127.0.0.1".parse().unwrap()));
    assert_eq!(parsed("tcp://127.0.0.1.example").ip(), None);
}

#[test]
fn case_spaces_and_international_names_are_normalised() {
    assert_eq!(parsed("  TCP://Node.Example:11010 ").to_string(), "tcp://node.example:11010");
    assert_eq!(parsed("wss://bücher.example/x?y=1").full(), "wss://xn--bcher-kva.example:443/x?y=1");
    assert_eq!(parsed("tcp://node.example/").to_string(), "tcp://node.example:11010");
}

#[test]
fn errors_say_why_a_text_is_not_a_peer_url() {
    assert_eq!(refused("node.example"), PeerUrlError::NoScheme("node.example".into()));
    assert_eq!(refused("tcp://"), PeerUrlError::NoHost("tcp://".into()));
    assert_eq!(refused("tcp://:11010"), PeerUrlError::NoHost("tcp://:11010".into()));
    assert_eq!(refused("tcp://node.example:0"), PeerUrlError::PortZero("tcp://node.example:0".into()));
    assert_eq!(refused("txt://node.example:53"), PeerUrlError::PortNotAllowed(Scheme::Txt));
    assert_eq!(refused("tcp://me@node.example"), PeerUrlError::Credentials);
    assert!(matches!(refused("tcp://node.example:99999"), PeerUrlError::Malformed { .. }));
    assert!(matches!(refused("tcp://[::1"), PeerUrlError::Malformed { .. }));
    assert!(matches!(refused("tcp://two words"), PeerUrlError::Malformed { .. }));
}

/// A list must not become useless by one peer that this probe cannot check.
#[test]
fn a_url_of_an_unknown_scheme_is_a_peer_url() {
    let fake = parsed("FakeTCP://node.example:11013");
    assert_eq!((fake.scheme(), fake.protocol(), fake.port()), (None, "faketcp", Some(11013)));
    assert_eq!((fake.host_text(), fake.to_string()), ("node.example".into(), "faketcp://node.example:11013".into()));
    assert_eq!(fake.known_scheme(), Err(PeerUrlError::UnsupportedProtocol("faketcp".into())));

    let unix = parsed("unix:///run/easytier.sock");
    assert_eq!((unix.host(), unix.port(), unix.path()), (None, None, "/run/easytier.sock"));
    assert_eq!(unix.full(), "unix:///run/easytier.sock");

    for text in ["ring://6f1b", "ftp://node.example", "a+b-c.d://x"] {
        assert_eq!(parsed(text).scheme(), None, "{text}");
    }
    for text in ["node.example", "two words://x", "://x", "1tcp://x", "uri = \"tcp://x\"", "faketcp://two words"] {
        refused(text);
    }
}

#[test]
fn a_url_made_of_parts_equals_the_parsed_one() {
    let of_parts = |scheme, host, port| PeerUrl::new(scheme, host, port).unwrap();
    assert_eq!(of_parts(Scheme::Tcp, "node.example", Some(1)), parsed("tcp://node.example:1"));
    assert_eq!(of_parts(Scheme::Udp, "2001:db8::1", None), parsed("udp://[2001:db8::1]:11010"));
    assert_eq!(of_parts(Scheme::Txt, "node.example", Some(11010)), parsed("txt://node.example"));
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(Scheme::all().collect::<Vec<_>>())
}

fn any_scheme() -> impl Strategy<Value = String> {
    prop_oneof![scheme().prop_map(|scheme| scheme.to_string()), Just("faketcp".to_owned()), Just("unix".to_owned())]
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9]{0,10}(\\.[a-z][a-z0-9]{0,10}){0,3}".prop_map(Host::Domain),
        any::<std::net::Ipv4Addr>().prop_map(Host::Ipv4),
        any::<std::net::Ipv6Addr>().prop_map(Host::Ipv6),
    ]
}

proptest! {
    #[test]
    fn a_parsed_url_has_the_parts_of_its_text(
        scheme in scheme(),
        host in host(),
        port in 1u16..,
        path in "(/[a-z0-9]{1,8}){0,2}(\\?[a-z]=[a-z0-9]{1,8})?",
    ) {
        let port = scheme.default_port().map(|_| port);
        let spelled_port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = parsed(&format!("{scheme}://{host}{spelled_port}{path}"));

        prop_assert_eq!(url.scheme(), Some(scheme));
        prop_assert_eq!(url.host(), Some(&host));
        prop_assert_eq!(url.port(), port);
        prop_assert!(url.path().ends_with(&path), "{}", url.path());
    }

    #[test]
    fn a_parsed_url_is_valid_and_parses_again(scheme in any_scheme(), rest in "\\PC{0,40}") {
        let Ok(url) = format!("{scheme}://{rest}").parse::<PeerUrl>() else { return Ok(()) };

        prop_assert_ne!(url.port(), Some(0));
        prop_assert_eq!(url.protocol(), &scheme);
        prop_assert_eq!(url.scheme(), scheme.parse::<Scheme>().ok());
        if let Some(scheme) = url.scheme() {
            prop_assert!(url.host().is_some_and(|host| !host.to_string().is_empty()));
            prop_assert_eq!(url.port().is_some(), scheme.default_port().is_some());
        }
        prop_assert_eq!(&parsed(&url.full()), &url);
        prop_assert!(url.full().starts_with(&url.to_string()));
    }

    #[test]
    fn no_form_but_the_full_one_shows_the_query(
        scheme in any_scheme(),
        path in "(/[a-z0-9]{0,8}){0,2}",
    ) {
        let url = parsed(&format!("{scheme}://node.example{path}?token=hunter2#hunter2"));

        let shown = [url.to_string(), format!("{url:?}"), serde_json::to_string(&url).unwrap()];
        prop_assert!(shown.iter().all(|text| !text.contains("hunter2")), "{:?}", shown);
        prop_assert!(url.full().ends_with("?token=hunter2"), "{}", url.full());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = text.parse::<PeerUrl>();
    }

    #[test]
    fn no_error_shows_a_password_or_a_token(
        scheme in prop::sample::select(vec!["", "tcp://", "ws://", "http://", "txt://", "ftp://"]),
        host in prop::sample::select(vec!["node.example", "", "two words", "[::1", "node.example:0", "h:99999"]),
    ) {
        let text = format!("{scheme}user:hunter2@{host}?token=hunter2#hunter2");
        let error = refused(&text);
        prop_assert!(!format!("{error} {error:?}").contains("hunter2"), "{}", error);
    }
}
