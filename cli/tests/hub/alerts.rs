//! The commands of alerts.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, routing::post};
use serde_json::Value;

use super::{assert_contains, folder_of_hub, printed, refusal, run};

type Messages = Arc<Mutex<Vec<Value>>>;

async fn take(State(messages): State<Messages>, Json(message): Json<Value>) {
    messages.lock().unwrap().push(message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_and_rules_are_added_tried_listed_and_removed() {
    let messages = Messages::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hunter2", listener.local_addr().unwrap());
    let router = Router::new().route("/hunter2", post(take)).with_state(Arc::clone(&messages));
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let folder = folder_of_hub();
    let hub = |args: &[&str]| run(folder.path(), &[&["hub"], args].concat());
    assert_eq!(printed(&hub(&["channel", "add", "webhook", &url, "--name", "ops"])), "added channel 'ops'\n");
    let listed = printed(&hub(&["channel", "list"]));
    assert_contains(&listed, &["ops", "webhook", "http://127.0.0.1:"]);
    assert!(!listed.contains("hunter2"), "{listed}");
    assert_eq!(printed(&hub(&["channel", "test", "ops"])), "the channel 'ops' took a test message\n");
    assert_eq!(messages.lock().unwrap()[0]["topic"], "test");

    let added = hub(&["rule", "add", "--channel", "ops", "--on", "down,up", "--after", "5m", "--tag", "fast"]);
    assert!(printed(&added).starts_with("added rule "));
    let rules: Value = serde_json::from_str(&printed(&hub(&["rule", "list", "--json"]))).unwrap();
    let rule = &rules[0]["rule"];
    assert_eq!((&rules[0]["channel"], &rule["after_seconds"]), (&"ops".into(), &300.into()), "{rules}");
    assert_contains(&printed(&hub(&["rule", "list"])), &["a node with the tag fast has been down", "5 min"]);
    let id = rule["id"].as_str().unwrap();

    let muted = printed(&hub(&["alerts", "mute", &format!("rule:{id}"), "--for", "2h"]));
    assert_contains(&muted, &["muted rule:", "for 2h"]);
    let all: Value = serde_json::from_str(&printed(&hub(&["alerts", "--json"]))).unwrap();
    assert_eq!((all["messages"].as_array().unwrap().len(), all["mutes"].as_array().unwrap().len()), (0, 1));
    printed(&hub(&["alerts", "unmute", &all["mutes"][0]["id"].to_string()]));

    printed(&hub(&["channel", "disable", "ops"]));
    assert_contains(&printed(&hub(&["channel", "list"])), &["disabled"]);
    assert_eq!(printed(&hub(&["rule", "remove", id])), format!("removed rule {id}\n"));
    assert_eq!(printed(&hub(&["channel", "remove", "ops"])), "removed channel 'ops'\n");
    server.abort();
}

#[test]
fn each_kind_has_a_command_and_secrets_may_be_in_files() {
    let folder = folder_of_hub();
    let hub = |args: &[&str]| run(folder.path(), &[&["hub", "channel"], args].concat());
    for kind in easytier_uptime_alerts::ChannelKind::ALL {
        let help = printed(&hub(&["add", kind.name(), "--help"]));
        assert!(kind.fields().iter().all(|field| help.contains(&field.name.replace('_', "-")) || field.name == "url"));
    }
    std::fs::write(folder.path().join("token.txt"), "123456:hunter2\n").unwrap();
    let added = hub(&["add", "telegram", "--token", "@token.txt", "--chat", "-1001234567890", "--name", "tg"]);
    assert_eq!(printed(&added), "added channel 'tg'\n");
    printed(&hub(&["add", "discord", "--url", "https://discord.com/api/webhooks/1/hunter2", "--name", "dc"]));
    let listed = printed(&hub(&["list"]));
    assert_contains(&listed, &["chat=-1001234567890", "url=https://discord.com/…"]);
    assert!(!listed.contains("hunter2"), "{listed}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let folder = folder_of_hub();
    let refused = |args: &[&str], parts: &[&str]| {
        assert_contains(&refusal(&run(folder.path(), &[&["hub"], args].concat())), parts);
    };
    refused(&["channel", "add", "pigeon", "http://192.0.2.1/", "--name", "ops"], &["unrecognized subcommand 'pigeon'"]);
    refused(&["channel", "add", "webhook", "--name", "ops"], &["<URL>"]);
    refused(
        &["channel", "add", "webhook", "ftp://192.0.2.1/", "--name", "ops"],
        &["url: its scheme is not one of http"],
    );
    refused(&["channel", "add", "webhook", "@missing", "--name", "ops"], &["@missing", "No such file"]);
    refused(&["channel", "test", "ops"], &["there is no channel 'ops'", "hub channel list"]);
    refused(
        &["rule", "add", "--channel", "ops", "--on", "gone"],
        &["write down, partial, unknown, up, probe, certificate"],
    );
    refused(&["rule", "add", "--channel", "ops", "--on", "up"], &["at least one of"]);
    refused(&["rule", "add", "--channel", "ops", "--on", "down"], &["there is no channel 'ops'"]);
    refused(&["alerts", "ack", "x"], &["'x' is not wrong", "hub alerts"]);
    refused(&["alerts", "mute", "everything", "--for", "1h"], &["write all, rule:ID"]);
    printed(&run(folder.path(), &["hub", "channel", "add", "webhook", "http://127.0.0.1:9/", "--name", "ops"]));
    refused(
        &["channel", "add", "webhook", "http://127.0.0.1:9/", "--name", "ops"],
        &["there is another channel 'ops'"],
    );
    refused(&["channel", "test", "ops"], &["did not take the test message"]);
}
