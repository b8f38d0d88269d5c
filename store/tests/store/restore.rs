//! A database that was restored from a backup.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use easytier_uptime_store::{
    Location, Refusal, RestoreError, Restored, Store, StoreError, StoreOptions, backup, damage,
    domain::{
        ChannelSpec, DeliveryState, InstanceId, Member, NewDelivery, PlanStep, Role, SubscriptionLimits,
        SubscriptionRequest,
    },
};
use uuid::Uuid;

use crate::support::{Engine, NOW, TestStore, on_both_engines, online};

on_both_engines! {
    a_restored_primary_begins_an_epoch_that_nobody_has_seen_and_asks_the_others_what_they_have,
    a_restored_primary_that_another_one_follows_keeps_its_epoch,
    no_row_of_results_is_used_again,
    a_position_of_the_time_before_a_restore_says_nothing,
    messages_that_waited_when_the_backup_was_made_are_not_sent,
}

const OTHER: InstanceId = InstanceId(Uuid::from_u128(7));

async fn a_restored_primary_begins_an_epoch_that_nobody_has_seen_and_asks_the_others_what_they_have(hub: TestStore) {
    hub.become_primary("hub-1", Some("http://192.0.2.1:3002/")).await.unwrap();
    hub.put_member(&Member { name: "hub-2".into(), ..Member::registering(OTHER, NOW) }).await.unwrap();
    let token = hub.issue_instance_token(OTHER, NOW).await.unwrap();
    let ready = hub.make_ready_after_restore(Some(4)).await.unwrap();
    assert_eq!((ready.role, ready.epoch), (Role::Primary, 5));
    let leader = ready.leader.unwrap();
    assert_eq!((leader.name.as_str(), leader.url.as_deref()), ("hub-1", Some("http://192.0.2.1:3002/")));
    // It registers again, and may hand in what it has.
    assert_eq!(hub.authenticate_instance(token.expose(), NOW).await.unwrap(), None);
    assert_eq!(hub.member(OTHER).await.unwrap().unwrap().role, Role::Primary);
    assert!(matches!(hub.make_ready_after_restore(Some(1 << 53)).await, Err(StoreError::Role(_))));
    assert_eq!(hub.instance().await.unwrap().epoch, 5);
}

async fn a_restored_primary_that_another_one_follows_keeps_its_epoch(hub: TestStore) {
    let standalone = hub.make_ready_after_restore(Some(0)).await.unwrap();
    assert_eq!((standalone.role, standalone.epoch), (Role::Standalone, 0));
    hub.become_primary("hub-1", None).await.unwrap();
    let ready = hub.make_ready_after_restore(None).await.unwrap();
    assert_eq!((ready.role, ready.epoch), (Role::Primary, 1));
}

async fn no_row_of_results_is_used_again(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.make_ready_after_restore(None).await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let before = hub.newest_result().await.unwrap();
    assert!(before > 1_000_000_000);
    hub.make_ready_after_restore(None).await.unwrap();
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    assert!(hub.newest_result().await.unwrap() > before + 1_000_000_000);
    hub.shared_config(NOW).await.unwrap();
    let (results, next) = hub.results_after(0, 1, false).await.unwrap();
    assert_eq!((results.len(), next), (1, before));
    let (results, next) = hub.results_after(next, 9, false).await.unwrap();
    assert_eq!((results.len(), next), (1, hub.newest_result().await.unwrap()));
}

async fn a_position_of_the_time_before_a_restore_says_nothing(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    hub.put_forwarded_row(1).await.unwrap();
    assert_eq!(hub.forwarded_row().await.unwrap(), 1);
    hub.put_forwarded_row(2).await.unwrap();
    assert_eq!(hub.forwarded_row().await.unwrap(), 0, "this database has one row");
}

async fn messages_that_waited_when_the_backup_was_made_are_not_sent(hub: TestStore) {
    let spec = ChannelSpec { name: "ops".into(), kind: "webhook".into(), enabled: true, config: "{}".into() };
    let channel = hub.add_channel(&spec, NOW).await.unwrap();
    let plan = hub.alert_news(1).await.unwrap().unwrap().plan;
    let delivery = NewDelivery { id: Uuid::from_u128(1), channel, message: "{}".into() };
    let step = PlanStep {
        plan,
        changed: vec![],
        removed: vec![],
        ended: vec![],
        deliveries: vec![delivery],
        visitors: Default::default(),
    };
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let request = SubscriptionRequest {
        mailbox: Uuid::from_u128(2),
        owner: Uuid::from_u128(3),
        network: Uuid::from_u128(4),
        address: "reader@example.net".into(),
        language: "en".to_owned(),
        peer,
        mail: Uuid::from_u128(5),
        message: "{}".to_owned(),
    };
    let limits =
        SubscriptionLimits { owners_per_network: 3, mailboxes: 6, nodes: 2, quiet: Duration::from_secs(86_400) };
    assert!(hub.ask_for_subscription(&request, &limits, NOW).await.unwrap());
    hub.make_ready_after_restore(Some(0)).await.unwrap();
    assert_eq!(hub.subscription_counts().await.unwrap().waiting, 0);
    assert!(hub.claim_deliveries(Duration::from_secs(60), NOW).await.unwrap().is_empty());
    assert_eq!(hub.deliveries(None, None, 1).await.unwrap()[0].state, DeliveryState::Dropped);
}

