//! The commands for the role of an instance: what they say, and what they refuse.

use std::{net::TcpListener, path::Path, process::Output};

use serde_json::Value;
use tempfile::TempDir;

use super::{ClosedPort, Hub, assert_contains, folder_of_hub, printed, refusal, run_with};

const SECRET: (&str, &str) = ("SYNC_SECRET", "0123456789abcdef0123456789abcdef");
const HUB_2: (&str, &str) = ("INSTANCE_NAME", "hub-2");

/// A command at the instance hub-2, which has the secret.
fn at_hub_2(folder: &Path, args: &[&str]) -> Output {
    run_with(folder, &[&["hub"], args].concat(), &[SECRET, HUB_2], "")
}

/// The primary hub-1, which runs, and the folder in which hub-2 joined it.
struct Pair {
    primary: Hub,
    variables: Vec<(&'static str, String)>,
    folders: [TempDir; 2],
}

impl Pair {
    fn start() -> Self {
        let folders = [tempfile::tempdir().unwrap(), folder_of_hub()];
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let variables = vec![
            (SECRET.0, SECRET.1.to_owned()),
            ("INSTANCE_NAME", "hub-1".to_owned()),
            ("ENABLE_SYNC_API", "true".to_owned()),
            ("SERVER_PORT", port.clone()),
            ("SYNC_API_PORT", port),
        ];
        let given: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut primary = Hub::start_with(folders[0].path(), &given);
        primary.await_log("the configuration changed the role of this instance");
        let pair = Self { primary, variables, folders };
        printed(&pair.at_dependent(&["join", &pair.primary.url]));
        pair
    }

    fn at_primary(&self, args: &[&str]) -> Output {
        let given: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run_with(self.folders[0].path(), &[&["hub"], args].concat(), &given, "")
    }

    fn at_dependent(&self, args: &[&str]) -> Output {
        at_hub_2(self.folders[1].path(), args)
    }
}

#[test]
fn a_standalone_hub_says_so_and_what_to_do() {
    let folder = folder_of_hub();
    let at = |args: &[&str]| at_hub_2(folder.path(), args);
    assert_eq!(printed(&at(&["role"])), "'hub-2' is standalone\n");
    let shown: Value = serde_json::from_str(&printed(&at(&["role", "--json"]))).unwrap();
    assert_eq!((&shown["role"], &shown["name"]), (&"standalone".into(), &"hub-2".into()), "{shown}");
    assert_contains(&refusal(&at(&["promote", "hub-2"])), &["standalone", "set ENABLE_SYNC_API"]);
    assert_contains(&refusal(&at(&["demote", "hub-2"])), &["only the primary can be demoted", "'hub role'"]);
}

#[test]
fn a_join_without_a_secret_makes_one() {
    let folder = folder_of_hub();
    let join =
        |url: &str, variables: &[(&str, &str)]| refusal(&run_with(folder.path(), &["hub", "join", url], variables, ""));
    let missing = join("http://127.0.0.1:1", &[]);
    let made = missing.trim_end().rsplit(' ').next().unwrap();
    assert!(made.len() == 64 && made.chars().all(|c| c.is_ascii_hexdigit()), "{missing}");
    assert_contains(&missing, &["SYNC_SECRET is missing", "at both instances"]);
    assert_contains(&join("hub-1:3002", &[SECRET]), &["'hub-1:3002': "]);

    let closed = ClosedPort::new();
    let dead = join(&closed.url("http"), &[SECRET, ("CONNECTION_TIMEOUT", "5s")]);
    assert_contains(&dead, &["cannot join the primary at", &closed.address().to_string()]);
    assert!(!dead.contains(SECRET.1), "{dead}");
    assert_eq!(printed(&at_hub_2(folder.path(), &["role"])), "'hub-2' is standalone\n", "it changed nothing");
}

#[test]
fn a_hub_joins_is_listed_and_sends_the_operator_to_the_primary() {
    let pair = Pair::start();
    let url = pair.primary.url.clone();
    let shown = printed(&pair.at_dependent(&["role"]));
    assert_contains(&shown, &["'hub-2' is a dependent of hub-1 at ", &url, "epoch 1", "not synchronised yet"]);
    // Nothing in its configuration says so; the command did.
    assert_contains(&shown, &["configured: standalone"]);
    let listed = printed(&pair.at_primary(&["role"]));
    assert_contains(&listed, &["'hub-1' is the primary, epoch 1", "INSTANCE", "LAST HEARTBEAT", "hub-2", "dependent"]);
    assert!(!listed.contains("configured:"), "{listed}");

    let edit = refusal(&pair.at_dependent(&["peer", "add", "tcp://192.0.2.7:11010"]));
    assert_contains(&edit, &["hub-1", &url]);
    let other = refusal(&pair.at_dependent(&["promote", "hub-1"]));
    assert_contains(&other, &["this instance is a dependent", "at the primary", "'hub-2'"]);
    assert_contains(&refusal(&pair.at_dependent(&["demote", "hub-1"])), &["only the primary can be demoted"]);

    assert_contains(&refusal(&pair.at_primary(&["promote", "hub-1"])), &["'hub-1' is the primary already"]);
    assert_contains(&refusal(&pair.at_primary(&["promote", "hub-9"])), &["no instance 'hub-9'", "'hub role'"]);
    // It registered, and nobody reaches it.
    assert_contains(&refusal(&pair.at_primary(&["demote", "hub-1"])), &["no dependent that could take the place"]);
}

#[test]
fn a_dependent_takes_the_place_of_a_lost_primary_by_command_and_leaves() {
    let pair = Pair::start();
    assert_eq!(printed(&pair.at_dependent(&["promote", "hub-2"])), "'hub-2' is the primary now, epoch 2\n");
    assert_contains(&printed(&pair.at_dependent(&["role"])), &["'hub-2' is the primary, epoch 2"]);
    printed(&pair.at_dependent(&["peer", "add", "tcp://192.0.2.7:11010"]));
    assert_eq!(printed(&pair.at_dependent(&["role", "--leave"])), "this instance is standalone now\n");
    assert_eq!(printed(&pair.at_dependent(&["role"])), "'hub-2' is standalone\n");
}
