//! Commands on a hub elsewhere: `--hub` and API_KEY.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use super::{ClosedPort, assert_contains, printed, refusal, run, run_with, support::Hub, text};

/// A hub elsewhere, and a folder without a database.
struct Scene {
    elsewhere: tempfile::TempDir,
    here: tempfile::TempDir,
    hub: Hub,
}

impl Scene {
    fn new() -> Self {
        let elsewhere = tempfile::tempdir().unwrap();
        let hub = Hub::start(elsewhere.path());
        Self { elsewhere, here: tempfile::tempdir().unwrap(), hub }
    }

    /// A key of the hub elsewhere.
    fn key(&self, scopes: &[&str]) -> String {
        let mut args = vec!["hub", "key", "create", "--name", "desk"];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        printed(&run(self.elsewhere.path(), &args)).trim().to_owned()
    }

    fn run(&self, key: &str, args: &[&str]) -> Output {
        self.run_with(key, args, &[])
    }

    fn run_with(&self, key: &str, args: &[&str], more: &[(&str, &str)]) -> Output {
        let args: Vec<&str> = ["hub"].iter().chain(args).chain(&["--hub", &self.hub.url]).copied().collect();
        let variables: Vec<_> = [("API_KEY", key)].iter().chain(more).copied().collect();
        run_with(self.here.path(), &args, &variables, "")
    }
}

/// What both print: on the database, and by the API.
fn alike(scene: &Scene, key: &str, args: &[&str]) -> String {
    let there = printed(&scene.run(key, args));
    let here = printed(&run(scene.elsewhere.path(), &[&["hub"], args].concat()));
    assert_eq!(there, here, "{args:?}");
    there
}

