use easytier_uptime_store::domain::{Coverage, MaintenanceSpec, PeerId, Schedule, ScheduleText, SyncedMaintenance};
use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{super::wire::tests::add_unknown_fields, *};

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(5));

/// A key pair of these tests.
fn key() -> SealingKey {
    let public = "d831bedc1cb95809e6e0c32fb71d720a4731fed832488e71e88ac4f669bce54c";
    SealingKey {
        public: data_encoding::HEXLOWER.decode(public.as_bytes()).unwrap().try_into().unwrap(),
        private: "605a1326ea55b10bd66880080739d88234d6c944f7d733d4770169bbcd7c2b52".into(),
    }
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..4_000_000_000_000).prop_map(Timestamp)
}

const URLS: [&str; 4] =
    ["tcp://192.0.2.1:11010", "ws://a.example:1/path", "https://a.example/list?token=s3cret", "txt://b.example"];

fn url() -> impl Strategy<Value = PeerUrl> {
    proptest::sample::select(&URLS[..]).prop_map(|url| url.parse().unwrap())
}

fn contacts() -> impl Strategy<Value = Contacts> {
    let one = || option::of(".{0,5}");
    (one(), one(), one()).prop_map(|(qq_number, wechat, mail)| Contacts { qq_number, wechat, mail })
}

fn labels_of<T: std::str::FromStr + Ord + std::fmt::Debug>() -> impl Strategy<Value = BTreeSet<T>> {
    vec("[a-z]{1,4}", 0..3).prop_map(|names| labels(&names).expect("they are valid"))
}

prop_compose! {
    fn spec()(
        (name, description, network_name) in (".{0,9}", ".{0,9}", option::of(".{0,5}")),
        (network_secret, handshake, timeout) in (option::of(".{0,5}"), any::<bool>(), option::of(0u64..1_000_000)),
        (url, contacts, tags, regions) in (url(), contacts(), labels_of(), labels_of()),
        (allow_relay, max_connections) in (any::<bool>(), any::<u32>()),
    ) -> PeerSpec {
        PeerSpec {
            name,
            description,
            network_name,
            network_secret: network_secret.map(Secret::from),
            mode: if handshake { CheckMode::Handshake } else { CheckMode::Full },
            timeout: timeout.map(std::time::Duration::from_millis),
            allow_relay,
            max_connections,
            tags,
            regions,
            contacts,
            ..PeerSpec::new(url)
        }
    }
}

prop_compose! {
    fn peer()(
        (id, spec, approved, submitted) in (any::<i64>(), spec(), any::<bool>(), any::<bool>()),
        (created_at, updated_at, target_since, target_version) in (time(), time(), time(), any::<i64>()),
    ) -> Content {
        Content::Peer(Box::new(SyncedPeer {
            id, spec, approved, submitted, created_at, updated_at, target_since, target_version,
        }))
    }
}

prop_compose! {
    fn credential()(
        (kind, name, hash, server_id, region) in ("[a-z]{1,9}", ".{0,9}", "[0-9a-f]{64}", option::of(".{1,9}"), option::of(".{1,9}")),
        (created_at, revoked_at, expires_at) in (time(), option::of(time()), option::of(time())),
        (max_uses, uses, enrolled_by) in (option::of(any::<i64>()), any::<i64>(), option::of("[0-9a-f]{16}")),
        scopes in "[a-z]{1,9}(,[a-z]{1,9}){0,2}",
    ) -> Content {
        Content::Credential(Box::new(SyncedCredential {
            kind, name, hash: hash.into(), server_id, region, created_at, revoked_at, expires_at, max_uses, uses, enrolled_by,
            scopes,
        }))
    }
}

prop_compose! {
    fn channel()(
        (id, name, kind, enabled) in (any::<i64>(), ".{0,9}", "[a-z]{1,9}", any::<bool>()),
        (config, created_at, updated_at) in ("s3cret.{0,9}", time(), time()),
    ) -> Content {
        Content::Channel(Box::new(SyncedChannel { id, name, kind, enabled, config: config.into(), created_at, updated_at }))
    }
}

const RULES: [Option<&str>; 3] = [None, Some("FREQ=DAILY;COUNT=3"), Some("FREQ=WEEKLY;BYDAY=SU")];
const ZONES: [&str; 2] = ["UTC", "Europe/Berlin"];

