//! `hub apply`.

use std::{fs, path::Path};

use serde_json::Value;

use super::{assert_contains, folder_of_hub, printed, refusal, run, run_with, text};

const TOML: &str = r#"
[[peers]]
url = "tcp://192.0.2.7:11010"
name = "Shanghai 2"
tags = ["cn"]

[[peers]]
url = "udp://192.0.2.8:11010"
network_name = "home"
network_secret_env = "HOME_SECRET"

[[channels]]
name = "ops"
kind = "webhook"
settings = { url_file = "hook" }
rules = [{ on = ["down", "up"], after_seconds = 60 }, { on = ["probe"] }]

[[maintenance]]
title = "Updates"
tags = ["cn"]
start = "2031-01-31T02:00"
time_zone = "Asia/Shanghai"
minutes = 90
"#;

/// The same, in another order of the rules, with another name and without the second peer.
const YAML: &str = r#"
peers:
  - {url: "tcp://192.0.2.7:11010", name: Beijing, tags: [cn]}
channels:
  - name: ops
    kind: webhook
    enabled: false
    settings: {url_file: hook}
    rules:
      - on: [probe]
      - on: [down, up]
        after_seconds: 60
maintenance: []
"#;

fn apply(folder: &Path, args: &[&str]) -> std::process::Output {
    run_with(folder, &[&["hub", "apply"], args].concat(), &[("HOME_SECRET", "h0me-s3cret")], "")
}

fn listed(folder: &Path, of: &[&str]) -> Value {
    serde_json::from_str(&printed(&run(folder, &[&["hub"], of, &["list", "--json"]].concat()))).unwrap()
}

#[test]
fn a_file_is_applied_once_and_then_there_is_nothing_to_do() {
    let folder = folder_of_hub();
    let path = folder.path();
    fs::write(path.join("hook"), "https://example.com/h00k-s3cret\n").unwrap();
    fs::write(path.join("hub.toml"), TOML).unwrap();
    fs::write(path.join("hub.yaml"), YAML).unwrap();

    let planned = apply(path, &["hub.toml", "--dry-run"]);
    let expected = "+ peer tcp://192.0.2.7:11010\n+ peer udp://192.0.2.8:11010\n+ maintenance Updates\n+ channel ops\n";
    assert_eq!(printed(&planned), expected);
    assert_contains(&text(&planned.stderr), &["nothing was changed; without --dry-run: 4 to add"]);
    assert_eq!(listed(path, &["peer"]), Value::Array(Vec::new()));

    let done = apply(path, &["hub.toml"]);
    assert_eq!(printed(&done), expected);
    assert_contains(&text(&done.stderr), &["4 added, 0 changed, 0 removed"]);
    for again in [&["hub.toml"][..], &["hub.toml", "--prune"], &["hub.toml", "--dry-run"]] {
        let again = apply(path, again);
        assert_eq!((printed(&again).as_str(), text(&again.stderr).as_str()), ("", "there is nothing to do\n"));
    }
    let rules = listed(path, &["rule"]);

    // What the file does not name stays; with --prune it goes, of the kinds that the file has.
    let changed = "~ peer tcp://192.0.2.7:11010: name\n~ channel ops: enabled\n";
    assert_eq!(printed(&apply(path, &["hub.yaml"])), changed);
    assert_eq!(listed(path, &["rule"]), rules, "rules that say the same keep their ids");
    assert_eq!(listed(path, &["peer"]).as_array().unwrap().len(), 2);
    let pruned = "- peer udp://192.0.2.8:11010\n- maintenance Updates\n";
    assert_eq!(printed(&apply(path, &["hub.yaml", "--prune"])), pruned);
    fs::write(path.join("peers.toml"), "peers = [\"tcp://192.0.2.7:11010\"]").unwrap();
    assert_contains(&refusal(&apply(path, &["peers.toml"])), &["peers 1 has no fields"]);
    fs::write(path.join("peers.toml"), "[[peers]]\nurl = \"tcp://192.0.2.9:1\"").unwrap();
    assert_eq!(
        printed(&apply(path, &["peers.toml", "--prune"])),
        "+ peer tcp://192.0.2.9:1\n- peer tcp://192.0.2.7:11010\n"
    );
    assert_eq!(listed(path, &["channel"]).as_array().unwrap().len(), 1, "the file has no channels");

    let events = printed(&run(path, &["hub", "events", "--json"]));
    assert_contains(&events, &["peer.add", "channel.change", "maintenance.remove", "\"kind\": \"command\""]);
    for printed in [&events, &text(&done.stdout), &text(&done.stderr)] {
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}

#[test]
fn nothing_is_changed_when_anything_is_wrong() {
    let folder = folder_of_hub();
    let path = folder.path();
    let wrong = |name: &str, text: &str| {
        fs::write(path.join(name), text).unwrap();
        refusal(&apply(path, &[name]))
    };
    let good = "[[peers]]\nurl = \"tcp://192.0.2.7:1\"\n";
    for (more, part) in [
        ("[[peers]]\nurl = \"nonsense\"", "peers 2: "),
        ("[[peers]]\nurl = \"tcp://192.0.2.7:1\"", "'tcp://192.0.2.7:1' is there twice"),
        ("[[peers]]\nurl = \"tcp://192.0.2.8:1\"\ntag = [\"x\"]", "a peer has no field 'tag'"),
        ("[[peers]]\nurl = \"tcp://192.0.2.8:1\"\nnetwork_secret_env = \"NOT_SET\"", "the variable NOT_SET is not set"),
        ("[[peers]]\nurl = \"tcp://192.0.2.8:1\"\nnetwork_secret_file = \"none\"", "'none' cannot be read"),
        ("[[channels]]\nname = \"a\"\nkind = \"pigeon\"", "the kinds of channels are: webhook"),
        ("[[channels]]\nname = \"a\"\nkind = \"webhook\"", "settings: "),
        (
            "[[channels]]\nname = \"a\"\nkind = \"webhook\"\nsettings = { url = \"https://x.example\" }\nrules = [{ on = [\"moon\"] }]",
            "rule: ",
        ),
        ("[[maintenance]]\ntitle = \"a\"\nall = true\nminutes = 5", "start: it is missing"),
        (
            "[[maintenance]]\ntitle = \"a\"\nall = true\nstart = \"2031-01-31T02:00\"\nminutes = 5\nzone = \"UTC\"",
            "a window has no field 'zone'",
        ),
        ("[[nodes]]\nurl = \"tcp://192.0.2.8:1\"", "it has 'nodes'; it may have peers, channels, maintenance"),
        ("[[peers]]\nurl = ", "hub.toml"),
    ] {
        let refused = wrong("hub.toml", &format!("{good}{more}"));
        assert_contains(&refused, &["nothing was changed", part]);
    }
    assert_contains(&wrong("hub.yaml", "peers: [}"), &["nothing was changed"]);
    assert_contains(&wrong("hub.conf", good), &["must end in .toml, .yaml, .yml or .json"]);
    assert_eq!(listed(path, &["peer"]), Value::Array(Vec::new()));
}
