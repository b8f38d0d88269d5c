//! What holds for every text, and for every list that somebody cut or mixed up.

use std::time::Duration;

use easytier_probe::{
    Origin,
    peer_list::{ListedPeer, TIMEOUTS, UnknownSchemes, parse, peers, read},
};
use proptest::prelude::*;

/// A document of each form.
const DOCUMENTS: [&str; 7] = [
    include_str!("../fixtures/peers-foreign.json"),
    include_str!("../fixtures/peers-minimal.json"),
    "# mine\ntcp://192.0.2.1:11010, udp://[2001:db8::1]:11010 # two\n",
    "[[peers]]\nurl = \"tcp://192.0.2.1\"\nnetwork_secret = \"s\"\n[[peer]]\nuri = \"udp://h:1\" # 节点\n",
    "name,url,tags,port\n\"a, b\",tcp://192.0.2.1,\"x,y\",1\n",
    "docker run -p 1:1 easytier/easytier -p 'tcp://192.0.2.1:11010' \\\n --peers udp://h:1\n",
    r#"{"publicGroupList":[{"monitorList":[{"name":"北京 tcp://h:1（x）"}]}],"nodes":[{"connections":[{"type":"TCP"}]}]}"#,
];

/// Reads as a program does, and shows everything there is to show.
fn exercise(bytes: &[u8]) {
    match read(bytes) {
        Ok(entries) => {
            for refused in peers(entries, Origin::Local, UnknownSchemes::Refused).1 {
                let _ = refused.to_string();
            }
        }
        Err(problem) => drop(problem.to_string()),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_list_or_an_error(bytes in any::<Vec<u8>>()) {
        exercise(&bytes);
    }

    #[test]
    fn any_text_is_a_list_or_an_error(text in any::<String>()) {
        exercise(text.as_bytes());
    }

    #[test]
    fn any_json_is_a_list_or_an_error(
        text in r#"[\[{]("(host|port|id|public_ip|peers|data|connections|monitorList|name)"|:|,|[0-9]{1,3}|null|"[a-z.:*/]{0,9}"|\[|\]|\{|\}){0,20}"#,
    ) {
        exercise(text.as_bytes());
    }

    /// Bytes of a real document are cut out, and those of another are put in their place.
    #[test]
    fn a_mutated_document_is_a_list_or_an_error(
        (document, other) in (prop::sample::select(&DOCUMENTS[..]), prop::sample::select(&DOCUMENTS[..])),
        (from, length) in (any::<prop::sample::Index>(), 0..20_usize),
        (other_from, other_length) in (any::<prop::sample::Index>(), 0..20_usize),
    ) {
        let from = from.index(document.len());
        let rest = &document.as_bytes()[(from + length).min(document.len())..];
        let other_from = other_from.index(other.len());
        let piece = &other.as_bytes()[other_from..(other_from + other_length).min(other.len())];
        exercise(&[&document.as_bytes()[..from], piece, rest].concat());
    }

    /// No peer is lost between others, and none changes its place.
    #[test]
    fn the_order_of_a_list_is_kept_in_every_form(ports in prop::collection::vec(1..=u16::MAX, 0..20)) {
        let urls: Vec<String> = ports.iter().map(|port| format!("tcp://192.0.2.1:{port}")).collect();
        let quoted = urls.iter().map(|url| format!("{url:?}")).collect::<Vec<_>>().join(", ");
        let tables: String = urls.iter().map(|url| format!("[[peers]]\nurl = {url:?}\n")).collect();
        let forms = [
            urls.join("\n"),
            urls.join(","),
            format!("[{quoted}]"),
            format!("peers = [{quoted}]"),
            if urls.is_empty() { "peers = []".to_owned() } else { tables },
            format!("url\n{}\n", urls.join("\n")),
            format!("easytier-core --peers {}", urls.join(" ")),
        ];
        for text in forms {
            let (peers, refused) = peers(parse(&text).unwrap(), Origin::Local, UnknownSchemes::Refused);
            prop_assert!(refused.is_empty(), "{}: {:?}", text, refused);
            prop_assert_eq!(peers.iter().map(|peer| peer.url.full()).collect::<Vec<_>>(), urls.clone(), "{}", text);
            prop_assert_eq!(peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), (1..).take(urls.len()).collect::<Vec<i64>>());
        }
    }

    /// A list of a backend may ask for any timeout.
    #[test]
    fn a_listed_timeout_is_kept_within_its_limits(timeout_ms in any::<u64>()) {
        let listed = ListedPeer { url: Some("tcp://192.0.2.1".to_owned()), timeout_ms: Some(timeout_ms), ..ListedPeer::default() };
        let timeout = listed.into_peer(Origin::Remote, Some(1)).unwrap().timeout.unwrap();
        prop_assert!(TIMEOUTS.contains(&timeout));
        let asked = Duration::from_millis(timeout_ms);
        prop_assert!(timeout == asked || !TIMEOUTS.contains(&asked));
    }
}
