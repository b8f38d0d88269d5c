//! Each form of text: lines, TOML, CSV, command lines, encodings.

use easytier_probe::{
    Access, CheckMode, Origin,
    peer_list::{ListProblem, read, read_at_most},
};

use super::{problem, problems, urls, valid};

#[test]
fn urls_on_lines_are_numbered_by_their_position() {
    let peers = valid("# mine\r\ntcp://192.0.2.1\r\n\r\nudp://[2001:db8::1]:11011\t# the other\r\n");
    assert_eq!(peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(peers[1].url.to_string(), "udp://[2001:db8::1]:11011");
    assert!(peers.iter().all(|peer| peer.access == Access::Guest && peer.origin == Origin::Local));
}

#[test]
fn a_comment_may_have_commas() {
    assert_eq!(urls("tcp://192.0.2.7:11010 # Shanghai, China Telecom"), ["tcp://192.0.2.7:11010"]);
    assert_eq!(urls("#!list\ntcp://192.0.2.7:11010#top\n"), ["tcp://192.0.2.7:11010"]);
}

#[test]
fn several_urls_in_a_line_are_separated_by_commas_or_spaces() {
    let expected = ["tcp://a.example.net:11010", "udp://b.example.net:11010"];
    for separator in [",", ", ", "，", "、", " ", "\t", "\n", ",\n"] {
        assert_eq!(urls(&expected.join(separator)), expected, "{separator:?}");
        assert_eq!(urls(&format!("{}{separator}", expected.join(separator))), expected, "{separator:?} at the end");
    }
    assert_eq!(urls("\"tcp://a.example.net:11010\",\n'udp://b.example.net:11010',\n"), expected);
    assert_eq!(urls("<tcp://a.example.net:11010>\n`udp://b.example.net:11010`\n"), expected);
    // A comma inside a URL is its own.
    let with_comma = "https://list.example:443/?tags=a,b";
    assert_eq!(urls(&format!("{with_comma},tcp://a.example.net:11010")), [with_comma, "tcp://a.example.net:11010"]);
}

#[test]
fn a_list_may_begin_with_a_byte_order_mark() {
    assert_eq!(urls("\u{feff}tcp://192.0.2.7:11010\n"), ["tcp://192.0.2.7:11010"]);
    assert_eq!(urls("\u{feff}[\"tcp://192.0.2.7:11010\"]"), ["tcp://192.0.2.7:11010"]);
}

#[test]
fn utf_16_is_named_with_what_to_do() {
    let units: Vec<u16> = "tcp://192.0.2.7:11010\n".encode_utf16().collect();
    let [little, big] = [u16::to_le_bytes, u16::to_be_bytes]
        .map(|bytes| units.iter().flat_map(|unit| bytes(*unit)).collect::<Vec<u8>>());
    for (mark, bytes) in [(&[0xff, 0xfe][..], &little), (&[0xfe, 0xff], &big), (&[], &little), (&[], &big)] {
        let problem = read(&[mark, bytes].concat()).map(|entries| entries.len()).unwrap_err();
        assert_eq!(problem, ListProblem::Utf16);
        assert!(problem.to_string().contains("save it as UTF-8"), "{problem}");
    }
    assert_eq!(read(b"# \xc9\xcf\xba\xa3\ntcp://192.0.2.7").map(|list| list.len()), Err(ListProblem::NotUtf8));
}

#[test]
fn our_toml_is_read_in_each_of_its_spellings() {
    let spellings = [
        "[[peers]]\nurl = \"tcp://192.0.2.1\"\n",
        "# mine\n  [[ peers ]]\nurl = \"tcp://192.0.2.1\" # the first\n",
        "[[peers]] # mine\r\nurl = \"tcp://192.0.2.1\"\r\n",
        "[[\"peers\"]]\n\"url\" = 'tcp://192.0.2.1'\n",
        "peers = [{ url = \"tcp://192.0.2.1\" }]\n",
        "peers = [\"tcp://192.0.2.1\"]\n",
        "'peers'\t=\t[ # all\n  \"tcp://192.0.2.1\",\n]\n",
        "title = \"nodes\"\npeers=[\n  { host = \"192.0.2.1\", port = \"11010\" },\n]\n",
    ];
    for text in spellings {
        assert_eq!(urls(text), ["tcp://192.0.2.1:11010"], "{text}");
    }
}

#[test]
fn toml_can_name_networks_and_check_modes() {
    let peers = valid(
        "[[peers]]\nurl = \"wss://node.example.net\"\ncheck = \"handshake\"\n\
         [[peers]]\nhost = \"192.0.2.1\"\nport = 7\nprotocol = \"ws\"\nnetwork_secret = \"\"\ntimeout_ms = 1500\n",
    );
    assert_eq!((peers[0].mode, peers[1].mode), (CheckMode::Handshake, CheckMode::Full));
    assert_eq!(peers[1].url.to_string(), "ws://192.0.2.1:7");
    // An empty secret counts, and a network without a name is EasyTier's default one.
    let Access::Member(network) = &peers[1].access else { panic!("a guest") };
    assert_eq!((network.network_name.as_str(), network.network_secret.expose()), ("default", ""));
    assert_eq!(peers[1].timeout.unwrap().as_millis(), 1500);
}

/// As people post it.
const EASYTIER_CONFIG: &str = r#"
instance_name = "default"
ipv4 = "10.126.126.1"
listeners = ["tcp://0.0.0.0:11010", "udp://0.0.0.0:11010"]
rpc_portal = "0.0.0.0:0"

[network_identity]
network_name = "home"
network_secret = "s3cr3t"

[[peer]]
uri = "tcp://public.example.cn:11010" # 节点的uri

[[peer]]
uri = ""

[[peer]]
uri = "udp://192.0.2.7:11010"
peer_public_key = "bm90IGEga2V5"

[flags]
enable_encryption = true
"#;

#[test]
fn the_peers_of_an_easytier_configuration_are_read_and_its_network_is_not() {
    let peers = valid(EASYTIER_CONFIG);
    let urls: Vec<_> = peers.iter().map(|peer| peer.url.to_string()).collect();
    assert_eq!(urls, ["tcp://public.example.cn:11010", "udp://192.0.2.7:11010"]);
    assert!(peers.iter().all(|peer| peer.access == Access::Guest));
    for template in ["peer = []\n", "[[peer]]\nuri = \"\"\n", "instance_name = \"n\"\npeer = []\n[flags]\n"] {
        assert!(valid(template).is_empty(), "{template}");
    }
    let without = problem("instance_name = \"default\"\n\n[network_identity]\nnetwork_secret = \"s3cr3t\"\n");
    assert_eq!(without, ListProblem::NoPeerTable);
}

#[test]
fn a_table_has_the_names_of_fields_in_its_first_line() {
    let text = "name,URL,tags,allow_relay,max_connections\n\"a, b\",tcp://192.0.2.1,\"cn,游戏\",yes,5\n\n#c,udp://192.0.2.2,,0,\n";
    let peers = valid(text);
    assert_eq!(peers.iter().map(|peer| peer.name.as_deref()).collect::<Vec<_>>(), [Some("a, b"), Some("#c")]);
    assert_eq!(
        (peers[0].tags.as_slice(), peers[0].allow_relay, peers[1].allow_relay),
        (["cn".into(), "游戏".into()].as_slice(), true, false)
    );
    let expected = ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:1"];
    assert_eq!(urls("host;port\n192.0.2.1;11010\n192.0.2.2;1\n"), expected);
    assert_eq!(urls("host\tport\n192.0.2.1\t11010\n192.0.2.2\t1\n"), expected);
    assert_eq!(urls("uri\ntcp://192.0.2.1\n"), expected[..1]);
    assert_eq!(problem("name,port\nx,1\n"), ListProblem::NoAddressColumn);
}

#[test]
fn all_mistakes_in_a_table_are_told_with_their_lines() {
    let text =
        "url,port,max_connections,allow_relay\ntcp://h:1,70000,5,1\ntcp://h:1,1,many,2\ntcp://h:1,1,1,1,1\n,,,\n";
    assert_eq!(
        problems(text),
        [
            "line 2 ('tcp://h:1'): its 'port' must be a whole number from 0 to 65535",
            "line 3 ('tcp://h:1'): its 'allow_relay' must be true or false",
            "line 3 ('tcp://h:1'): its 'max_connections' must be a whole number from 0 to 4294967295",
            "line 4: the row has 5 cells, but the table has only 4 columns",
            "line 5: it names neither 'url' nor 'host' nor 'public_ip'",
        ]
    );
}

#[test]
fn a_command_line_names_its_peers_in_each_spelling() {
    let expected = ["tcp://a.example.net:11010", "udp://b.example.net:11010"];
    let [a, b] = expected;
    let lines = [
        format!("easytier-core -d --network-name home --network-secret 's3cr3t' -p {a} -p {b}"),
        format!("sudo ./easytier-core -p{a} -p={b} -l tcp://0.0.0.0:11010 --listeners wss://0.0.0.0:0"),
        format!("$ easytier-core --peers {a} {b} --listeners tcp://0.0.0.0:11010 11011"),
        format!("easytier-core --peers={a},{b}"),
        format!("C:\\easytier\\easytier-core.exe -e {a} --external-node {b}"),
        format!(
            "docker run -d --name et \\\n  -p 11010:11010 -p 11010:11010/udp -p 127.0.0.1:15888:15888 \\\n  -e TZ=Asia/Shanghai -e SITE=https://example.net \\\n  easytier/easytier:latest \\\n  -p \"{a}\" \\\n  -p {b}\n"
        ),
        format!("podman run -e ET_PEERS={a},{b} easytier/easytier"),
        format!("# my node\ndocker run --env 'ET_PEERS={a},{b}' easytier/easytier"),
        format!("docker run --env=ET_PEERS={a} -eET_EXTERNAL_NODE={b} easytier/easytier"),
        format!("ET_PEERS='{a}，{b}' easytier-core"),
        format!("--peers {a} {b}"),
    ];
    for line in lines {
        assert_eq!(urls(&line), expected, "{line}");
    }
    assert_eq!(problem("easytier-core -p 'tcp://a"), ListProblem::OpenQuote);
    let refused = problems("easytier-core -p node.example.net:11010 -p tcp://h:1");
    assert!(refused[0].starts_with("peer 1: 'node.example.net:11010' has no scheme"), "{refused:?}");
}

#[test]
fn a_web_page_is_no_list() {
    for page in
        ["<!DOCTYPE html>\n<title>404</title>", "\n<html><a href=\"https://x.example\">", "<?xml version=\"1.0\"?>"]
    {
        assert_eq!(problem(page), ListProblem::WebPage, "{page}");
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
    let told = |text: &str| match read(text.as_bytes()) {
        Ok(_) => problems(text).join("\n"),
        Err(problem) => problem.to_string(),
    };
    for value in ["\"4711", "4711", "4711.5", "[4711]", "{ a = 4711 }", "4711-07-27", "\"4711\" 4711", "'4711"] {
        for text in with_value(value) {
            let told = told(&text);
            assert!(!told.is_empty() && !told.contains("4711"), "{text}: {told}");
        }
    }
    assert!(told(&with_value("\"4711")[0]).starts_with("not TOML: line 3: "));
    assert_eq!(told(&with_value("4711")[0]), "peer 1 ('tcp://192.0.2.1'): its 'network_secret' must be a text");
    let of_url = problems("tcp://u:4711@192.0.2.7?t=4711");
    assert!(of_url.len() == 1 && !of_url[0].contains("4711"), "{of_url:?}");
}

#[test]
fn a_list_of_any_form_may_have_so_many_entries_and_no_more() {
    let lists = [
        "tcp://h:1\ntcp://h:2 tcp://h:3\n",
        "[\"tcp://h:1\", 5, {}]",
        "{\"nodes\": [{\"connections\": [{}, {}]}, {}]}",
        "peers = [\"tcp://h:1\", \"tcp://h:2\", \"tcp://h:3\"]",
        "url\ntcp://h:1\ntcp://h:2\ntcp://h:3\n",
        "easytier-core -p tcp://h:1 tcp://h:2 -p tcp://h:3",
    ];
    for list in lists {
        let read = |max| read_at_most(list.as_bytes(), max).map(|entries| entries.len());
        assert_eq!((read(3), read(2)), (Ok(3), Err(ListProblem::TooLong { max: 2 })), "{list}");
    }
    let node = format!("{{\"nodes\": [{{\"connections\": [{}]}}]}}", vec!["{}"; 33].join(","));
    let [entry] = read(node.as_bytes()).unwrap().try_into().unwrap();
    assert!(entry.peer.unwrap_err()[0].to_string().contains("more than 32 connections"));
}
