//! Which addresses checks connect to: by who named the peer, by what this probe allows, and by the way on which an address is
//! found. Nodes listen at addresses of every kind, in a network namespace of the test.
//!
//! [`Origin::Local`] is a peer that a local user typed, or the operator of a hub with a built-in probe; [`Origin::Remote`] one
//! that a backend lists; [`Origin::Submitted`] one that a stranger named: in a submission, in a connection test, or in the
//! list of a site that an operator imported.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "daemon_machine/namespace.rs"]
mod namespace;
mod support;

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, Uri, header},
    response::IntoResponse,
};
use easytier_probe::{AddressPolicy, CheckOptions, CheckReport, Checker, FailureCode, Origin, Peer, Resolver, Status};
use futures::future::join_all;
use support::{
    LONG,
    dns::{Zone, a, name_server_of, srv, txt},
    guest, options,
    scripted::{Script, ScriptedNode},
};
use tokio::{
    net::TcpListener,
    time::{Instant, advance, pause, resume},
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 7, 7, 7);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const PLACES: [Ipv4Addr; 4] = [PUBLIC, PRIVATE, METADATA, Ipv4Addr::LOCALHOST];

/// The port of the node at each place.
const PORT: u16 = 11010;
/// The port of the web server at [`PUBLIC`].
const WEB_PORT: u16 = 8080;

const ORIGINS: [Origin; 3] = [Origin::Local, Origin::Remote, Origin::Submitted];
const RENEW_AFTER: Duration = Duration::from_secs(3600);

/// A way on which a probe finds the address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Address,
    Name,
    Redirect,
    List,
    Txt,
    Srv,
}

impl Way {
    const ALL: [Self; 6] = [Self::Address, Self::Name, Self::Redirect, Self::List, Self::Txt, Self::Srv];

    /// A URL that leads to the node at `place`.
    fn url(self, place: Ipv4Addr) -> String {
        let name = place.to_string().replace('.', "-");
        match self {
            Self::Address => format!("tcp://{place}:{PORT}"),
            Self::Name => format!("tcp://node-{name}.test:{PORT}"),
            Self::Redirect => format!("http://{PUBLIC}:{WEB_PORT}/redirect/{place}"),
            Self::List => format!("http://{PUBLIC}:{WEB_PORT}/list/{place}"),
            Self::Txt => format!("txt://txt-{name}.test"),
            Self::Srv => format!("srv://srv-{name}.test"),
        }
    }

    /// Whether the URL itself names the node, and not a third party.
    fn is_direct(self) -> bool {
        matches!(self, Self::Address | Self::Name)
    }
}

/// Whether a check may connect to `place`.
fn is_permitted(policy: AddressPolicy, origin: Origin, way: Way, place: Ipv4Addr) -> bool {
    let is_allowed_here = match place {
        PUBLIC => true,
        PRIVATE => policy.allow_private,
        _ => policy.allow_local,
    };
    match origin {
        Origin::Local if way.is_direct() => true,
        Origin::Local | Origin::Remote => is_allowed_here,
        Origin::Submitted => place == PUBLIC,
    }
}

fn policies() -> impl Iterator<Item = AddressPolicy> {
    [false, true].into_iter().flat_map(|allow_private| {
        [false, true].into_iter().map(move |allow_local| AddressPolicy { allow_private, allow_local })
    })
}

/// A node at each place.
async fn nodes() -> Vec<ScriptedNode> {
    for place in &PLACES[..3] {
        namespace::system("ip", &["address", "add", &format!("{place}/32"), "dev", "lo"]);
    }
    join_all(PLACES.map(|place| ScriptedNode::start_on(SocketAddrV4::new(place, PORT), Script::default()))).await
}

