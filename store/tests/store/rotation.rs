//! A new key for a database: what was encrypted with the old one reads as before, and nothing opens with the old one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use easytier_probe::Secret;
use easytier_uptime_store::{
    HubKey, KeyedTexts, Location, MailboxHashes, Refusal, Store, StoreError, StoreOptions,
    domain::{
        ChannelSpec, ControlAddress, DAY, NewDelivery, NewManagedProbe, PageRequest, PeerOrder, PlanStep, SourceSpec,
        SubscriptionLimits, SubscriptionRequest,
    },
    key_file, new_key_of, rotate_key,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use uuid::Uuid;

use crate::{
    support::{Engine, NOW, TestStore, on_both_engines, postgres::fresh_database, spec},
    upgrade::Connected,
};

on_both_engines! {
    nothing_opens_with_the_old_key_and_everything_reads_as_before,
    a_database_that_a_hub_uses_keeps_its_key,
    a_damaged_value_is_named_and_nothing_is_changed,
}

/// The old key and the new one, as hexadecimal digits.
const KEYS: [&str; 2] = ["0f", "e1"];

/// Where values are encrypted with the hub's key, and to which place each is bound.
const SEALED: &[(&str, &str)] = &[
    ("channels.config", "channels.config"),
    ("instance.private_key", "instance.private_key"),
    ("instance.token", "instance.token"),
    ("managed_probes.enrollment", "managed_probes.enrollment"),
    ("managed_probes.token", "managed_probes.token"),
    ("peers.network_secret", "peers.network_secret"),
    ("settings.value", "colour"),
    ("settings.value", "settings.key_check"),
    ("sources.url", "sources.url"),
    ("submissions.network_secret", "peers.network_secret"),
    ("subscribers.address", "subscribers.address"),
];

/// The columns of bytes that have nothing to do with the key. A new column of bytes belongs to these, or to those above.
const NOT_SEALED: &[&str] = &[
    "_sqlx_migrations.checksum",
    "appends.packed",
    "credentials.hash",
    "instance_tokens.hash",
    "latest.result_id",
    "parked.result_id",
    "requested_checks.id",
    "requested_runs.check_id",
    "results.result_id",
    "rings.counts",
    "sessions.hash",
    "sessions.id",
];

/// Those that hold hashes with the key.
const HASHED: &[&str] = &["synced_objects.digest"];

fn key(digits: &str) -> HubKey {
    HubKey::from_hex(&digits.repeat(32)).unwrap()
}

struct Texts;

impl KeyedTexts for Texts {
    fn mailbox(&self, key: &HubKey, address: &Secret) -> Option<MailboxHashes> {
        let hash = |place| Uuid::from_slice(&key.keyed_hash(place, address.expose().as_bytes())[..16]).unwrap();
        Some(MailboxHashes { mailbox: hash("mailbox"), owner: hash("owner") })
    }

    fn message(&self, message: &str, _: &HubKey, _: &HubKey, mailbox: Option<(Uuid, Uuid)>) -> String {
        match mailbox {
            Some((was, is)) => message.replace(&was.to_string(), &is.to_string()),
            None => message.replace("old", "new"),
        }
    }
}

/// A database with the old key.
async fn with_old_key(hub: &TestStore) -> StoreOptions {
    let location = match hub.engine() {
        Engine::Sqlite => Location::Sqlite(hub.folder.path().join("keyed.db")),
        Engine::Postgres => Location::Postgres(fresh_database().await.into()),
    };
    StoreOptions { location, key: key(KEYS[0]), ..hub.options.clone() }
}

/// Something of each kind that is encrypted or hashed with the key.
async fn fill(hub: &Store) {
    let mut member = spec("tcp://192.0.2.1:11010");
    (member.network_name, member.network_secret) = (Some("home".into()), Some("a secret of a network".into()));
    let peer = hub.add_peer(&member, NOW).await.unwrap();
    hub.submit(&member, 9, NOW).await.unwrap().unwrap();
    let config = r#"{"settings":{"token":"a secret of a channel"}}"#;
    let channel = ChannelSpec { name: "ops".into(), kind: "webhook".into(), enabled: true, config: config.into() };
    let channel = hub.add_channel(&channel, NOW).await.unwrap();
    let url = "https://example.net/list?token=a-secret-of-a-list".into();
    let every = Duration::from_secs(600);
    hub.add_source(&SourceSpec { name: "list".into(), url, every, trusted: false }, NOW).await.unwrap();
    let address =
        ControlAddress { host: "http://192.0.2.7".to_owned(), port: 8080, token: "a secret of a probe".into() };
    let managed = NewManagedProbe {
        server_id: "p".to_owned(),
        region: "eu".parse().unwrap(),
        address: Some(address),
        settings: BTreeMap::new(),
        has_backend: false,
    };
    hub.manage_probe(&managed, NOW).await.unwrap();
    let address = Secret::from("reader@example.net");
    let MailboxHashes { mailbox, owner } = Texts.mailbox(&key(KEYS[0]), &address).unwrap();
    let request = SubscriptionRequest {
        mailbox,
        owner,
        network: Uuid::from_u128(1),
        address,
        language: "en".to_owned(),
        peer,
        mail: Uuid::from_u128(2),
        message: format!("{{\"of\":\"{mailbox}\"}}"),
    };
    let limits = SubscriptionLimits { owners_per_network: 3, mailboxes: 6, nodes: 2, quiet: DAY };
    assert!(hub.ask_for_subscription(&request, &limits, NOW).await.unwrap());
    let delivery = NewDelivery { id: Uuid::from_u128(3), channel, message: r#"{"link":"old"}"#.into() };
    let plan = hub.alert_news(1).await.unwrap().unwrap().plan;
    let step = PlanStep {
        plan,
        changed: vec![],
        removed: vec![],
        ended: vec![],
        deliveries: vec![delivery],
        visitors: Default::default(),
    };
    hub.store_plan_step(0, &step, NOW).await.unwrap();
    hub.put_secret("colour", &"a secret of a program".into()).await.unwrap();
    hub.sealing_key().await.unwrap();
    hub.join(&crate::support::leadership(1, 1, 1), &"a secret of a primary".into()).await.unwrap();
    hub.shared_config(NOW).await.unwrap();
}

/// What the secrets are, through the store.
async fn reads(hub: &Store, with: &HubKey) -> Vec<String> {
    let peers = hub.export_peers().await.unwrap();
    let waiting = hub.submissions(&Default::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap();
    let secret = |one: Option<Secret>| one.map(|secret| secret.expose().to_owned()).unwrap_or_default();
    let mailbox = Texts.mailbox(with, &"reader@example.net".into()).unwrap().mailbox;
    let managed = hub.fleet().await.unwrap().remove(0);
    let address = hub.subscriber(mailbox, NOW).await.unwrap().map(|known| known.address);
    vec![
        secret(peers[0].spec.network_secret.clone()),
        secret(waiting.items[0].spec.network_secret.clone()),
        secret(Some(hub.alert_channels().await.unwrap().remove(0).spec.config)),
        secret(Some(hub.sources().await.unwrap().remove(0).spec.url)),
        secret(managed.token),
        secret(managed.enrollment),
        secret(address),
        secret(hub.secret("colour").await.unwrap()),
        secret(Some(hub.sealing_key().await.unwrap().private)),
        secret(hub.primary_token().await.unwrap().map(|(_, token)| token)),
        // Nothing looks changed to other instances.
        format!("{:?}", hub.shared_config(NOW).await.unwrap()),
    ]
}

/// The columns with values that open with a key, each with the place that the value is bound to.
async fn opened(location: &Location, digits: &str) -> BTreeSet<(String, String)> {
    let mut database = Connected::to(location).await;
    let columns = database.columns().await;
    let names: Vec<String> = database.texts("SELECT key FROM settings".to_owned()).await;
    let mut places: Vec<String> = names.iter().flat_map(|name| [name.clone(), format!("settings.{name}")]).collect();
    let of_table = |(table, columns): (&String, &Vec<String>)| {
        columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>()
    };
    places.extend(columns.iter().flat_map(of_table));
    let cipher =
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[u8::from_str_radix(digits, 16).unwrap(); 32]).unwrap());
    let opens = |value: &[u8], place: &str| {
        let (nonce, sealed) = value.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        cipher.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed.to_vec()).ok().map(drop)
    };
    let mut found = BTreeSet::new();
    for (table, names) in &columns {
        for name in names {
            let one = BTreeMap::from([(table.clone(), vec![name.clone()])]);
            for value in database.rows(&one).await.remove(table).unwrap().iter().filter_map(|text| bytes(text)) {
                let place = places.iter().find(|place| opens(&value, place).is_some());
                found.extend(place.map(|place| (format!("{table}.{name}"), place.clone())));
            }
        }
    }
    found
}