#[test]
fn peers_of_a_hub_elsewhere_are_managed_as_those_of_a_database() {
    let scene = Scene::new();
    let key = scene.key(&["peers"]);
    assert_contains(&text(&scene.run(&key, &["peer", "list"]).stderr), &["there are no peers yet"]);
    let add = [
        "peer",
        "add",
        "https://node.example.net/list?x=1",
        "--name",
        "Shanghai 2",
        "--tag",
        "cn",
        "--region",
        "eu",
        "--description",
        "by 小明",
        "--timeout",
        "900ms",
        "--max-connections",
        "7",
        "--allow-relay",
        "--network-name",
        "home",
    ];
    let added = scene.run_with(&key, &add, &[("NETWORK_SECRET", "h0me-s3cret")]);
    assert_contains(&printed(&added), &["added peer 1: https://node.example.net:443/list", "(Shanghai 2)"]);
    printed(&scene.run(&key, &["peer", "add", "tcp://192.0.2.7:11010"]));
    assert_contains(&refusal(&scene.run(&key, &["peer", "add", "tcp://192.0.2.7:11010"])), &["409", "listed already"]);
    for args in [
        &["peer", "list"][..],
        &["peer", "list", "--json"],
        &["peer", "list", "--search", "shanghai"],
        &["peer", "show", "1"],
        &["peer", "show", "1", "--json"],
        &["peer", "show", "2", "--json"],
    ] {
        let shown = alike(&scene, &key, args);
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    let edit = ["peer", "edit", "1", "--name", "Beijing", "--no-tags", "--all-regions", "--timeout", "0s", "--guest"];
    assert_contains(
        &printed(&scene.run(&key, &edit)),
        &["changed peer 1: https://node.example.net:443/list", "(Beijing)"],
    );
    let shown: Value = serde_json::from_str(&alike(&scene, &key, &["peer", "show", "1", "--json"])).unwrap();
    let fields = ["name", "tags", "regions", "timeout_ms", "access", "description"].map(|field| &shown[field]);
    assert_eq!(fields, [&json!("Beijing"), &json!([]), &json!([]), &json!(null), &json!("guest"), &json!("by 小明")]);

    let submission =
        json!({ "name": "new", "host": "8.8.8.8", "port": 11010, "protocol": "tcp", "mail": "a@example.net" });
    assert_eq!(scene.hub.post("/api/nodes", &submission).0, 200);
    alike(&scene, &key, &["peer", "list", "--pending"]);
    assert_contains(&printed(&scene.run(&key, &["peer", "approve", "-1"])), &["approved submission -1: it is peer 3"]);
    assert_contains(
        &printed(&scene.run(&key, &["peer", "revoke", "3"])),
        &["revoked peer 3: tcp://8.8.8.8:11010 (new)"],
    );
    assert_contains(
        &refusal(&scene.run(&key, &["peer", "remove", "2", "9"])),
        &["there is no peer 9; no peer was removed"],
    );
    assert_eq!(printed(&scene.run(&key, &["peer", "remove", "2"])), "removed peer 2: tcp://192.0.2.7:11010\n");
    alike(&scene, &key, &["peer", "list"]);
    assert!(fs::read_dir(scene.here.path()).unwrap().next().is_none(), "no database is made here");
}

#[test]
fn probes_regions_events_and_the_status_are_read_elsewhere() {
    let scene = Scene::new();
    let (reads, nodes, audits) = (scene.key(&["read"]), scene.key(&["nodes"]), scene.key(&["audit"]));
    let token = printed(&run(scene.elsewhere.path(), &["hub", "token", "create", "--name", "p", "--region", "eu"]));
    let probe = [("BACKEND_BASE_URL", scene.hub.url.as_str()), ("NODE_TOKEN", token.trim()), ("SERVER_ID", "p")];
    printed(&run_with(scene.here.path(), &["once", "--fail-on", "never"], &probe, ""));
    alike(&scene, &reads, &["probe", "list"]);
    alike(&scene, &reads, &["probe", "list", "--json"]);
    alike(&scene, &nodes, &["region", "list", "--json"]);
    assert_eq!(
        printed(&scene.run(&nodes, &["region", "rename", "eu", "Europe / west"])),
        "renamed region 'eu' to 'Europe / west'\n"
    );
    assert_contains(&alike(&scene, &nodes, &["region", "list"]), &["Europe / west"]);
    assert_contains(&refusal(&scene.run(&nodes, &["region", "remove", "Europe / west"])), &["is not offline"]);
    assert_contains(&refusal(&scene.run(&nodes, &["region", "remove", "mars"])), &["there is no region 'mars'"]);
    assert_contains(&refusal(&scene.run(&nodes, &["probe", "remove", "p"])), &["409", "offline"]);
    assert_contains(&refusal(&scene.run(&nodes, &["probe", "remove", "q"])), &["there is no probe 'q'"]);
    assert_contains(&printed(&scene.run(&reads, &["status"])), &["role: standalone\n", "probes: ", "1 online"]);
    alike(&scene, &reads, &["status", "--json"]);
    let events = alike(&scene, &audits, &["events", "--of", "region"]);
    assert_contains(&events, &["region.change", "key desk"]);
    alike(&scene, &audits, &["events", "--kind", "change", "--limit", "3", "--json"]);
}

#[test]
fn a_file_is_applied_to_a_hub_elsewhere() {
    let scene = Scene::new();
    let key = scene.key(&["peers"]);
    let file = |name: &str, text: &str| fs::write(scene.here.path().join(name), text).unwrap();
    file(
        "peers.toml",
        "[[peers]]\nurl = \"tcp://192.0.2.7:11010\"\nnetwork_name = \"home\"\nnetwork_secret_file = \"secret\"",
    );
    file("secret", "h0me-s3cret\n");
    let planned = scene.run(&key, &["apply", "peers.toml", "--dry-run"]);
    assert_eq!(printed(&planned), "+ peer tcp://192.0.2.7:11010\n");
    assert_contains(&text(&planned.stderr), &["nothing was changed; without --dry-run: 1 to add"]);
    assert_eq!(printed(&scene.run(&key, &["apply", "peers.toml"])), "+ peer tcp://192.0.2.7:11010\n");
    assert_eq!(printed(&scene.run(&key, &["apply", "peers.toml", "--prune"])), "");
    let shown = alike(&scene, &key, &["peer", "show", "1"]);
    assert_contains(&shown, &["access: member", "network_name: home"]);
    file("wrong.toml", "[[peers]]\nurl = \"nonsense\"");
    let refused = refusal(&scene.run(&key, &["apply", "wrong.toml"]));
    assert_contains(&refused, &["nothing was changed: 'wrong.toml'", "peers 1: "]);
    file("more.toml", "[[maintenance]]\ntitle = \"a\"\nall = true\nstart = \"2031-01-31T02:00\"\nminutes = 5");
    assert_contains(&refusal(&scene.run(&key, &["apply", "more.toml"])), &["403", "for the admin"]);
}

#[test]
fn settings_are_changed_elsewhere() {
    let scene = Scene::new();
    let key = scene.key(&["settings"]);
    alike(&scene, &key, &["settings"]);
    let set = scene.run(&key, &["settings", "set", "RESULT_RETENTION", "720h"]);
    assert_eq!(printed(&set), "RESULT_RETENTION: 720h (was 168h)\n");
    alike(&scene, &key, &["settings", "--json"]);
    let refused = refusal(&scene.run(&key, &["settings", "set", "FLAP_DAMPING", "0"]));
    assert_contains(
        &refused,
        &["FLAP_DAMPING was not changed to '0'", "400", "value: write a whole number from 1 to 100"],
    );
    let reset = scene.run(&key, &["settings", "reset", "RESULT_RETENTION"]);
    assert_eq!(printed(&reset), "RESULT_RETENTION: 168h (was 720h)\n");
}

#[test]
fn what_is_missing_for_a_hub_elsewhere_is_said() {
    let scene = Scene::new();
    let here: &Path = scene.here.path();
    let list = ["hub", "peer", "list", "--hub", &scene.hub.url];
    assert_contains(&refusal(&run(here, &list)), &["API_KEY is missing", "hub key create"]);
    assert_contains(&refusal(&scene.run("wrong", &["peer", "list"])), &["401", "the scope 'peers'"]);
    let reads = scene.key(&["read"]);
    let refused = refusal(&scene.run(&reads, &["peer", "list"]));
    assert_contains(&refused, &["403", "the API key has no scope 'peers'"]);
    assert!(!refused.contains(&reads), "{refused}");
    let closed = ClosedPort::new();
    let nobody = ["hub", "peer", "list", "--hub", &closed.url("http")];
    assert_contains(&refusal(&run_with(here, &nobody, &[("API_KEY", "x")], "")), &["does not answer"]);
    // What needs the database says so.
    for command in [&["peer", "import", "-"][..], &["key", "list"], &["backup", "x"]] {
        let refused = refusal(&scene.run(&reads, command));
        assert_contains(&refused, &["unexpected argument '--hub'"]);
    }
}
