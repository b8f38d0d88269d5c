use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use easytier_uptime_store::{
    Location, Store, StoreError, StoreOptions, backup,
    domain::{PageRequest, RecordFilter},
};

use crate::support::{Engine, NOW, TestStore, online, spec};

fn database(hub: &TestStore) -> &Path {
    let Location::Sqlite(path) = &hub.options.location else { panic!("it is a file") };
    path
}

/// The names of the files that begin with `start`.
fn names(hub: &TestStore, start: &str) -> Vec<String> {
    let entries = fs::read_dir(hub.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(start)).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_complete_database() {
    let hub = TestStore::new(Engine::Sqlite).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let file = hub.folder.path().join("backup.db");
    backup(database(&hub), &file).await.unwrap();
    assert!(matches!(backup(database(&hub), &file).await, Err(StoreError::File { .. })), "a backup overwrites nothing");
    hub.add_peer(&spec("tcp://192.0.2.2:11010"), NOW).await.unwrap();

    let options = StoreOptions { location: Location::Sqlite(file.clone()), ..hub.options.clone() };
    let copy = Store::open(options, NOW).await.unwrap();
    let records = copy.health_records(peer, &RecordFilter::default(), PageRequest::default(), NOW).await.unwrap();
    assert_eq!(records.total, 1);
    assert_eq!(copy.export_peers().await.unwrap().len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in [file, hub.folder.path().join("uptime.db"), hub.folder.path().join("uptime.db-wal")] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_backup_left_does_not_prevent_the_next_and_is_removed() {
    let hub = TestStore::new(Engine::Sqlite).await;
    let file = hub.folder.path().join("backup.db");
    // As earlier versions left it, and as this one does; the second may still be written to.
    let [old, killed, running] = ["", ".0c0ffee0000040008000000000000001", ".0c0ffee0000040008000000000000002"]
        .map(|unique| hub.folder.path().join(format!("backup.db{unique}.part")));
    for draft in [&old, &killed, &running] {
        fs::write(draft, "half a copy").unwrap();
    }
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3601);
    for draft in [&old, &killed] {
        File::options().write(true).open(draft).unwrap().set_modified(an_hour_ago).unwrap();
    }
    backup(database(&hub), &file).await.unwrap();
    let left = ["backup.db", "backup.db.0c0ffee0000040008000000000000002.part", "backup.db.part"];
    assert_eq!(names(&hub, "backup.db"), left);
    assert_eq!(fs::read(&running).unwrap(), b"half a copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_to_one_file_at_the_same_time_make_one_complete_copy() {
    let hub = TestStore::new(Engine::Sqlite).await;
    hub.add("tcp://192.0.2.1:11010").await;
    let file = hub.folder.path().join("backup.db");
    let copied = futures::future::join_all((0..4).map(|_| backup(database(&hub), &file))).await;
    assert_eq!(copied.iter().filter(|copied| copied.is_ok()).count(), 1, "{copied:?}");
    assert_eq!(names(&hub, "backup.db"), ["backup.db"]);
    let options = StoreOptions { location: Location::Sqlite(file), ..hub.options.clone() };
    assert_eq!(Store::open(options, NOW).await.unwrap().export_peers().await.unwrap().len(), 1);
}
