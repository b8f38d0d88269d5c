//! `hub region`.

use serde_json::{Value, json};

use super::{assert_contains, folder_of_hub, printed, refusal, run, run_with, support::Hub, text};

#[test]
fn a_region_is_listed_renamed_and_removed() {
    let folder = folder_of_hub();
    let region = |args: &[&str]| run(folder.path(), &[&["hub", "region"], args].concat());
    assert_contains(&text(&region(&["list"]).stderr), &["no regions yet"]);
    let token = printed(&run(folder.path(), &["hub", "token", "create", "--name", "p", "--region", "eu"]));
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010", "--region", "eu"]));
    printed(&run(folder.path(), &["hub", "token", "create", "--name", "q", "--region", "asia"]));
    let list = || -> Value { serde_json::from_str(&printed(&region(&["list", "--json"]))).unwrap() };
    let of = |name: &str, peers: u64| {
        json!({
            "name": name, "probes": 1, "node_tokens": 1, "enrollment_keys": 0, "named_by_peers": peers, "checked_peers": 0,
        })
    };
    assert_eq!(list(), json!([of("asia", 0), of("eu", 1)]));

    assert_contains(&refusal(&region(&["rename", "eu", "asia"])), &["another region has this name"]);
    assert_contains(&refusal(&region(&["rename", "mars", "moon"])), &["there is no region 'mars'"]);
    let renamed = region(&["rename", "eu", "europe"]);
    assert_eq!(printed(&renamed), "renamed region 'eu' to 'europe'\n");
    assert_contains(&text(&renamed.stderr), &["REGION=eu", "REGION=europe"]);
    assert_eq!(list(), json!([of("asia", 0), of("europe", 1)]));
    assert_contains(&printed(&region(&["list"])), &["REGION", "TOKENS", "europe"]);
    assert_contains(&printed(&run(folder.path(), &["hub", "peer", "show", "1"])), &["regions: europe"]);

    // A probe that is configured with the former name works on.
    let hub = Hub::start(folder.path());
    for (name, exit) in [("eu", 0), ("europe", 0), ("asia", 2)] {
        let probe = [
            ("BACKEND_BASE_URL", hub.url.as_str()),
            ("NODE_TOKEN", token.trim()),
            ("SERVER_ID", "p"),
            ("REGION", name),
            ("HEALTH_CHECK_TIMEOUT", "100ms"),
        ];
        let once = run_with(folder.path(), &["once", "--fail-on", "never"], &probe, "");
        assert_eq!(once.status.code(), Some(exit), "{name}: {}", text(&once.stderr));
    }
    assert_contains(&refusal(&region(&["remove", "europe"])), &["is not offline"]);
    assert_contains(&refusal(&region(&["remove", "asia"])), &["revoke them first"]);
    printed(&run(folder.path(), &["hub", "token", "revoke", "2"]));
    assert_eq!(printed(&region(&["remove", "asia"])), "removed region 'asia'\n");
    assert_eq!(list().as_array().unwrap().len(), 1);
    let events = printed(&run(folder.path(), &["hub", "events", "--of", "region"]));
    assert_contains(&events, &["region.change", "was eu", "region.remove"]);
}