prop_compose! {
    fn window()(
        (title, title_zh, all, nodes) in (".{0,9}", option::of(".{0,9}"), any::<bool>(), vec(any::<i64>(), 0..3)),
        (tags, regions, minutes) in (labels_of(), labels_of(), 1u32..999),
        (rule, zone) in (proptest::sample::select(&RULES[..]), proptest::sample::select(&ZONES[..])),
        (ended_at, created_at, updated_at) in (option::of(time()), time(), time()),
    ) -> Content {
        let text = ScheduleText {
            start: "2027-01-31T02:00".into(), time_zone: zone.into(), minutes, rrule: rule.map(Into::into), until: None,
        };
        let coverage = Coverage { all, peers: nodes.into_iter().map(PeerId).collect(), tags, regions };
        let spec = MaintenanceSpec { title, title_zh, coverage, schedule: Schedule::parse(&text).expect("it is valid") };
        Content::Maintenance(Box::new(SyncedMaintenance { spec, ended_at, created_at, updated_at }))
    }
}

fn content() -> impl Strategy<Value = Content> {
    let probe = (".{0,9}", any::<bool>(), time())
        .prop_map(|(region, named, created_at)| Content::Probe(SyncedProbe { region, named, created_at }));
    prop_oneof![
        peer(),
        credential(),
        channel(),
        window(),
        probe,
        Just(Content::Region),
        any::<i64>().prop_map(Content::Setting)
    ]
}

fn kind() -> impl Strategy<Value = ObjectKind> {
    proptest::sample::select(&ObjectKind::ALL[..])
}

fn objects() -> impl Strategy<Value = Vec<SyncedObject>> {
    let state = prop_oneof![
        content().prop_map(|content| (content.kind(), ObjectState::Present(content))),
        (kind(), time()).prop_map(|(kind, at)| (kind, ObjectState::Deleted(at))),
    ];
    let one = (".{1,9}", any::<i64>(), any::<i64>(), state).prop_map(|(uid, epoch, counter, (kind, state))| {
        SyncedObject { key: ObjectKey { kind, uid }, version: ObjectVersion { epoch, counter }, state }
    });
    vec(one, 0..9).prop_map(|objects| {
        let by_key: BTreeMap<ObjectKey, SyncedObject> =
            objects.into_iter().map(|object| (object.key.clone(), object)).collect();
        by_key.into_values().collect()
    })
}

prop_compose! {
    fn config()(
        (epoch, version, highest_peer_id, more) in (any::<i64>(), any::<i64>(), any::<i64>(), any::<bool>()),
        (instance, last_modified, objects) in (option::of(any::<u128>()), option::of(time()), objects()),
        seen in vec((any::<u128>(), any::<i64>()), 0..3),
    ) -> SharedConfig {
        let instance_id = |id: u128| easytier_uptime_store::domain::InstanceId(Uuid::from_u128(id));
        SharedConfig {
            version: ConfigVersion { epoch, version },
            instance: instance.map(instance_id),
            own: objects.iter().step_by(2).map(|object| object.key.clone()).collect(),
            last_modified,
            highest_peer_id,
            seen: seen.into_iter().map(|(id, counter)| (instance_id(id), counter)).collect(),
            more,
            objects,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_configuration_arrives_as_it_was_sent_whatever_else_is_in_the_document(config in config()) {
        let sent = configuration(&config, CLUSTER, &key().public).unwrap();
        let mut document = serde_json::to_value(&sent).unwrap();
        let again: Configuration = serde_json::from_str(&document.to_string()).unwrap();
        prop_assert_eq!(&serde_json::to_value(&again).unwrap(), &document);
        prop_assert_eq!(&shared_config(&again, &key()).unwrap(), &config);

        add_unknown_fields(&mut document);
        document["globalSettings"]["of_tomorrow"] = json!({ "x": 1 });
        document["own"].as_array_mut().unwrap().push(json!({ "kind": "of tomorrow", "uid": "x" }));
        let deleted = json!({ "kind": "of tomorrow", "uid": "x", "deletedAt": "2026-11-25T12:00:00Z", "version": { "epoch": 1, "counter": 1 } });
        document["deleted"].as_array_mut().unwrap().push(deleted);
        let of_tomorrow: Configuration = serde_json::from_value(document).unwrap();
        prop_assert_eq!(&shared_config(&of_tomorrow, &key()).unwrap(), &config);
    }

    #[test]
    fn no_secret_is_readable(config in config()) {
        let document = serde_json::to_value(configuration(&config, CLUSTER, &key().public).unwrap()).unwrap();
        let text = Value::to_string(&document);
        prop_assert!(!text.contains("s3cret"));
        for object in &config.objects {
            if let ObjectState::Present(Content::Credential(credential)) = &object.state {
                prop_assert!(!text.contains(credential.hash.expose()));
            }
        }
    }
}