/// Bytes, or hexadecimal digits in a text, as the databases show them.
fn bytes(shown: &str) -> Option<Vec<u8>> {
    let digits = shown.trim_start_matches("\\x").trim_start_matches('X').trim_matches('\'');
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().filter(|bytes| bytes.len() > 28)
}

async fn nothing_opens_with_the_old_key_and_everything_reads_as_before(hub: TestStore) {
    let mut options = with_old_key(&hub).await;
    let sealed: BTreeSet<(String, String)> =
        SEALED.iter().map(|(column, place)| ((*column).to_owned(), (*place).to_owned())).collect();
    let store = Store::open(options.clone(), NOW).await.unwrap();
    fill(&store).await;
    let before = reads(&store, &options.key).await;
    assert!(before.iter().all(|text| !text.is_empty()), "{before:?}");
    store.close().await;
    assert_eq!(opened(&options.location, KEYS[0]).await, sealed, "the test fills each of them, and knows all");

    let mut database = Connected::to(&options.location).await;
    let known = SEALED.iter().map(|(column, _)| column).chain(NOT_SEALED).chain(HASHED);
    let known: BTreeSet<String> = known.map(|column| (*column).to_owned()).collect();
    for column in database.columns_of_bytes().await {
        assert!(known.contains(&column), "{column}: is it encrypted with the hub's key? rotate_key has to know then");
    }
    let digests = "SELECT uid FROM synced_objects WHERE digest IS NOT NULL ORDER BY uid";
    assert!(!database.texts(digests.to_owned()).await.is_empty());
    let cipher_of_peer = match hub.engine() {
        Engine::Sqlite => database.texts("SELECT quote(network_secret) FROM peers".to_owned()).await,
        Engine::Postgres => database.texts("SELECT network_secret::text FROM peers".to_owned()).await,
    };
    database.close().await;

    let new = key(KEYS[1]);
    rotate_key(options.clone(), &new, false, &Texts, NOW).await.unwrap();
    assert_eq!(opened(&options.location, KEYS[0]).await, BTreeSet::new());
    assert_eq!(opened(&options.location, KEYS[1]).await, sealed);
    if let Location::Sqlite(path) = &options.location {
        let (old, file) = (bytes(&cipher_of_peer[0]).unwrap(), fs::read(path).unwrap());
        assert!(!file.windows(old.len()).any(|part| part == old), "what was overwritten is not in the file");
    }
    let refused = Store::open(options.clone(), NOW).await.map(drop);
    assert!(matches!(refused, Err(StoreError::WrongHubKey(_))), "{refused:?}");

    options.key = new.clone();
    let store = Store::open(options, NOW).await.unwrap();
    assert_eq!(reads(&store, &new).await, before);
    let mail = store.claim_mails(Duration::from_secs(60), 9, NOW).await.unwrap();
    assert!(mail.is_empty(), "a dependent sends none");
    let waiting = store.deliveries(None, None, 1).await.unwrap().remove(0).message;
    assert_eq!(waiting, r#"{"link":"new"}"#);
    store.close().await;
}

async fn a_database_that_a_hub_uses_keeps_its_key(hub: TestStore) {
    let options = with_old_key(&hub).await;
    let running = Store::open(options.clone(), NOW).await.unwrap();
    running.put_secret("colour", &"green".into()).await.unwrap();
    let refused = rotate_key(options.clone(), &key(KEYS[1]), false, &Texts, NOW).await;
    match (hub.engine(), &refused) {
        (Engine::Sqlite, Err(StoreError::Refused(Refusal::InUse(_)))) => {}
        (Engine::Postgres, Err(StoreError::Refused(Refusal::HubsRun(hubs)))) => assert_eq!(hubs.len(), 1),
        _ => panic!("{refused:?}"),
    }
    if hub.engine() == Engine::Postgres {
        // One that hangs is connected, though it has not told for long that it runs.
        let mut database = Connected::to(&options.location).await;
        database.run("UPDATE hubs SET seen_at = 1").await;
        let refused = rotate_key(options.clone(), &key(KEYS[1]), false, &Texts, NOW).await;
        let Err(StoreError::Refused(Refusal::HubsRun(hubs))) = &refused else { panic!("{refused:?}") };
        assert!(hubs[0].to_string().ends_with(", which does not respond"), "{}", hubs[0]);
    }
    assert_eq!(running.secret("colour").await.unwrap(), Some("green".into()));
    running.close().await;
    rotate_key(options, &key(KEYS[1]), false, &Texts, NOW).await.unwrap();
}

async fn a_damaged_value_is_named_and_nothing_is_changed(hub: TestStore) {
    let options = with_old_key(&hub).await;
    let store = Store::open(options.clone(), NOW).await.unwrap();
    fill(&store).await;
    store.close().await;
    let mut database = Connected::to(&options.location).await;
    let damage = match hub.engine() {
        Engine::Sqlite => "UPDATE submissions SET network_secret = x'0102'",
        Engine::Postgres => "UPDATE submissions SET network_secret = '\\x0102'",
    };
    database.run(damage).await;
    let columns = database.columns().await;
    let before = database.rows(&columns).await;
    let refused = rotate_key(options.clone(), &key(KEYS[1]), false, &Texts, NOW).await.map(drop);
    let Err(StoreError::Undecryptable(what)) = refused else { panic!("{refused:?}") };
    assert_eq!(what, "peers.network_secret of 1");
    assert_eq!(database.rows(&columns).await, before);
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn digits(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap().trim()[..2].to_owned()
}

/// The key in the file beside the database, wherever a rotation was interrupted.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_leaves_a_database_and_a_key_that_fit() {
    let hub = TestStore::new(Engine::Sqlite).await;
    let mut options = with_old_key(&hub).await;
    let Location::Sqlite(database) = options.location.clone() else { panic!("it is a file") };
    let folder = hub.folder.path();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("keyed.db.key", &KEYS[0].repeat(32));
    Store::open(options.clone(), NOW).await.unwrap().close().await;

    // It ended while it wrote the new key, or before the database was changed.
    for unused in [&KEYS[1].repeat(32), "e1e1"] {
        write("keyed.db.key.new", unused);
        assert!(new_key_of(&database).await.is_none());
        Store::open(options.clone(), NOW).await.unwrap().close().await;
        assert!(!folder.join("keyed.db.key.new").exists(), "a hub that starts removes it");
    }
    assert_eq!(digits(folder, "keyed.db.key"), KEYS[0]);

    // It ended after the database was changed, and before the file took the place of the old one.
    rotate_key(options.clone(), &key(KEYS[1]), false, &Texts, NOW).await.unwrap();
    write("keyed.db.key.new", &KEYS[1].repeat(32));
    options.key = new_key_of(&database).await.expect("the database was made with it");
    assert!(options.key == key(KEYS[1]));
    // A command uses it, and changes nothing.
    let command = StoreOptions { access: easytier_uptime_store::Access::Change, ..options.clone() };
    Store::open(command, NOW).await.unwrap().close().await;
    assert_eq!(digits(folder, "keyed.db.key"), KEYS[0]);
    Store::open(options.clone(), NOW).await.unwrap().close().await;
    let aside = format!("keyed.db.key.replaced-{}", NOW.0);
    assert_eq!((digits(folder, "keyed.db.key"), digits(folder, &aside)), (KEYS[1].to_owned(), KEYS[0].to_owned()));

    // As it goes without a crash; and another rotation ends one that was interrupted.
    let later = NOW + Duration::from_secs(1);
    let aside = rotate_key(options.clone(), &key("3c"), true, &Texts, later).await.unwrap().expect("there was one");
    assert_eq!(aside, folder.join(format!("keyed.db.key.replaced-{}", later.0)));
    assert_eq!(HubKey::from_file(&key_file(&database)).unwrap(), key("3c"));
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(key_file(&database)).unwrap().permissions()) & 0o777,
        0o600
    );
    assert!(!names(folder).contains("keyed.db.key.new"));
}