/// Answers with the URL of the node at the address that ends the path, as a redirect or as a list.
async fn answer(uri: Uri) -> impl IntoResponse {
    let place = uri.path().rsplit('/').next().unwrap_or_default();
    let url = format!("tcp://{place}:{PORT}");
    match uri.path().starts_with("/redirect/") {
        true => (StatusCode::FOUND, [(header::LOCATION, url.clone())], url),
        false => (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain".to_owned())], url),
    }
}

/// A zone with a name, a TXT record and an SRV record for each place.
fn zone() -> Zone {
    let names = PLACES.map(|place| place.to_string().replace('.', "-"));
    let urls = PLACES.map(|place| format!("tcp://{place}:{PORT}"));
    let hosts = names.clone().map(|name| (format!("node-{name}.test"), format!("txt-{name}.test"), name));
    let mut records = Vec::new();
    for (((host, list, name), url), place) in hosts.iter().zip(&urls).zip(PLACES) {
        records.push((host.clone(), a(place.octets())));
        records.push((list.clone(), txt(&[url])));
        records.push((format!("_easytier._tcp.srv-{name}.test"), srv(1, 1, PORT, host)));
    }
    let zone = Zone::default();
    zone.set(60, records.iter().map(|(name, data)| (name.as_str(), data.clone())));
    zone
}

async fn checker(policy: AddressPolicy, zone: &Zone) -> Checker {
    let options = CheckOptions { addresses: policy, renew_after: RENEW_AFTER, ..options(LONG) };
    let name_server = name_server_of("127.0.0.1:0", zone.clone()).await;
    Checker::with_resolver(options, Resolver::with_name_servers(policy, &[name_server]))
}

/// Fails unless the check reached the node if it may, and was refused before it opened anything if it may not.
#[track_caller]
fn assert_reached(report: &CheckReport, is_permitted: bool, case: &str) {
    let expected = match is_permitted {
        true => (Status::Online, None),
        false => (report.result.status, Some(FailureCode::ForbiddenAddress)),
    };
    assert_eq!((report.result.status, report.result.error), expected, "{case}: {report:?}");
    assert_eq!(report.result.status == Status::Online, is_permitted, "{case}");
}

#[tokio::test]
async fn a_check_reaches_what_its_origin_and_this_probe_permit() {
    if !namespace::has_own("a_check_reaches_what_its_origin_and_this_probe_permit") {
        return;
    }
    let nodes = nodes().await;
    let web = TcpListener::bind((PUBLIC, WEB_PORT)).await.unwrap();
    tokio::spawn(async move { axum::serve(web, Router::new().fallback(answer)).await });
    let zone = zone();
    let mut expected = [0; PLACES.len()];
    for policy in policies() {
        let checker = &checker(policy, &zone).await;
        let mut checks = Vec::new();
        for (origin, way) in ORIGINS.into_iter().flat_map(|origin| Way::ALL.map(|way| (origin, way))) {
            for (nth, place) in PLACES.into_iter().enumerate() {
                let is_permitted = is_permitted(policy, origin, way, place);
                // Once on its own, and once as the first check of a session that stays open.
                expected[nth] += 2 * usize::from(is_permitted);
                let peer = Peer { origin, ..guest(way.url(place)) };
                checks.push(async move {
                    let case = format!("{policy:?} {origin:?} {way:?} {place}");
                    assert_reached(&checker.check(&peer).await, is_permitted, &case);
                    assert_reached(&checker.hold(peer).next(Instant::now()).await, is_permitted, &case);
                });
            }
        }
        join_all(checks).await;
    }
    let arrived: Vec<usize> = nodes.iter().map(|node| node.fake.arrived()).collect();
    assert_eq!(arrived, expected, "no connection is opened but those that are permitted");
}

#[tokio::test]
async fn a_session_is_renewed_at_a_permitted_address_only() {
    if !namespace::has_own("a_session_is_renewed_at_a_permitted_address_only") {
        return;
    }
    let nodes = nodes().await;
    let (mut zones, mut held, mut expected) = (Vec::new(), Vec::new(), [0; PLACES.len()]);
    for (policy, origin) in policies().flat_map(|policy| ORIGINS.map(|origin| (policy, origin))) {
        for (nth, place) in PLACES.into_iter().enumerate().skip(1) {
            let zone = Zone::default();
            zone.set(0, [("node.test", a(PUBLIC.octets()))]);
            let peer = Peer { origin, ..guest(format!("tcp://node.test:{PORT}")) };
            held.push(checker(policy, &zone).await.hold(peer));
            zones.push((zone, place));
            expected[nth] += usize::from(is_permitted(policy, origin, Way::Name, place));
        }
    }
    expected[0] = held.len();
    let opened = join_all(held.iter_mut().map(|held| held.next(Instant::now()))).await;
    opened.iter().for_each(|report| assert_reached(report, true, "the first address is public"));

    for (zone, place) in &zones {
        zone.set(0, [("node.test", a(place.octets()))]);
    }
    pause();
    advance(2 * RENEW_AFTER).await;
    resume();
    join_all(held.iter_mut().map(|held| held.next(Instant::now()))).await;
    let arrived: Vec<usize> = nodes.iter().map(|node| node.fake.arrived()).collect();
    assert_eq!(arrived, expected, "each session is renewed where it may be, and nowhere else");
}
