//! `hub peer show|edit|revoke` and `hub status`.

use serde_json::Value;

use super::{assert_contains, folder_of_hub, printed, refusal, run, run_with, text};

#[test]
fn a_peer_is_shown_edited_and_revoked() {
    let folder = folder_of_hub();
    let peer = |args: &[&str]| run(folder.path(), &[&["hub", "peer"], args].concat());
    printed(&peer(&["add", "tcp://192.0.2.7:11010", "--tag", "old", "--region", "eu"]));
    let edit = [
        "edit",
        "1",
        "--name",
        "Shanghai",
        "--tag",
        "cn",
        "--all-regions",
        "--timeout",
        "900ms",
        "--allow-relay",
        "true",
    ];
    assert_eq!(printed(&peer(&edit)), "changed peer 1: tcp://192.0.2.7:11010 (Shanghai)\n");
    let network = &["hub", "peer", "edit", "1", "--network-name", "home"];
    printed(&run_with(folder.path(), network, &[("NETWORK_SECRET", "h0me-s3cret")], ""));
    let shown: Value = serde_json::from_str(&printed(&peer(&["show", "1", "--json"]))).unwrap();
    for (field, value) in [
        ("name", "\"Shanghai\""),
        ("tags", "[\"cn\"]"),
        ("regions", "[]"),
        ("timeout_ms", "900"),
        ("allow_relay", "true"),
        ("access", "\"member\""),
        ("network_name", "\"home\""),
        ("is_approved", "true"),
    ] {
        assert_eq!(shown[field].to_string(), value, "{field}");
    }
    let lines = peer(&["show", "1"]);
    assert_contains(&printed(&lines), &["name: Shanghai\n", "tags: cn\n", "url: tcp://192.0.2.7:11010\n"]);
    assert!(!format!("{shown}{}", printed(&lines)).contains("s3cret"), "{shown}");

    printed(&peer(&["edit", "1", "--guest", "--no-tags"]));
    let shown = printed(&peer(&["show", "1"]));
    assert!(shown.contains("access: guest") && !shown.contains("tags:"), "{shown}");
    assert_eq!(printed(&peer(&["revoke", "1"])), "revoked peer 1: tcp://192.0.2.7:11010 (Shanghai)\n");
    assert_contains(&printed(&peer(&["show", "1"])), &["is_approved: false"]);
    assert_contains(&refusal(&peer(&["edit", "9", "--name", "x"])), &["there is no peer 9"]);
    assert_contains(&refusal(&peer(&["edit", "1", "--name", " "])), &["name: it is empty"]);
    assert_contains(&refusal(&peer(&["edit", "1", "--check", "deep"])), &["write full or handshake"]);
}

#[test]
fn the_status_counts_what_there_is() {
    let folder = folder_of_hub();
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010"]));
    let status = run(folder.path(), &["hub", "status"]);
    assert_contains(
        &printed(&status),
        &["role: standalone\n", "nodes: 0 await approval, ", "1 unknown", "0 wrong now"],
    );
    assert_eq!(text(&status.stderr), "");
    let status: Value = serde_json::from_str(&printed(&run(folder.path(), &["hub", "status", "--json"]))).unwrap();
    assert_eq!((&status["nodes"]["unknown"], &status["results"]["waiting"]), (&1.into(), &0.into()));
}
