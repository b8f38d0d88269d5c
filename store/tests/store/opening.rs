use easytier_uptime_store::{
    HubKey, Location, Store, StoreError, StoreOptions,
    domain::{PageRequest, RecordFilter},
};

use crate::support::{Engine, NOW, TestStore, on_both_engines, online, spec};

on_both_engines! {
    hubs_that_start_at_the_same_time_all_open_an_empty_database,
    another_key_does_not_open_the_database,
    the_database_responds_until_it_is_closed,
    a_secret_is_stored_under_its_name_until_it_is_replaced,
    a_backup_is_a_complete_database,
}

async fn hubs_that_start_at_the_same_time_all_open_an_empty_database(hub: TestStore) {
    let location = match hub.engine() {
        Engine::Sqlite => Location::Sqlite(hub.folder.path().join("another.db")),
        Engine::Postgres => Location::Postgres(crate::support::postgres::fresh_database().await.into()),
    };
    let options = StoreOptions::new(location, HubKey::generate());
    let open = || Store::open(options.clone(), NOW);
    for store in futures::future::join_all((0..8).map(|_| open())).await {
        store.unwrap().ping().await.unwrap();
    }
}

async fn another_key_does_not_open_the_database(hub: TestStore) {
    let options = StoreOptions { key: HubKey::generate(), ..hub.options.clone() };
    assert!(matches!(Store::open(options, NOW).await, Err(StoreError::WrongHubKey(_))));
    hub.second_hub().await.unwrap();
}

async fn the_database_responds_until_it_is_closed(hub: TestStore) {
    hub.ping().await.unwrap();
    hub.close().await;
    assert!(hub.ping().await.is_err());
}

async fn a_secret_is_stored_under_its_name_until_it_is_replaced(hub: TestStore) {
    assert_eq!(hub.secret("colour").await.unwrap(), None);
    hub.put_secret("colour", &"green".into()).await.unwrap();
    hub.put_secret("colour", &"blue".into()).await.unwrap();
    assert_eq!(hub.second_hub().await.unwrap().secret("colour").await.unwrap(), Some("blue".into()));
}

async fn a_backup_is_a_complete_database(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let file = hub.folder.path().join("backup.db");
    if hub.engine() == Engine::Postgres {
        assert!(matches!(hub.backup(&file).await, Err(StoreError::SqliteOnly(_))));
        return;
    }
    hub.backup(&file).await.unwrap();
    assert!(matches!(hub.backup(&file).await, Err(StoreError::File { .. })), "a backup overwrites nothing");
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
