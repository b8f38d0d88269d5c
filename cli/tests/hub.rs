//! The command line of the hub: from an empty folder to peers that are online, and all commands of the operator.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/closed_port.rs"]
mod closed_port;
#[path = "../../tests/support/node.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod node;
#[path = "../../store/tests/support/postgres.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod postgres;
#[path = "support/hub.rs"]
mod support;

#[path = "hub/alerts.rs"]
mod alerts;
#[path = "hub/apply.rs"]
mod apply;
#[path = "hub/database.rs"]
mod database;
#[path = "hub/doctor.rs"]
mod doctor;
#[path = "hub/events.rs"]
mod events;
#[path = "hub/incident.rs"]
mod incident;
#[path = "hub/maintenance.rs"]
mod maintenance;
#[path = "hub/peer_edit.rs"]
mod peer_edit;
#[path = "hub/peer_test.rs"]
mod peer_test;
#[path = "hub/proxy.rs"]
mod proxy;
#[path = "hub/region.rs"]
mod region;
#[path = "hub/remote.rs"]
mod remote;
#[path = "hub/role.rs"]
mod role;
#[path = "hub/source.rs"]
mod source;
#[path = "hub/subscriptions.rs"]
mod subscriptions;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    process::Output,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    http::{StatusCode, Uri},
    routing::get,
};
use closed_port::ClosedPort;
use easytier_probe::Scheme;
use node::NodeOptions;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Hub, PROGRAM, printed, run, run_with, text};
use tempfile::TempDir;

/// The error text of a command that was refused with exit code 2 and printed nothing to standard output.
#[track_caller]
fn refusal(output: &Output) -> String {
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

/// The public list, by name, once it is as wanted.
fn public_list(hub: &Hub, is_wanted: impl Fn(&BTreeMap<String, Value>) -> bool) -> BTreeMap<String, Value> {
    support::eventually(|| public_list_now(hub), is_wanted)
}

fn public_list_now(hub: &Hub) -> BTreeMap<String, Value> {
    let (status, answer) = hub.get("/api/nodes?per_page=100", &[]);
    assert_eq!(status, 200, "{answer}");
    let items = answer["data"]["items"].as_array().unwrap().clone();
    items.into_iter().map(|item| (item["name"].as_str().unwrap().to_owned(), item)).collect()
}

/// A folder with the database of a hub.
fn folder_of_hub() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    Hub::start(folder.path()).stop();
    folder
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn starts_in_an_empty_folder_and_prints_its_address_first() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    assert!(hub.url.starts_with("http://127.0.0.1:"), "{}", hub.url);
    assert_eq!(hub.get("/api/nodes", &[]).0, 200);

    let database = folder.path().join("uptime.db");
    assert_eq!((mode(&database), mode(&folder.path().join("uptime.db.key"))), (0o600, 0o600));
    let stdout = hub.stop();
    assert_contains(&stdout, &["admin password: ", "'uptime.db'", "'uptime.db.key'", "hub token create"]);
}

