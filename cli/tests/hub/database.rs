//! Which databases the hub and its commands open, and how one is restored.

use std::{fs, path::Path};

use rustix::process::Signal;
use sqlx::{Connection, SqliteConnection, raw_sql};

use crate::{
    assert_contains, folder_of_hub, public_list, refusal,
    support::{Hub, printed, run, run_with, text},
};

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn execute(file: &Path, statements: &'static str) {
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn a_second_process_on_the_file_of_a_hub_is_refused_until_the_hub_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path());
    let process = format!("process {} on host '", hub.pid());
    let daemon = [("BACKEND_BASE_URL", "http://127.0.0.1:1"), ("NODE_TOKEN", "t"), ("SERVER_PORT", "0")];
    for args in [&["hub"][..], &[], &["daemon"]] {
        let refused = refusal(&run_with(folder.path(), args, &daemon, ""));
        assert_contains(
            &refused,
            &["cannot use the database 'uptime.db'", &process, "uptime.db.lock'", "stop that process"],
        );
    }
    printed(&run(folder.path(), &["hub", "peer", "add", "tcp://192.0.2.7:11010", "--name", "beside"]));
    assert_contains(&printed(&run(folder.path(), &["hub", "peer", "list"])), &["beside"]);

    // The hub opens its own file again.
    hub.signal(Signal::HUP);
    hub.await_log("the hub listens");
    hub.await_log("the hub listens");
    assert_eq!(public_list(&hub, |list| !list.is_empty()).keys().collect::<Vec<_>>(), ["beside"]);
    assert_contains(&refusal(&run_with(folder.path(), &["hub"], &daemon, "")), &[&process]);

    // As kill -9 does.
    drop(hub);
    Hub::start(folder.path()).stop();
}

#[tokio::test]
async fn files_of_other_programs_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("uptime.db");
    execute(&file, "PRAGMA journal_mode = WAL; CREATE TABLE monitor (id); CREATE TABLE heartbeat (id)").await;
    let before = fs::read(&file).unwrap();
    for args in [&["hub"][..], &[], &["hub", "peer", "list"], &["hub", "password"], &["hub", "backup", "copy.db"]] {
        let refused = refusal(&run_with(folder.path(), args, &[("SERVER_PORT", "0")], ""));
        assert_contains(&refused, &["'uptime.db'", "Uptime Kuma", "the tables heartbeat, monitor"]);
    }
    assert_eq!((fs::read(&file).unwrap(), names(folder.path())), (before, vec!["uptime.db".to_owned()]));

    fs::write(folder.path().join("peers.txt"), "tcp://192.0.2.7:11010\n").unwrap();
    let swapped = [("DATABASE_PATH", "peers.txt"), ("SERVER_PORT", "0")];
    let refused = refusal(&run_with(folder.path(), &["hub"], &swapped, ""));
    assert_contains(&refused, &["'peers.txt'", "not a SQLite database", "a text file", "DATABASE_PATH"]);
    assert_eq!(names(folder.path()), ["peers.txt", "uptime.db"]);
}

#[tokio::test]
async fn only_the_start_of_a_hub_upgrades_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("uptime.db");
    execute(&file, include_str!("../../../store/tests/fixtures/6665e99/sqlite.sql")).await;
    execute(&file, "ALTER TABLE probes DROP COLUMN degraded; DELETE FROM _sqlx_migrations WHERE version = 7").await;
    let key = "0123456789abcdef".repeat(4);
    let variables = [("HUB_KEY", key.as_str()), ("SERVER_PORT", "0")];
    let run = |args: &[&str]| run_with(folder.path(), args, &variables, "");
    for args in [&["hub", "peer", "list"][..], &["hub", "peer", "export"], &["hub", "peer", "remove", "2"]] {
        let refused = refusal(&run(args));
        assert_contains(&refused, &["has schema 6", "start this version's hub once", "uptime.db"]);
    }
    printed(&run(&["hub", "backup", "before.db"]));

    let mut hub = Hub::start_with(folder.path(), &variables);
    hub.await_log("upgrading the database");
    assert_contains(&printed(&run(&["hub", "peer", "list"])), &["node 3"]);
    hub.stop();

    execute(
        &file,
        "UPDATE settings SET value = '9.8.7' WHERE key = 'upgraded_by'; INSERT INTO _sqlx_migrations (version, \
         description, success, checksum, execution_time) SELECT 9999, '', success, checksum, 0 FROM _sqlx_migrations \
         WHERE version = 1",
    )
    .await;
    for args in [&["hub"][..], &["hub", "peer", "list"], &["hub", "peer", "remove", "2"]] {
        let refused = refusal(&run(args));
        assert_contains(&refused, &["schema 9999 by easytier-uptime 9.8.7", "Install that version or a newer one"]);
    }
    // The copy from before the upgrade is the way back, and forward.
    fs::rename(folder.path().join("before.db"), &file).unwrap();
    assert_contains(&text(&run(&["hub", "peer", "list"]).stderr), &["has schema 6"]);
    Hub::start_with(folder.path(), &variables).stop();
}

