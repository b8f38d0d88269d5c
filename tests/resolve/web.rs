//! Web servers that redirect to peer URLs, or list them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use easytier_probe::{
    Access, AddressPolicy, Blame, FailureCode, Membership, Origin, Peer, Scheme, resolve::MAX_YIELDED_URLS,
};
use tokio::{io::AsyncWriteExt, net::TcpListener, time::Instant};

use crate::{
    closed_port::ClosedPort,
    dns::{a, aaaa},
    support::{
        Closed, PRIVATE_ALLOWED, in_good_time, list, no_dns, peer, read_request, redirect, refused, refused_by,
        resolved, resolver, web_server,
    },
};

#[tokio::test]
async fn a_redirect_is_read_in_each_of_its_forms() {
    let forms: [(&str, &[&str]); 9] = [
        ("tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("wss://1.1.1.1/x?y=tcp://2.2.2.2:2", &["wss 1.1.1.1:443"]),
        ("http://tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("https://udp://1.1.1.1:1", &["udp 1.1.1.1:1"]),
        ("http://any.test/?url=tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("https://any.test/path?x=tcp%3A%2F%2F1.1.1.1%3A1", &["tcp 1.1.1.1:1"]),
        ("http://any.test?a=tcp://1.1.1.1:1&b=nonsense&c=udp://1.1.1.2:2", &["tcp 1.1.1.1:1", "udp 1.1.1.2:2"]),
        ("http://any.test/?a=http://any.test&b=wg://1.1.1.1", &["wg 1.1.1.1:11011"]),
        ("http://any.test/?a=tcp://1.1.1.1:1#fragment", &["tcp 1.1.1.1:1"]),
    ];
    for (location, expected) in forms {
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
            let web = web_server(redirect(status, location)).await;
            let targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
            assert_eq!(targets, expected, "{status} {location}");
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_web_page_is_not_followed() {
    let other = web_server(list("tcp://1.1.1.1:1")).await;
    for location in [other.url("/list?token=hunter2"), format!("{}?x=y", other.url("/")), "/relative".to_owned()] {
        let web = web_server(redirect("302 Found", &location)).await;

        let failure = refused(&no_dns(AddressPolicy::ANY), &web.url("/"), Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{location}");
        assert!(failure.message.contains("which is not followed"), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
    assert_eq!(other.requests(), [""; 0]);
}

#[tokio::test]
async fn a_list_gives_the_lines_that_are_peer_urls() {
    let web =
        web_server(list("\r\n  tcp://1.1.1.1:1\r\n\n# nodes\nnot a url\nudp://1.1.1.2:2 \nftp://1.1.1.3\n")).await;

    let mut targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
    targets.sort();
    assert_eq!(targets, ["tcp 1.1.1.1:1", "udp 1.1.1.2:2"]);
}

#[tokio::test]
async fn a_list_is_tried_in_random_order() {
    let lines: String = (1..=8).map(|n| format!("tcp://1.1.1.{n}:1\n")).collect();
    let web = web_server(list(&lines)).await;
    let resolver = no_dns(AddressPolicy::PUBLIC_ONLY);

    let mut orders = HashSet::new();
    for _ in 0..20 {
        orders.insert(resolved(&resolver, &web.url("/"), Origin::Local).await);
    }
    // There are 40,320 orders, so twenty equal ones are practically impossible.
    assert!(orders.len() > 1);
}

#[tokio::test]
async fn a_long_list_is_sampled() {
    let lines: String = (0..200).map(|n| format!("tcp://1.1.1.{n}:1\n")).collect();
    let web = web_server(list(&lines)).await;

    let targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
    assert_eq!(targets.len(), MAX_YIELDED_URLS);
}

#[tokio::test]
async fn a_list_is_read_up_to_64_kib_and_no_further() {
    let line = "tcp://1.1.1.1:1\n";
    let padded = |size: usize| list(&(line.to_owned() + &" ".repeat(size - line.len())));
    let resolver = no_dns(AddressPolicy::PUBLIC_ONLY);

    let web = web_server(padded(64 * 1024)).await;
    assert_eq!(resolved(&resolver, &web.url("/"), Origin::Local).await, ["tcp 1.1.1.1:1"]);

    let web = web_server(padded(64 * 1024 + 1)).await;
    let failure = refused(&resolver, &web.url("/"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.ends_with("is longer than 64 KiB"), "{failure}");
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(b"tcp://1.1.1.1:1\n").await.is_ok() {}
    });

    let failure = refused(&no_dns(AddressPolicy::PUBLIC_ONLY), &url, Origin::Local).await;
    assert!(failure.message.ends_with("is longer than 64 KiB"), "{failure}");
    // The server's loop ends when the client closes the connection.
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_without_node_urls_fails_with_the_reason() {
    let answers: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops", "answered 500 Internal Server Error"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 15\r\n\r\ntcp://1.1.1.1:1", "answered 404 Not Found"),
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "answered 302 Found without a Location"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "no URL of a node"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n<html></html>\n", "no URL of a node"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ntcp://1.1.1.1:1", "gives no answer: "),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "gives no answer: "),
        (b"", "gives no answer: "),
    ];
    for (answer, words) in answers {
        let web = web_server(answer.to_vec()).await;
        let url = web.url("/list?token=hunter2");

        let failure = refused(&no_dns(AddressPolicy::ANY), &url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

#[tokio::test]
async fn a_refused_connection_differs_from_a_silent_web_server() {
    let closed = ClosedPort::new();

    let failure = refused(&no_dns(AddressPolicy::ANY), &(closed.url("http") + "/?token=hunter2"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.to_lowercase().contains("connection refused"), "{failure}");
    assert!(!failure.message.contains("hunter2"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_web_server_is_given_up_as_clients_do_or_at_the_deadline() {
    let silent = Closed::bind();
    let peer = peer(&format!("{}/?token=hunter2", silent.url("http", "127.0.0.1")), Origin::Local);
    for (time, words) in [(3, "no answer within 3 s"), (60, "no answer within 20 s")] {
        let start = Instant::now();

        let failure = refused_by(&no_dns(AddressPolicy::ANY), &peer, start + Duration::from_secs(time)).await;
        assert_eq!((failure.code, failure.blame), (FailureCode::ResolverFailed, Blame::Peer));
        assert!(failure.message.ends_with(words), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
        assert!(start.elapsed() <= Duration::from_secs(21), "{:?}", start.elapsed());
    }
}

/// The first web server took the time that the second one should have had.
#[tokio::test(start_paused = true)]
async fn a_web_server_that_had_little_time_is_not_blamed() {
    let silent = Closed::bind();
    let body = silent.url("http", "127.0.0.1");
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", slow.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = slow.accept().await.unwrap();
        read_request(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        stream.write_all(&list(&body)).await.unwrap();
    });

    let deadline = Instant::now() + Duration::from_secs(5);
    let failure = refused_by(&no_dns(AddressPolicy::ANY), &peer(&url, Origin::Local), deadline).await;
    assert_eq!((failure.code, failure.blame), (FailureCode::MissedWindow, Blame::Probe), "{failure}");
}

#[tokio::test]
async fn a_web_server_with_an_unknown_name_is_a_dns_failure() {
    let resolver = resolver(AddressPolicy::ANY, []).await;
    let failure = refused(&resolver, "http://nowhere.test/", Origin::Local).await;
    assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, "nowhere.test: no such name"));
}

#[tokio::test]
async fn a_web_server_gets_one_request_like_that_of_an_easytier_client() {
    let web = web_server(list("tcp://1.1.1.1:1")).await;
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, [("web.test", a([127, 0, 0, 1]))]).await;
    let port = web.address.port();

    let url = format!("http://web.test:{port}/list?x=1");
    assert_eq!(resolved(&resolver, &url, Origin::Local).await, ["tcp 1.1.1.1:1"]);

    let [request] = web.requests().try_into().unwrap();
    assert!(request.starts_with("GET /list?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: web.test:{port}\r\n")), "{request}");
    assert!(request.contains("user-agent: easytier/2.6.4 easytier-uptime/"), "{request}");
}

/// A service may answer differently for each network.
#[tokio::test]
async fn a_web_server_is_told_the_name_of_the_network() {
    let name_of =
        |request: &str| request.split("x-network-name: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    let web = web_server(list("tcp://1.1.1.1:1")).await;
    let network = Membership { network_name: "büro 1".to_owned(), network_secret: "s".into() };
    let guest = peer(&web.url("/"), Origin::Local);
    let member = Peer { access: Access::Member(network), ..guest.clone() };
    for peer in [&member, &guest, &guest] {
        no_dns(AddressPolicy::ANY).resolve(peer, in_good_time()).await.unwrap();
    }

    let [of_member, first, second] = web.requests().try_into().unwrap();
    assert_eq!(name_of(&of_member), "büro 1");
    // Each guest comes with a network of its own.
    assert_eq!([name_of(&first).len(), name_of(&second).len()], [16, 16]);
    assert_ne!(name_of(&first), name_of(&second));
}

/// A URL with an address is refused before the request, one with a name when the client resolves it.
#[tokio::test]
async fn a_remote_url_never_connects_to_a_web_server_at_a_forbidden_address() {
    let web = Closed::bind();
    let zone = [("loop.test", a([127, 0, 0, 1])), ("loop.test", aaaa("::1"))];
    let resolver = resolver(PRIVATE_ALLOWED, zone).await;

    for host in ["127.0.0.1", "127.1", "loop.test", "localhost", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let failure = refused(&resolver, &web.url(scheme, host), Origin::Remote).await;
            assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{scheme} {host}: {failure}");
            assert!(failure.message.contains("ALLOW_LOCAL_PEERS"), "{failure}");
        }
    }
    assert!(!web.was_connected_to());
}

/// The test above relies on this: the listener notices a connection when there is one.
#[tokio::test(start_paused = true)]
async fn a_remote_url_connects_to_a_web_server_at_a_permitted_address() {
    let web = Closed::bind();
    refused(&no_dns(AddressPolicy::ANY), &web.url("http", "127.0.0.1"), Origin::Remote).await;
    assert!(web.was_connected_to());
}

#[tokio::test]
async fn a_web_server_with_permitted_and_forbidden_addresses_is_asked_at_the_permitted_one() {
    let web = web_server(list("tcp://1.1.1.1:1")).await;
    let zone = [("web.test", a([0, 0, 0, 0])), ("web.test", a([127, 0, 0, 1]))];
    let resolver = resolver(AddressPolicy::ANY, zone).await;

    let url = format!("http://web.test:{}/", web.address.port());
    assert_eq!(resolved(&resolver, &url, Origin::Remote).await, ["tcp 1.1.1.1:1"]);
}

#[tokio::test]
async fn a_web_server_whose_certificate_nobody_signed_is_refused() {
    let (certificates, key) = easytier::tunnel::insecure_tls::get_insecure_tls_cert();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/?token=hunter2", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await?;
        stream.write_all(&list("tcp://1.1.1.1:1")).await
    });

    let failure = refused(&no_dns(AddressPolicy::ANY), &url, Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.contains("certificate"), "{failure}");
    assert!(!failure.message.contains("hunter2"), "{failure}");
    assert!(server.await.unwrap().is_err(), "the client took the certificate");
}

#[tokio::test]
async fn a_message_stays_short_whatever_strangers_write_into_it() {
    let long = "a".repeat(60);
    let name = format!("{long}.{long}.{long}.{long}.test");
    let locations = [format!("http://x.test/{}", "y".repeat(4000)), format!("http://{name}")];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, []).await;

    // `refused` asserts the length.
    for scheme in Scheme::all() {
        refused(&resolver, &format!("{scheme}://{name}"), Origin::Remote).await;
    }
    for location in locations {
        let web = web_server(redirect("302 Found", &location)).await;
        refused(&resolver, &web.url(&format!("/{}", "z".repeat(4000))), Origin::Local).await;
    }
}
