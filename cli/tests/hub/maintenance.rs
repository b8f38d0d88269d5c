//! `hub maintenance`.

use serde_json::{Value, json};

use super::{Hub, assert_contains, folder_of_hub, printed, public_list, refusal, run};

#[test]
fn windows_are_made_listed_ended_and_removed() {
    let folder = folder_of_hub();
    let maintenance = |args: &[&str]| run(folder.path(), &[&["hub", "maintenance"], args].concat());
    assert_eq!(printed(&maintenance(&["list"])), "");
    let weekly = [
        "add",
        "Updates",
        "--title-zh",
        "系统更新",
        "--tag",
        "berlin",
        "--node",
        "3",
        "--start",
        "2030-01-31T04:00",
        "--zone",
        "Europe/Berlin",
        "--for",
        "90m",
        "--rrule",
        "FREQ=WEEKLY;BYDAY=SU",
        "--until",
        "2030-12-31",
    ];
    assert_eq!(printed(&maintenance(&weekly)), "1\n");
    assert_eq!(printed(&maintenance(&["add", "New disks", "--all", "--for", "2h"])), "2\n");
    assert_contains(
        &printed(&maintenance(&["list"])),
        &[
            "TITLE",
            "Updates",
            "3, tag berlin",
            "2030-02-03T03:00:00Z",
            "Europe/Berlin",
            "New disks",
            "all",
            "now, until",
        ],
    );
    let list: Value = serde_json::from_str(&printed(&maintenance(&["list", "--json"]))).unwrap();
    let expected = json!({
        "id": 1, "title": "Updates", "title_zh": "系统更新", "all": false, "nodes": [3], "tags": ["berlin"], "regions": [],
        "start": "2030-01-31T04:00", "time_zone": "Europe/Berlin", "minutes": 90, "rrule": "FREQ=WEEKLY;BYDAY=SU",
        "until": "2030-12-31T23:59", "current": null,
        "next": { "begins_at": "2030-02-03T03:00:00Z", "ends_at": "2030-02-03T04:30:00Z" },
    });
    assert_eq!(list[0], expected);
    assert_eq!(printed(&maintenance(&["end", "2"])), "ended the maintenance of window 2\n");
    assert_contains(&refusal(&maintenance(&["end", "2"])), &["window 2 does not take place now"]);
    assert_eq!(printed(&maintenance(&["remove", "1", "2"])), "removed window 1\nremoved window 2\n");
    assert_contains(&refusal(&maintenance(&["remove", "2"])), &["there is no window 2", "hub maintenance list"]);
}

#[test]
fn what_is_not_valid_is_refused_by_its_flag() {
    let folder = folder_of_hub();
    let add = |args: &[&str]| run(folder.path(), &[&["hub", "maintenance", "add", "Updates"], args].concat());
    for (args, why) in [
        (&["--for", "1h"][..], "--node: name nodes, tags or regions"),
        (&["--all", "--for", "90s"], "whole minutes"),
        (&["--all", "--for", "800h"], "--for: must be a whole number from 1 to 44640"),
        (&["--all", "--for", "1h", "--zone", "Berlin"], "--zone: write the name of a time zone"),
        (&["--all", "--for", "1h", "--start", "tomorrow"], "--start: write the start as"),
        (&["--all", "--for", "1h", "--rrule", "FREQ=SECONDLY"], "--rrule: FREQ must be DAILY"),
        (&["--all", "--for", "1h", "--until", "2030-01-01"], "--rrule"),
        (&["--node", "0", "--for", "1h"], "--node"),
    ] {
        assert_contains(&refusal(&add(args)), &[why]);
    }
}

#[test]
fn a_running_hub_notices_what_the_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010", "--name", "one"]));
    printed(&run(folder.path(), &["hub", "maintenance", "add", "New disks", "--node", "1", "--for", "1h"]));
    let title = |list: &std::collections::BTreeMap<String, Value>| {
        list.get("one").map(|node| node["maintenance"]["title"].clone()).unwrap_or_default()
    };
    let shown = public_list(&hub, |list| title(list) == "New disks");
    assert_eq!(title(&shown), "New disks");
    printed(&run(folder.path(), &["hub", "maintenance", "end", "1"]));
    let shown = public_list(&hub, |list| title(list).is_null());
    assert_eq!(title(&shown), Value::Null);
    drop(hub);
}
