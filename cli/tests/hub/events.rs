//! `hub events`.

use serde_json::{Value, json};

use super::{assert_contains, folder_of_hub, printed, refusal, run, run_with, text};

#[test]
fn a_change_by_a_command_names_the_user_of_the_system() {
    let folder = folder_of_hub();
    let added =
        run_with(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.1:11010"], &[("SUDO_USER", "alice")], "");
    printed(&added);
    printed(&run(folder.path(), &["hub", "key", "create", "--name", "robot"]));
    let events = |args: &[&str]| run(folder.path(), &[&["hub", "events"], args].concat());
    let listed: Value = serde_json::from_str(&printed(&events(&["--by", "command", "--json"]))).unwrap();
    let listed = listed.as_array().unwrap();
    let actions: Vec<&Value> = listed.iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, [&json!("api_key.add"), &json!("peer.add")], "the newest first");
    let user = listed[0]["actor"]["name"].as_str().unwrap();
    assert!(!user.is_empty(), "{listed:?}");
    assert_eq!(listed[1]["actor"]["name"], format!("{user}, for alice"));

    let table = printed(&events(&["--of", "api_key"]));
    assert_contains(&table, &["api_key.add", "robot 1", "command", "read"]);
    assert!(!table.contains("peer.add"), "{table}");
    assert_contains(&text(&events(&["--limit", "1"]).stderr), &["--before"]);
    assert_eq!(printed(&events(&["--kind", "failure"])), "");
    assert_contains(&refusal(&events(&["--of", "moon"])), &["write one of: peer, "]);
}