#[test]
fn a_hub_may_open_as_many_files_as_the_system_allows() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -S -n 256 && exec \"$0\" hub", PROGRAM]).current_dir(folder.path());
    shell.env_clear().envs([("SERVER_PORT", "0"), ("RUST_LOG", "debug")]);
    let mut hub = Hub::of(&mut shell);
    let limits = fs::read_to_string(format!("/proc/{}/limits", hub.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [.., soft, hard, _] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert!(soft == hard && soft != "256", "{line}");
    hub.await_log(&format!("limit={soft}"));
}

#[test]
fn a_second_start_keeps_the_data_and_prints_no_password() {
    let folder = folder_of_hub();
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010", "--name", "kept"]));

    let hub = Hub::start(folder.path());
    assert_eq!(public_list(&hub, |list| !list.is_empty()).keys().collect::<Vec<_>>(), ["kept"]);
    assert_eq!(hub.stop(), "", "only the address is printed");
}

#[test]
fn once_reports_to_the_hub_and_the_public_list_shows_the_results() {
    let nodes = ["a", "b"].map(|name| {
        let options = NodeOptions { hostname: Some(name.to_owned()), ..NodeOptions::listening_on(&[Scheme::Tcp]) };
        options.start(PROGRAM)
    });
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let add = |url: &str, args: &[&str], variables: &[(&str, &str)]| {
        let args: Vec<&str> = ["hub", "peer", "add", url].iter().chain(args).copied().collect();
        printed(&run_with(folder.path(), &args, variables, ""))
    };
    let [guest, member] = nodes.each_ref().map(|node| node.url(Scheme::Tcp).to_string());
    assert_eq!(add(&guest, &["--name", "guest", "--tag", "x"], &[]), format!("added peer 1: {guest} (guest)\n"));
    let network = ["--name", "member", "--network-name", "test-network"];
    let said = add(&member, &network, &[("NETWORK_SECRET", "test-secret")]);
    assert!(!said.contains("test-secret"), "{said}");
    let dead = ClosedPort::new();
    add(&dead.url("tcp"), &["--name", "dead"], &[]);

    let token = printed(&run(folder.path(), &["hub", "token", "create", "--name", "probe-1"]));
    let probe = [
        ("BACKEND_BASE_URL", hub.url.as_str()),
        ("NODE_TOKEN", token.trim()),
        ("SERVER_ID", "probe-1"),
        ("ALLOW_LOCAL_PEERS", "true"),
    ];
    let once = run_with(folder.path(), &["once", "--fail-on", "never"], &probe, "");
    printed(&once);

    let listed = public_list(&hub, |list| {
        list.len() == 3 && list.values().all(|node| node["current_health_status"] != "unknown")
    });
    for name in ["guest", "member"] {
        let node = &listed[name];
        assert_eq!(node["current_health_status"], "healthy", "{node}");
        assert!(node["version"].as_str().unwrap().starts_with("2."), "{node}");
        assert!(node["last_response_time"].as_i64().unwrap() > 0, "{node}");
        assert_eq!(node["network_secret"], Value::Null);
    }
    assert_eq!(listed["dead"]["current_health_status"], "unhealthy", "{}", listed["dead"]);

    let table = printed(&run(folder.path(), &["hub", "peer", "list"]));
    assert_contains(&table, &["STATUS", "up", "down", "guest", "test-network"]);
    assert!(!table.contains("test-secret"));

    assert_contains(&printed(&run(folder.path(), &["hub", "probe", "list"])), &["STATUS", "probe-1", "online"]);
    let there = refusal(&run(folder.path(), &["hub", "probe", "remove", "probe-1"]));
    assert_contains(&there, &["'probe-1' is still online"]);
}

#[test]
fn a_token_is_printed_alone_and_its_revocation_takes_effect_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let token = printed(&run(folder.path(), &["hub", "token", "create", "--name", "p", "--region", "eu"]));
    assert!(token.starts_with("etn_") && token.ends_with('\n') && token.split_whitespace().count() == 1, "{token:?}");
    let answer = || hub.get("/peers", &[("x-node-token", token.trim())]).0;
    assert_eq!(answer(), 200);

    let list = printed(&run(folder.path(), &["hub", "token", "list"]));
    assert_contains(&list, &["eu", "p"]);
    assert!(!list.contains(token.trim()));
    let missing = refusal(&run(folder.path(), &["hub", "token", "revoke", "1", "77"]));
    assert_contains(&missing, &["there is no token 77", "nothing was revoked"]);
    assert_eq!(answer(), 200);
    printed(&run(folder.path(), &["hub", "token", "revoke", "1"]));
    assert_eq!(answer(), 401);
    assert_contains(&printed(&run(folder.path(), &["hub", "token", "revoke", "1"])), &["revoked before"]);
    let list: Value = serde_json::from_str(&printed(&run(folder.path(), &["hub", "token", "list", "--json"]))).unwrap();
    assert!(list[0]["revoked_at"].is_string() && list[0].get("token").is_none(), "{list}");

    let elsewhere = refusal(&run(folder.path(), &["hub", "token", "create", "--name", "p", "--region", "us"]));
    assert_contains(&elsewhere, &["'p' is in another region than 'us'"]);

    assert_contains(&refusal(&run(folder.path(), &["hub", "probe", "remove", "q"])), &["there is no probe 'q'"]);
    printed(&run(folder.path(), &["hub", "probe", "remove", "p"]));
    printed(&run(folder.path(), &["hub", "token", "create", "--name", "p", "--region", "us"]));
}

#[test]
fn keys_and_enrollment_keys_are_created_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let key = printed(&run(folder.path(), &["hub", "key", "create", "--name", "launcher"]));
    let answer = || hub.get("/peers", &[("x-api-key", key.trim())]).0;
    assert_eq!(answer(), 200);
    printed(&run(folder.path(), &["hub", "key", "revoke", "1"]));
    assert_eq!(answer(), 401);

    let enroll = printed(&run(folder.path(), &["hub", "enroll", "create", "--name", "fleet", "--region", "eu"]));
    assert!(enroll.starts_with("ete_"), "{enroll}");
    assert_contains(
        &printed(&run(folder.path(), &["hub", "enroll", "list"])),
        &["fleet", "eu", "0 of 10", "valid until"],
    );
    printed(&run(folder.path(), &["hub", "enroll", "revoke", "2"]));
    assert_contains(&printed(&run(folder.path(), &["hub", "enroll", "list"])), &["revoked"]);
    // An id belongs to one kind of credential.
    assert_contains(&refusal(&run(folder.path(), &["hub", "token", "revoke", "2"])), &["there is no token 2"]);
}