/// What docs/backup.md describes.
#[test]
fn a_hub_whose_machine_was_lost_is_restored_from_a_backup_and_the_key() {
    let machine = folder_of_hub();
    let hub = Hub::start(machine.path());
    let member = ["hub", "peer", "add", "tcp://192.0.2.7:11010", "--name", "member", "--network-name", "home"];
    printed(&run_with(machine.path(), &member, &[("NETWORK_SECRET", "s3cr3t")], ""));
    let token = printed(&run(machine.path(), &["hub", "token", "create", "--name", "probe-1"]));
    let backups = tempfile::tempdir().unwrap();
    let copy = backups.path().join("uptime.db").display().to_string();
    printed(&run(machine.path(), &["hub", "backup", &copy]));
    fs::copy(machine.path().join("uptime.db.key"), backups.path().join("uptime.db.key")).unwrap();
    drop(hub);
    drop(machine);

    let restored = tempfile::tempdir().unwrap();
    fs::copy(&copy, restored.path().join("uptime.db")).unwrap();
    let refused = refusal(&run_with(restored.path(), &["hub"], &[("SERVER_PORT", "0")], ""));
    assert_contains(&refused, &["the key of the database 'uptime.db' is missing", "uptime.db.key"]);
    fs::copy(backups.path().join("uptime.db.key"), restored.path().join("uptime.db.key")).unwrap();
    let hub = Hub::start(restored.path());
    assert_eq!(public_list(&hub, |list| !list.is_empty()).keys().collect::<Vec<_>>(), ["member"]);
    let export = printed(&run(restored.path(), &["hub", "peer", "export", "--with-secrets"]));
    assert_contains(&export, &["s3cr3t"]);
    let (status, answer) = hub.get("/peers", &[("x-node-token", token.trim())]);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(hub.stop(), "", "the password of the admin is the old one");
}

#[test]
fn a_hub_gets_a_new_key_and_a_backup_of_the_time_before_can_still_be_restored() {
    let folder = folder_of_hub();
    let run = |args: &[&str], variables: &[(&str, &str)]| run_with(folder.path(), args, variables, "");
    let key = || fs::read_to_string(folder.path().join("uptime.db.key")).unwrap();
    let member = ["hub", "peer", "add", "tcp://192.0.2.7:11010", "--name", "member", "--network-name", "home"];
    printed(&run(&member, &[("NETWORK_SECRET", "s3cr3t")]));
    printed(&run(&["hub", "backup", "before.db"], &[]));
    let before = key();

    let hub = Hub::start(folder.path());
    let refused = refusal(&run(&["hub", "key", "rotate-secrets"], &[]));
    assert_contains(&refused, &["process ", "uptime.db.lock'", "stop that process"]);
    hub.stop();
    let told = run(&["hub", "key", "rotate-secrets"], &[]);
    let shown = printed(&told) + &text(&told.stderr);
    assert_contains(&shown, &["'uptime.db'", "'uptime.db.key'", "uptime.db.key.replaced-"]);
    let after = key();
    assert!(before != after && !shown.contains(before.trim()) && !shown.contains(after.trim()));
    let old = names(folder.path()).into_iter().find(|name| name.starts_with("uptime.db.key.replaced-")).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join(&old)).unwrap(), before);
    let export = ["hub", "peer", "export", "--with-secrets"];
    assert_contains(&printed(&run(&export, &[])), &["s3cr3t"]);
    Hub::start(folder.path()).stop();
    let audited = printed(&run(&["hub", "peer", "remove", "1"], &[]));
    assert_contains(&audited, &["member"]);

    let refused = refusal(&run(&["hub", "restore", "before.db"], &[]));
    assert_contains(&refused, &["made with another hub key", "--backup-key-file"]);
    printed(&run(&["hub", "restore", "before.db", "--backup-key-file", &old], &[]));
    assert_eq!(key(), after);
    assert_contains(&printed(&run(&export, &[])), &["s3cr3t"]);
    Hub::start(folder.path()).stop();
}

#[tokio::test]
async fn hubs_on_postgres_get_a_new_key_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (url, old) = (crate::postgres::fresh_database().await, "5e".repeat(32));
    let with_old = [("DATABASE_URL", url.as_str()), ("HUB_KEY", old.as_str())];
    let rotate = ["hub", "key", "rotate-secrets", "--new-key-file", "new.key"];
    let run = |args: &[&str], variables: &[(&str, &str)]| run_with(folder.path(), args, variables, "");
    let hub = Hub::start_with(folder.path(), &with_old);
    let token = printed(&run(&["hub", "token", "create", "--name", "probe-1"], &with_old));
    assert_contains(&refusal(&run(&rotate, &with_old)), &["hubs use the database", "Stop all hubs"]);
    hub.stop();
    assert_contains(&refusal(&run(&rotate[..3], &with_old)), &["--new-key-file", "NEW_HUB_KEY"]);
    let told = run(&rotate, &with_old);
    let shown = printed(&told) + &text(&told.stderr);
    assert_contains(&shown, &["of DATABASE_URL", "HUB_KEY_FILE=new.key"]);
    let new = fs::read_to_string(folder.path().join("new.key")).unwrap();
    assert!(!shown.contains(new.trim()) && !shown.contains(&old));
    assert_eq!(crate::mode(&folder.path().join("new.key")), 0o600);

    let refused = refusal(&run(&["hub"], &[with_old[0], with_old[1], ("SERVER_PORT", "0")]));
    assert_contains(&refused, &["made with another hub key"]);
    assert_contains(&refusal(&run(&rotate, &with_old)), &["has the new key already"]);
    let hub = Hub::start_with(folder.path(), &[with_old[0], ("HUB_KEY_FILE", "new.key")]);
    let (status, answer) = hub.get("/peers", &[("x-node-token", token.trim())]);
    assert_eq!(status, 200, "{answer}");
    hub.stop();
}