fn database(hub: &TestStore) -> PathBuf {
    let Location::Sqlite(path) = &hub.options.location else { panic!("it is a file") };
    path.clone()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn peers_in(file: &Path, hub: &TestStore) -> usize {
    let options = StoreOptions { location: Location::Sqlite(file.to_owned()), ..hub.options.clone() };
    let store = Store::open(options, NOW).await.unwrap();
    let peers = store.export_peers().await.unwrap().len();
    store.close().await;
    peers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_takes_the_place_of_the_database_which_is_kept() {
    let hub = TestStore::new(Engine::Sqlite).await;
    hub.add("tcp://192.0.2.1:11010").await;
    let (database, file) = (database(&hub), hub.folder.path().join("backup.db"));
    backup(&database, &file).await.unwrap();
    hub.add("tcp://192.0.2.2:11010").await;

    let refused = Restored::stage(&file, &database).await;
    assert!(matches!(refused, Err(RestoreError::Store(StoreError::Refused(Refusal::InUse(_))))), "{refused:?}");
    // As after kill -9: what was written last is in the log alone.
    let log = database.with_added_extension("kept");
    fs::copy(beside(&database, "-wal"), &log).unwrap();
    hub.close().await;
    let before = names(hub.folder.path());

    let given_up = Restored::stage(&file, &database).await.unwrap();
    assert_eq!(peers_in(given_up.copy(), &hub).await, 1);
    drop(given_up);
    assert_eq!(names(hub.folder.path()), before, "nothing is left of a copy that was given up");
    assert_eq!(peers_in(&database, &hub).await, 2);

    fs::rename(log, beside(&database, "-wal")).unwrap();
    let restored = Restored::stage(&file, &database).await.unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&database, Some(65_534), Some(65_534)).unwrap();
    }
    let aside = restored.put_in_place(NOW).unwrap().expect("there was one");
    if root {
        for end in ["", ".lock"] {
            let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(beside(&database, end)).unwrap());
            assert_eq!(owner, 65_534, "what root restores belongs to the hub: {end}");
        }
    }
    assert!(beside(&aside, "-wal").exists() && !beside(&database, "-wal").exists());
    assert_eq!(peers_in(&database, &hub).await, 1);
    assert_eq!(peers_in(&aside, &hub).await, 2);
    assert_eq!(peers_in(&file, &hub).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_is_refused_and_changes_nothing() {
    let hub = TestStore::new(Engine::Sqlite).await;
    for number in 0..200 {
        hub.add(&format!("tcp://192.0.2.1:{}", number + 1)).await;
    }
    let (database, folder) = (database(&hub), hub.folder.path().to_owned());
    let [good, empty, foreign, damaged, missing] =
        ["good.db", "empty.db", "foreign.db", "damaged.db", "missing.db"].map(|name| folder.join(name));
    backup(&database, &good).await.unwrap();
    hub.close().await;
    fs::write(&empty, "").unwrap();
    fs::write(&foreign, "a text that is no database at all").unwrap();
    let mut bytes = fs::read(&good).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0x5a);
    fs::write(&damaged, bytes).unwrap();
    let (before, content) = (names(&folder), fs::read(&database).unwrap());

    let refused = async |file: &Path| Restored::stage(file, &database).await.map(drop).unwrap_err();
    assert!(matches!(refused(&missing).await, RestoreError::Store(StoreError::File { .. })));
    assert!(matches!(refused(&empty).await, RestoreError::Empty(_)));
    assert!(matches!(refused(&foreign).await, RestoreError::Store(StoreError::Refused(Refusal::Foreign(_)))));
    let words = refused(&damaged).await;
    assert!(matches!(words, RestoreError::Damaged { .. }), "{words:?}");
    assert_eq!(damage(&good).await.unwrap(), Vec::<String>::new());
    assert!(!damage(&damaged).await.unwrap_or_else(|error| vec![error.to_string()]).is_empty());
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read(&database).unwrap(), content);
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}
