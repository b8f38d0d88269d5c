//! `hub peer test`.

use easytier_probe::Scheme;
use serde_json::Value;

use super::{
    ClosedPort, NodeOptions, PROGRAM, assert_contains, folder_of_hub, printed, refusal, run, run_with, support::Hub,
    text,
};

#[test]
fn a_peer_is_checked_from_here_with_what_the_hub_knows_and_nothing_is_stored() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let (url, closed) = (node.url(Scheme::Tcp).to_string(), ClosedPort::new());
    let folder = folder_of_hub();
    let peer = |args: &[&str]| run(folder.path(), &[&["hub", "peer"], args].concat());
    let network = ["hub", "peer", "add", &url, "--network-name", "test-network"];
    printed(&run_with(folder.path(), &network, &[("NETWORK_SECRET", "test-secret")], ""));
    printed(&peer(&["add", &closed.url("tcp"), "--name", "dead"]));

    let by_id = peer(&["test", "1", "--json"]);
    let checked: Value = serde_json::from_str(&printed(&by_id)).unwrap();
    assert_eq!((&checked[0]["status"], &checked[0]["stage"]), (&"Online".into(), &"route".into()), "{checked}");
    // A guest would not learn that the secret is right.
    let wrong = ["hub", "peer", "edit", "1", "--network-name", "test-network"];
    printed(&run_with(folder.path(), &wrong, &[("NETWORK_SECRET", "wr0ng-s3cret")], ""));
    let refused = peer(&["test", &url]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert_contains(&text(&refused.stdout), &["offline", "another secret [secret_mismatch]"]);
    assert!(!text(&refused.stdout).contains("wr0ng-s3cret"));

    let dead = peer(&["test", "2"]);
    assert_eq!(dead.status.code(), Some(1));
    assert_contains(&text(&dead.stdout), &["STATUS", "offline", "dead", "connect_refused"]);
    let nobody = ClosedPort::new();
    assert_eq!(
        peer(&["test", &nobody.url("tcp")]).status.code(),
        Some(1),
        "a URL that is no peer is checked as a guest"
    );

    let hub = Hub::start(folder.path());
    let (_, records) = hub.get("/api/nodes/1/health", &[]);
    assert_eq!(records["data"]["total"], 0, "{records}");
    assert_contains(&refusal(&peer(&["test", "9"])), &["there is no peer 9"]);
    assert_contains(&refusal(&peer(&["test", "nonsense"])), &["has no scheme"]);
}

#[test]
fn a_url_of_several_peers_names_them() {
    let folder = folder_of_hub();
    for name in ["home", "office"] {
        let add = ["hub", "peer", "add", "tcp://192.0.2.7:11010", "--network-name", name];
        printed(&run_with(folder.path(), &add, &[("NETWORK_SECRET", "s")], ""));
    }
    let refused = refusal(&run(folder.path(), &["hub", "peer", "test", "tcp://192.0.2.7:11010"]));
    assert_contains(&refused, &["several peers have this URL", "1, 2"]);
}