#[test]
fn an_enrollment_key_has_limits_unless_they_are_lifted() {
    let folder = folder_of_hub();
    let create =
        |options: &[&str]| run(folder.path(), &[&["hub", "enroll", "create", "--name", "fleet"], options].concat());
    assert_contains(&refusal(&create(&[])), &["--region"]);
    assert_contains(&refusal(&create(&["--region", "eu", "--any-region"])), &["--any-region"]);
    assert_contains(&refusal(&create(&["--region", "eu", "--uses", "0"])), &["unlimited"]);
    assert_contains(&refusal(&create(&["--region", "eu", "--expires", "0"])), &["never"]);
    printed(&create(&["--region", "eu"]));
    printed(&create(&["--any-region", "--uses", "unlimited", "--expires", "never"]));
    printed(&create(&["--region", "eu", "--uses", "2", "--expires", "1ms"]));
    let list = || -> Vec<Value> {
        serde_json::from_str(&printed(&run(folder.path(), &["hub", "enroll", "list", "--json"]))).unwrap()
    };
    let [usual, lifted, short] = &list()[..] else { panic!("{:?}", list()) };
    let time = |key: &Value, name: &str| key[name].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!((&usual["region"], &usual["uses"], &usual["max_uses"]), (&json!("eu"), &json!(0), &json!(10)));
    assert_eq!(time(usual, "expires_at") - time(usual, "created_at"), chrono::TimeDelta::days(7));
    assert_eq!(
        (&lifted["region"], &lifted["max_uses"], &lifted["expires_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(short["max_uses"], 2);
    assert_contains(&printed(&run(folder.path(), &["hub", "enroll", "list"])), &["expired", "valid until"]);
}

#[test]
fn a_key_has_the_scopes_that_it_was_made_with() {
    let folder = folder_of_hub();
    let create = |options: &[&str]| run(folder.path(), &[&["hub", "key", "create", "--name", "k"], options].concat());
    printed(&create(&[]));
    printed(&create(&["--scope", "instances"]));
    printed(&create(&["--scope", "instances", "--scope", "read"]));
    assert_contains(&refusal(&create(&["--scope", "everything"])), &["write read or instances"]);
    let list: Value = serde_json::from_str(&printed(&run(folder.path(), &["hub", "key", "list", "--json"]))).unwrap();
    let scopes: Vec<&Value> = list.as_array().unwrap().iter().map(|key| &key["scopes"]).collect();
    assert_eq!(scopes, [&json!(["read"]), &json!(["instances"]), &json!(["read", "instances"])]);
    assert_contains(&printed(&run(folder.path(), &["hub", "key", "list"])), &["SCOPES", "read, instances"]);
}

#[test]
fn a_peer_that_is_not_set_aside_cannot_be_watched_again() {
    let folder = folder_of_hub();
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7"]));
    let refused = refusal(&run(folder.path(), &["hub", "peer", "watch", "1"]));
    assert_contains(&refused, &["peer 1 is not set aside", "hub peer list"]);
    assert_contains(&refusal(&run(folder.path(), &["hub", "peer", "watch", "9"])), &["no peer 9"]);
}

#[test]
fn peers_are_removed_by_id_or_none_is() {
    let folder = folder_of_hub();
    for url in ["tcp://192.0.2.7", "tcp://192.0.2.8"] {
        printed(&run(folder.path(), &["hub", "peer", "add", url]));
    }
    let twice = refusal(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010"]));
    assert_contains(&twice, &["tcp://192.0.2.7:11010 is listed already"]);
    assert_contains(
        &refusal(&run(folder.path(), &["hub", "peer", "remove", "1", "9"])),
        &["no peer 9", "no peer was removed"],
    );
    printed(&run(folder.path(), &["hub", "peer", "remove", "1"]));
    let list: Value = serde_json::from_str(&printed(&run(folder.path(), &["hub", "peer", "list", "--json"]))).unwrap();
    assert_eq!(list.as_array().unwrap().iter().map(|peer| &peer["id"]).collect::<Vec<_>>(), [2]);
}

/// Peers that have all fields between them.
fn everything() -> Value {
    json!([
        {"url": "tcp://192.0.2.7:11010", "name": "a, \"quoted\"\nname", "tags": ["cn", "a;b"], "regions": ["eu", "us"],
         "network_name": "home", "network_secret": "s3cr3t ", "allow_relay": true, "max_connections": 7,
         "description": "=1+1", "timeout_ms": 2500, "mail": "a@example.com", "qq_number": "1", "wechat": "w"},
        {"url": "udp://[2001:db8::1]:11010", "name": "open network", "network_secret": "", "check": "handshake"},
        {"url": "ws://node.example.net:80/path?x=1"},
        {"url": "srv://example.net", "is_approved": false, "mail": "b@example.com"},
        {"host": "192.0.2.9", "port": 11010, "submitted": true, "name": "=HYPERLINK(\"http://example.com\")",
         "description": "@sum", "mail": "+a@example.com", "wechat": "'-2+3", "tags": ["-t", "@u"]}
    ])
}

/// An export without the ids.
fn exported(folder: &Path) -> Vec<Value> {
    let text = printed(&run(folder, &["hub", "peer", "export", "--with-secrets"]));
    let mut peers: Vec<Value> = serde_json::from_str(&text).unwrap();
    for peer in &mut peers {
        peer.as_object_mut().unwrap().remove("id");
    }
    peers.sort_by_key(|peer| peer["url"].to_string());
    peers
}

#[test]
fn an_export_can_be_imported_into_another_hub_unchanged() {
    let [from, json, csv] = [(); 3].map(|()| folder_of_hub());
    let stdin = everything().to_string();
    let said = printed(&run_with(from.path(), &["hub", "peer", "import", "-"], &[], &stdin));
    assert_eq!(said, "imported 5 peers, 1 of them not approved; 0 listed already\n");
    let original = exported(from.path());
    assert_eq!(original.iter().filter(|peer| peer["network_secret"] == "s3cr3t ").count(), 1, "{original:#?}");

    for (format, to) in [("json", &json), ("csv", &csv)] {
        let file = to.path().join("peers");
        fs::write(&file, "was open to others before").unwrap();
        let path = file.to_str().unwrap();
        let args = ["hub", "peer", "export", "--with-secrets", "--format", format, "--output", path];
        let export = run(from.path(), &args);
        assert_contains(&text(&export.stderr), &["warning: the export holds the secrets of 2 networks"]);
        assert_eq!((mode(&file), printed(&export)), (0o600, String::new()));
        if format == "csv" {
            let table = fs::read_to_string(&file).unwrap();
            let cells = [",'=1+1,", ",\"'=HYPERLINK(", ",'@sum,", ",\"'-t,@u\",", ",''-2+3,", ",'+a@example.com,"];
            assert_contains(&table, &cells);
        }
        printed(&run(to.path(), &["hub", "peer", "import", path]));
        assert_eq!(exported(to.path()), original, "{format}");
        let again = printed(&run(to.path(), &["hub", "peer", "import", path]));
        assert_eq!(again, "imported 0 peers; 5 listed already\n");
    }
}

#[test]
fn an_import_refuses_members_without_their_secret() {
    let [from, to] = [(); 2].map(|()| folder_of_hub());
    printed(&run_with(from.path(), &["hub", "peer", "import", "-"], &[], &everything().to_string()));
    for format in ["json", "csv"] {
        let export = run(from.path(), &["hub", "peer", "export", "--format", format]);
        let stdout = printed(&export);
        assert!(!stdout.contains("s3cr3t"), "{stdout}");
        assert_contains(&text(&export.stderr), &["2 peers are left out"]);
        let import = refusal(&run_with(to.path(), &["hub", "peer", "import", "-"], &[], &stdout));
        assert_contains(&import, &["nothing was imported", "2 of 5 peers", "--with-secrets"]);
        assert!(exported(to.path()).is_empty());
    }
}

#[test]
fn all_mistakes_in_an_import_are_reported_and_nothing_is_imported() {
    let folder = folder_of_hub();
    let list = json!(["tcp://192.0.2.7", "192.0.2.8", {"name": "lost"}, {"host": "h", "port": 1, "tags": ["a,b"]}, 5]);
    let import = |args: &[&str], stdin: &str| {
        let args: Vec<&str> = ["hub", "peer", "import", "-"].iter().chain(args).copied().collect();
        run_with(folder.path(), &args, &[], stdin)
    };
    let refused = refusal(&import(&[], &list.to_string()));
    let problems =
        ["4 of 5 peers", "peer 2 ('192.0.2.8'): ", "no scheme", "peer 3 ('lost'): ", "peer 4", "'a,b'", "peer 5: "];
    assert_contains(&refused, &problems);
    assert!(exported(folder.path()).is_empty());

    let csv = "url,max_connections\ntcp://192.0.2.7,many\ntcp://192.0.2.8,5\n,\n";
    assert_contains(
        &refusal(&import(&[], csv)),
        &["line 2 ('tcp://192.0.2.7'): its 'max_connections' must", "line 4: "],
    );
    assert_contains(&refusal(&import(&[], "name\nx\n")), &["first line must name the columns"]);
    assert_contains(&refusal(&import(&[], "{")), &["standard input is not JSON"]);
    assert_contains(&refusal(&import(&[], "[]")), &["nothing to import"]);

    let unspoken = json!(["faketcp://192.0.2.7:11013", {"protocol": "unix", "host": "h", "port": 1}]);
    assert_contains(&refusal(&import(&[], &unspoken.to_string())), &["protocol 'faketcp' is", "protocol 'unix' is"]);
    let add = refusal(&run(folder.path(), &["hub", "peer", "add", "faketcp://192.0.2.7:11013"]));
    assert_contains(&add, &["protocol 'faketcp' is not supported"]);
    for secret in ["4711", "[4711]", "\"4711"] {
        let toml = format!("[[ peers ]] # mine\nurl = \"tcp://192.0.2.7\"\nnetwork_secret = {secret}\n");
        let json = format!(r#"[{{"url": "tcp://192.0.2.7", "network_secret": {secret}}}]"#);
        for list in [toml, json] {
            let refused = refusal(&import(&[], &list));
            assert!(!refused.contains("4711"), "{refused}");
        }
    }
    let of_place = refusal(&import(&[], r#"["tcp://u:4711@192.0.2.7?t=4711"]"#));
    assert_contains(&of_place, &["peer 1 ('tcp://192.0.2.7'): ", "no user name or password"]);

    let masked = refusal(&run(folder.path(), &["hub", "peer", "add", "tcp://***.***.***.***:14947"]));
    assert_contains(&masked, &["is masked"]);
    let hidden = json!([{"host": "", "port": null, "address": ""}, {"host": "****", "port": 1, "is_approved": true}]);
    let hidden = refusal(&import(&["--skip-invalid"], &hidden.to_string()));
    assert_contains(&hidden, &["standard input is a list that hides its addresses: not one of its 2 peers"]);
    let page = json!({"data": {"items": ["tcp://192.0.2.7"], "total": 500, "page": 1, "total_pages": 25}});
    assert_contains(&refusal(&import(&["--skip-invalid"], &page.to_string())), &["is page 1 of 25, with 1 of 500"]);

    let skipped = import(&["--skip-invalid"], &list.to_string());
    assert_contains(&text(&skipped.stderr), &["warning: skipped 4 peers", "no scheme"]);
    assert_eq!(printed(&skipped), "imported 1 peer; 0 listed already\n");
    printed(&import(&[], "# mine\nudp://192.0.2.9  # the other\n"));
    assert_eq!(exported(folder.path()).len(), 2);
}

/// An export of another hub as an import by URL stores it.
fn as_a_strangers(mut peers: Vec<Value>) -> Vec<Value> {
    for peer in &mut peers {
        peer["submitted"] = true.into();
    }
    peers
}

#[test]
fn the_peers_of_a_running_hub_are_imported_by_its_url() {
    let [from, to, own] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let hub = Hub::start(from.path());
    for (url, name) in [("tcp://192.0.2.7", "a"), ("ws://192.0.2.8/path", "b"), ("srv://example.net", "c")] {
        printed(&run(from.path(), &["hub", "peer", "add", url, "--name", name, "--tag", "t"]));
    }
    Hub::start(to.path()).stop();
    assert_eq!(public_list(&hub, |list| list.len() == 3).len(), 3);
    let preview = run(to.path(), &["hub", "peer", "import", "--dry-run", &hub.url]);
    assert_contains(&printed(&preview), &["new", "public only", "tcp://192.0.2.7:11010", "srv://example.net"]);
    assert_contains(&text(&preview.stderr), &["nothing was imported", "3 peers would be added"]);
    assert!(exported(to.path()).is_empty());
    let said = printed(&run(to.path(), &["hub", "peer", "import", &hub.url]));
    assert_eq!(said, "imported 3 peers; 0 listed already\n");
    assert_eq!(exported(to.path()), as_a_strangers(exported(from.path())), "their addresses are the site's choice");

    Hub::start(own.path()).stop();
    printed(&run(own.path(), &["hub", "peer", "import", "--trust", &hub.url]));
    assert_eq!(exported(own.path()), exported(from.path()));
}

#[test]
fn submissions_are_listed_approved_and_rejected_by_their_negative_ids() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.1"]));
    for host in ["a.example.net", "b.example.net"] {
        let node = json!({"name": host, "host": host, "mail": "owner@example.net"});
        assert_eq!(hub.post("/api/nodes", &node).0, 200);
    }
    let ids = |args: &[&str]| {
        let args: Vec<&str> = ["hub", "peer", "list", "--json"].iter().chain(args).copied().collect();
        let list: Value = serde_json::from_str(&printed(&run(folder.path(), &args))).unwrap();
        list.as_array().unwrap().iter().map(|peer| peer["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&[]), ids(&["--pending"])), (vec![1, -1, -2], vec![-1, -2]));
    assert_contains(&printed(&run(folder.path(), &["hub", "peer", "list"])), &["pending", "tcp://a.example.net:11010"]);
    let approved = printed(&run(folder.path(), &["hub", "peer", "approve", "-1"]));
    assert_eq!(approved, "approved submission -1: it is peer 2: tcp://a.example.net:11010 (a.example.net)\n");
    let rejected = printed(&run(folder.path(), &["hub", "peer", "remove", "-2"]));
    assert_contains(&rejected, &["rejected submission -2: tcp://b.example.net:11010"]);
    assert_eq!(ids(&[]), [1, 2]);
    assert_contains(&refusal(&run(folder.path(), &["hub", "peer", "approve", "-2"])), &["there is no peer -2"]);
}

#[test]
fn all_submissions_are_rejected_or_approved_at_once_after_a_confirmation() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://a.example.net:11010"]));
    let submit = |host: &str| {
        let node = json!({"name": host, "host": host, "mail": "owner@example.net"});
        assert_eq!(hub.post("/api/nodes", &node).0, 200);
    };
    let peer = |args: &[&str]| run(folder.path(), &[&["hub", "peer"], args].concat());
    let pending = || {
        let list: Vec<Value> = serde_json::from_str(&printed(&peer(&["list", "--json", "--pending"]))).unwrap();
        list.iter().map(|one| one["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    submit("a.example.net");
    submit("b.example.net");
    let unconfirmed = refusal(&peer(&["reject", "--all"]));
    assert_contains(&unconfirmed, &["nothing was rejected: 2 submissions are waiting", "pass --yes to reject all"]);
    assert_contains(&refusal(&peer(&["reject", "-1", "1"])), &["1 is no submission", "nothing was rejected"]);
    assert_eq!(pending(), [-1, -2]);

    let approved = peer(&["approve", "--all", "--yes"]);
    assert_eq!(printed(&approved), "approved submission -2: it is peer 2: tcp://b.example.net:11010 (b.example.net)\n");
    assert_contains(&text(&approved.stderr), &["submission -1 is a peer already, and goes on waiting"]);
    assert_eq!(pending(), [-1]);

    submit("c.example.net");
    submit("d.example.net");
    assert_contains(&printed(&peer(&["reject", "-3"])), &["rejected submission -3: tcp://c.example.net:11010"]);
    let rejected = printed(&peer(&["reject", "--all", "--yes"]));
    assert_contains(&rejected, &["rejected submission -1: tcp://a.example.net:11010", "rejected submission -4"]);
    assert_eq!(pending(), [0; 0]);
    assert_contains(&text(&peer(&["reject", "--all", "--yes"]).stderr), &["no submission waits"]);
    assert_eq!(public_list(&hub, |list| list.len() == 2).len(), 2, "no peer was removed");
}

#[test]
fn a_hub_with_more_peers_than_a_page_is_taken_over_from_either_of_its_lists() {
    const PEERS: usize = 1201;
    let from = tempfile::tempdir().unwrap();
    let hub = Hub::start(from.path());
    let list: String = (0..PEERS).map(|n| format!("tcp://198.18.{}.{}:11010\n", n / 250, n % 250 + 1)).collect();
    printed(&run_with(from.path(), &["hub", "peer", "import", "-"], &[], &list));
    let (_, page) = hub.get("/peers", &[]);
    let first = page["data"]["peers"].as_array().unwrap().len();
    assert!(first < PEERS && page["data"]["next_cursor"].is_string(), "all peers are on one page of {first}");

    let total = || hub.get("/api/nodes", &[]).1["data"]["total"].clone();
    assert_eq!(support::eventually(total, |total| *total == PEERS), PEERS);
    // By cursor, and by number.
    for path in ["/peers", "/api/peers?count=300", "/api/nodes"] {
        let to = folder_of_hub();
        let said = printed(&run(to.path(), &["hub", "peer", "import", &format!("{}{path}", hub.url)]));
        assert_eq!(said, format!("imported {PEERS} peers; 0 listed already\n"), "{path}");
        assert_eq!(exported(to.path()), as_a_strangers(exported(from.path())), "{path}");
    }
}

/// A site as others run it: three pages, at most 100 peers each, with fields and values of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_taken_over_page_by_page() {
    async fn list(uri: Uri) -> Result<Json<Value>, StatusCode> {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        if query["per_page"].parse::<u32>().unwrap() > 100 {
            return Err(StatusCode::BAD_REQUEST);
        }
        let page: u32 = query["page"].parse().unwrap();
        let items: Vec<Value> = (0..2)
            .map(|index| {
                json!({"id": page * 2 + index, "name": format!("n{page}-{index}"), "host": format!("192.0.2.{page}{index}"),
                       "port": 11010, "protocol": "tcp", "network_name": "", "network_secret": null, "ISP": "x",
                       "is_active": false, "is_approved": true, "tags": ["t"], "max_connections": 100, "submitted": false})
            })
            .collect();
        let data = json!({"items": items, "total": 6, "page": page, "per_page": 100, "total_pages": 3});
        Ok(Json(json!({"success": true, "data": data, "error": null, "message": null})))
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let site = Router::new().route("/api/nodes", get(list));
    let server = tokio::spawn(async { axum::serve(listener, site).await });

    let folder = folder_of_hub();
    let said = printed(&run(folder.path(), &["hub", "peer", "import", &url]));
    assert_eq!(said, "imported 6 peers; 0 listed already\n");
    assert!(exported(folder.path()).iter().all(|peer| peer["access"] == "guest" && peer["tags"] == json!(["t"])));
    assert!(exported(folder.path()).iter().all(|peer| peer["submitted"] == true), "the site does not decide that");
    let wrong = refusal(&run(folder.path(), &["hub", "peer", "import", &format!("{url}/nothing")]));
    assert_contains(&wrong, &["nothing was imported", "404", "/api/nodes"]);
    server.abort();
    let closed = ClosedPort::new();
    let gone = refusal(&run(folder.path(), &["hub", "peer", "import", &closed.url("http")]));
    assert_contains(&gone, &["nothing was imported", "cannot be reached"]);
}

#[test]
fn a_backup_taken_while_it_runs_is_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let secret = [("NETWORK_SECRET", "s3cr3t")];
    let add = ["hub", "peer", "add", "tcp://192.0.2.7", "--network-name", "home"];
    printed(&run_with(folder.path(), &add, &secret, ""));

    let backup = run(folder.path(), &["hub", "backup", "copy.db"]);
    assert_eq!(printed(&backup), "");
    assert_contains(&text(&backup.stderr), &["'copy.db'", "uptime.db.key"]);
    assert_eq!(mode(&folder.path().join("copy.db")), 0o600);
    assert_contains(&refusal(&run(folder.path(), &["hub", "backup", "copy.db"])), &["already exists"]);

    let list = ["hub", "peer", "list", "--database-path", "copy.db"];
    assert_contains(&refusal(&run(folder.path(), &list)), &["the key of the database 'copy.db' is missing"]);
    let key = [("HUB_KEY_FILE", "uptime.db.key")];
    assert_contains(&printed(&run_with(folder.path(), &list, &key, "")), &["192.0.2.7", "home"]);
    hub.stop();
}

#[test]
fn another_key_is_refused_and_changes_nothing() {
    let folder = folder_of_hub();
    let key = [("HUB_KEY", "ab".repeat(32))];
    let key = key.each_ref().map(|(name, value)| (*name, value.as_str()));
    let refused = refusal(&run_with(folder.path(), &["hub", "--server-port", "0"], &key, ""));
    assert_contains(&refused, &["'uptime.db' was made with another hub key", "HUB_KEY"]);
    assert!(!refused.contains("abab"), "{refused}");
    Hub::start(folder.path()).stop();
}

#[test]
fn postgresql_takes_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let url = [("DATABASE_URL", "postgres://user:s3cr3t@127.0.0.1:1/uptime")];
    for args in [&["hub"][..], &["hub", "peer", "list"]] {
        let refused = refusal(&run_with(folder.path(), args, &url, ""));
        assert_contains(&refused, &["HUB_KEY: is not set", "openssl rand -hex 32"]);
        assert!(!refused.contains("s3cr3t"), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_on_one_postgresql_share_a_key_and_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres::fresh_database().await;
    let key = "5e".repeat(32);
    let shared = [("DATABASE_URL", url.as_str()), ("HUB_KEY", key.as_str())];
    let [first, second] = [(); 2].map(|()| Hub::start_with(folder.path(), &shared));
    let add = ["hub", "peer", "add", "tcp://192.0.2.7", "--name", "shared", "--network-name", "home"];
    let secret: Vec<_> = shared.into_iter().chain([("NETWORK_SECRET", "s3cr3t")]).collect();
    printed(&run_with(folder.path(), &add, &secret, ""));
    for hub in [&first, &second] {
        assert_eq!(public_list(hub, |list| !list.is_empty()).keys().collect::<Vec<_>>(), ["shared"]);
    }
    assert_contains(&refusal(&run_with(folder.path(), &["hub", "backup", "copy.db"], &shared, "")), &["use pg_dump"]);
    let other = "ab".repeat(32);
    let other = [("DATABASE_URL", url.as_str()), ("HUB_KEY", other.as_str())];
    let refused = refusal(&run_with(folder.path(), &["hub", "peer", "list"], &other, ""));
    assert_contains(&refused, &["of DATABASE_URL was made with another hub key", "HUB_KEY"]);
    let printed = [first.stop(), second.stop()].concat();
    assert_eq!(printed.matches("admin password: ").count(), 1, "one of them generated it: {printed}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is kept in files");
}

#[test]
fn commands_do_not_create_a_database() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["hub", "peer", "list"][..], &["hub", "token", "create", "--name", "p"]] {
        assert_contains(&refusal(&run(folder.path(), args)), &["no database 'uptime.db'", "start the hub first"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    let misplaced = refusal(&run(folder.path(), &["hub", "--server-port", "1", "peer", "list"]));
    assert_contains(&misplaced, &["--server-port applies only when running the hub"]);
}

/// The status of a login.
fn login(hub: &Hub, password: &str) -> u16 {
    let body = json!({"password": password}).to_string();
    let mut stream = TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).unwrap();
    let head =
        format!("Host: hub\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    write!(stream, "POST /api/admin/login HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_password_is_generated_read_or_configured() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start_with(folder.path(), &[("ADMIN_PASSWORD", "configured 1")]);
    assert_eq!(login(&hub, "configured 1"), 200);
    let made = printed(&run(folder.path(), &["hub", "password"]));
    assert_eq!((login(&hub, "configured 1"), login(&hub, made.trim())), (401, 200));
    let set = run_with(folder.path(), &["hub", "password", "--stdin"], &[], "chosen one\n");
    assert_eq!(printed(&set), "");
    assert_eq!((login(&hub, made.trim()), login(&hub, "chosen one")), (401, 200));
    let short = refusal(&run_with(folder.path(), &["hub", "password", "--stdin"], &[], "1234567\n"));
    assert_contains(&short, &["8 to 1024 characters"]);
    assert!(!short.contains("1234567"));
    assert!(!hub.stop().contains("admin password"), "a configured one is not printed");
}

#[test]
fn shared_settings_are_listed_changed_and_reset_while_a_hub_runs() {
    let folder = tempfile::tempdir().unwrap();
    let password = [("ADMIN_PASSWORD", "configured 1")];
    let hub = Hub::start_with(folder.path(), &password);
    let settings = |args: &[&str]| run(folder.path(), &[&["hub", "settings"], args].concat());
    let listed = || -> BTreeMap<String, Value> {
        let all: Vec<Value> = serde_json::from_str(&printed(&settings(&["--json"]))).unwrap();
        all.into_iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one)).collect()
    };
    let names = ["EVENT_RETENTION", "FIVE_MINUTE_RETENTION", "FLAP_DAMPING", "HOUR_RETENTION", "REGION_DOUBT_NODES"];
    assert_eq!(
        listed().keys().collect::<Vec<_>>(),
        [&names[..], &["RELAY_CHECK_INTERVAL", "RESULT_RETENTION"]].concat()
    );
    let is = |name: &str, value: &str, source: &str| {
        let one = &listed()[name];
        assert_eq!((&one["value"], &one["source"]), (&value.into(), &source.into()), "{one}");
    };
    is("RESULT_RETENTION", "168h", "default");

    assert_eq!(printed(&settings(&["set", "RESULT_RETENTION", "30h"])), "RESULT_RETENTION: 30h (was 168h)\n");
    assert_eq!(printed(&settings(&["set", "flap-damping", "7"])), "FLAP_DAMPING: 7 (was 2)\n");
    is("RESULT_RETENTION", "30h", "database");
    assert_contains(&printed(&settings(&[])), &["NAME", "RESULT_RETENTION", "30h", "168h", "database"]);
    // The page of the hub that runs shows them without a restart.
    let (status, session) = hub.post("/api/admin/login", &json!({"password": "configured 1"}));
    assert_eq!(status, 200, "{session}");
    let cookie = format!("uptime_session={}", session["data"]["token"].as_str().unwrap());
    let shown = |value: &str| {
        let page = || hub.text("/admin/settings", &[("cookie", &cookie)]).1;
        let field = format!("name=\"FLAP_DAMPING\" value=\"{value}\"");
        assert_contains(&support::eventually(page, |page| page.contains(&field)), &[&field]);
    };
    shown("7");

    assert_eq!(printed(&settings(&["reset", "FLAP_DAMPING"])), "FLAP_DAMPING: 2 (was 7)\n");
    shown("2");
    for (args, why) in [
        (["set", "RESULT_RETENTION", "1h"], "RESULT_RETENTION was not changed to '1h': value: write "),
        (["set", "FLAP_DAMPING", "0"], "FLAP_DAMPING was not changed to '0': value: write "),
        (["set", "FLAP_DAMPING", ""], "FLAP_DAMPING was not changed to '': value: write "),
        (["set", "REGION_DOUBT_NODES", "-1"], "REGION_DOUBT_NODES was not changed to '-1': value: write "),
        (["set", "HEALTH_CHECK_INTERVAL", "5s"], "it belongs to the built-in probe"),
        (["set", "SERVER_PORT", "80"], "the shared settings are FLAP_DAMPING, REGION_DOUBT_NODES, "),
    ] {
        assert_contains(&refusal(&settings(&args)), &[why]);
    }
    is("RESULT_RETENTION", "30h", "database");
    // What is configured where the command runs is what a reset restores.
    let configured =
        run_with(folder.path(), &["hub", "settings", "reset", "FLAP_DAMPING"], &[("FLAP_DAMPING", "4")], "");
    assert_eq!(printed(&configured), "FLAP_DAMPING: 4 (was 2)\n");
}

#[test]
fn a_port_in_use_is_reported_and_no_database_is_created() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let refused = refusal(&run(folder.path(), &["hub", "--server-port", &port]));
    assert_contains(&refused, &[&port, "SERVER_PORT"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

/// A request whose body the hub is reading.
fn running_request(hub: &Hub, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!("Host: hub\r\nx-node-token: {token}\r\nContent-Length: 100\r\nExpect: 100-continue");
    write!(stream, "POST /results HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
    assert_contains(&line, &["100"]);
    stream
}

#[test]
fn a_signal_waits_for_running_requests_and_a_second_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path());
    let token = printed(&run(folder.path(), &["hub", "token", "create", "--name", "p"]));
    let mut request = running_request(&hub, token.trim());
    hub.signal(Signal::INT);
    hub.await_log("stopping");
    request.write_all(format!("{:<100}", r#"{"results": []}"#).as_bytes()).unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert_contains(&answer, &["HTTP/1.1 "]);
    let (status, ..) = hub.ended();
    assert_eq!(status.code(), Some(0));

    let mut hub = Hub::start(folder.path());
    let _request = running_request(&hub, token.trim());
    hub.signal(Signal::TERM);
    hub.await_log("stopping");
    let signalled = Instant::now();
    hub.signal(Signal::TERM);
    let (status, ..) = hub.ended();
    assert_eq!(status.code(), Some(1));
    assert!(signalled.elapsed() < Duration::from_secs(5), "it did not wait for the request");
}
