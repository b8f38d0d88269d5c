//! `hub source`.

use axum::{Router, routing::get};
use serde_json::{Value, json};

use super::{Hub, assert_contains, folder_of_hub, printed, public_list, refusal, run, text};

/// A web server with a list.
fn site() -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}/nodes.txt?key=s3cr3t", listener.local_addr().unwrap())).unwrap();
            let list = "tcp://127.0.0.1:9 tcp://192.0.2.7:11010 tcp://****:1\n";
            axum::serve(listener, Router::new().route("/nodes.txt", get(async move || list))).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn the_running_hub_follows_a_source_that_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let added = printed(&run(folder.path(), &["hub", "source", "add", &site(), "--trust", "--every", "1h"]));
    assert_eq!(added, "1\n");
    assert_eq!(public_list(&hub, |list| list.len() == 2).len(), 2);
    hub.stop();
    let listed: Value =
        serde_json::from_str(&printed(&run(folder.path(), &["hub", "source", "list", "--json"]))).unwrap();
    assert_eq!(
        (
            &listed[0]["listed"],
            &listed[0]["brought"],
            &listed[0]["refused"],
            &listed[0]["every"],
            &listed[0]["problem"]
        ),
        (&json!(2), &json!(2), &json!(1), &json!("1h"), &Value::Null)
    );
}

#[test]
fn sources_are_added_fetched_listed_and_removed_without_a_hub() {
    let folder = folder_of_hub();
    let source = |args: &[&str]| run(folder.path(), &[&["hub", "source"], args].concat());
    printed(&source(&["add", &site(), "--name", "mine"]));
    let fetched = source(&["fetch", "1"]);
    assert_eq!(printed(&fetched), "2 await approval\n");
    assert_contains(&text(&fetched.stderr), &["skipped 1 peer", "is masked"]);
    let table = printed(&source(&["list"]));
    assert_contains(&table, &["mine", "/nodes.txt", "10m", "1 refused"]);
    assert!(!table.contains("s3cr3t"), "{table}");

    printed(&source(&["add", "http://127.0.0.1:9/?key=s3cr3t"]));
    let failed = refusal(&source(&["fetch", "2"]));
    assert_contains(&failed, &["nothing was changed", "cannot be reached"]);
    assert!(!failed.contains("s3cr3t") && !printed(&source(&["list"])).contains("s3cr3t"), "{failed}");
    assert_contains(&refusal(&source(&["add", "nodes.txt"])), &["URL: must be an http or https URL"]);
    assert_contains(&refusal(&source(&["add", "https://x.example", "--every", "1s"])), &["--every: "]);
    assert_contains(&refusal(&source(&["add", "http://localhost:8080/"])), &["this hub itself"]);
    assert_contains(&refusal(&source(&["fetch", "9"])), &["there is no source 9"]);
    assert_eq!(
        printed(&source(&["remove", "1", "2"])),
        "removed source 1; its nodes stay\nremoved source 2; its nodes stay\n"
    );
    assert_eq!(printed(&source(&["list"])), "");
}
