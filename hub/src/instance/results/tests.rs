use easytier_uptime_store::domain::Timestamp;
use proptest::{option, prelude::*};

use super::{super::wire::tests::add_unknown_fields, *};

/// Numbers that JSON keeps exactly.
fn millis() -> impl Strategy<Value = f64> {
    (1u32..28_800_000).prop_map(|eighths| f64::from(eighths) / 8.0)
}

const STATUSES: [Status; 3] = [Status::Online, Status::Offline, Status::Unknown];

const STAGES: [Stage; 5] = [Stage::Resolve, Stage::Connect, Stage::Handshake, Stage::Ping, Stage::Route];

const CODES: [&str; 5] = ["dns_failed", "connect_refused", "ping_timeout", "probe_unreachable", "internal"];

fn code() -> impl Strategy<Value = FailureCode> {
    proptest::sample::select(&CODES[..]).prop_map(|code| serde_json::from_value(code.into()).unwrap())
}

prop_compose! {
    fn foreign()(
        (server_id, region, peer_uid, protocol) in ("[a-z][a-z0-9 -]{0,8}[a-z]", "[a-z]{1,9}", "[0-9a-f]{1,9}", "[a-z]{0,5}"),
        (check_interval, id, peer_id, at) in (option::of(0u64..1_000_000), any::<u128>(), any::<i64>(), 0i64..4_000_000_000_000),
        (status, stage) in (
            proptest::sample::select(&STATUSES[..]),
            proptest::sample::select(&STAGES[..]),
        ),
        (checks, healthy, network_count) in (any::<u32>(), option::of(any::<u32>()), option::of(any::<u32>())),
        (response_time, min_ms, max_ms) in (option::of(millis()), option::of(millis()), option::of(millis())),
        (error, message, version, hostname) in (option::of(code()), option::of(".{0,9}"), option::of(".{0,9}"), option::of(".{0,9}")),
    ) -> ForeignResult {
        ForeignResult {
            server_id,
            region: region.parse().unwrap(),
            peer_uid,
            check_interval: check_interval.map(Duration::from_millis),
            protocol,
            result: CheckResult {
                id: Uuid::from_u128(id),
                peer_id,
                checked_at: Timestamp(at).into(),
                checks,
                healthy,
                status,
                // One that found the peer online has a latency or none; others may have one of earlier checks.
                response_time,
                min_ms,
                max_ms,
                stage,
                error,
                message,
                version,
                hostname,
                network_count,
                relay: None,
                relay_error: None,
                relay_ms: None,
                certificate_expires_at: None,
                listing: None,
            },
        }
    }
}

proptest! {
    #[test]
    fn a_result_arrives_as_it_was_sent_whatever_else_is_in_the_document(foreign in foreign(), from in any::<u128>()) {
        let sent = to_wire(&foreign, InstanceId(Uuid::from_u128(from)));
        let mut document = serde_json::to_value(&sent).unwrap();
        let again: MonitoringResult = serde_json::from_str(&document.to_string()).unwrap();
        prop_assert_eq!(&serde_json::to_value(&again).unwrap(), &document);
        prop_assert_eq!(&from_wire(&again, "sender").unwrap(), &foreign);

        add_unknown_fields(&mut document);
        document["metadata"]["of_tomorrow"] = serde_json::json!([1]);
        let of_tomorrow: MonitoringResult = serde_json::from_value(document).unwrap();
        prop_assert_eq!(&from_wire(&of_tomorrow, "sender").unwrap(), &foreign);
    }

    /// Other programs put anything there.
    #[test]
    fn metadata_of_another_form_is_ignored(foreign in foreign(), absurd in prop_oneof![
        Just(serde_json::json!(1e300)), Just(serde_json::json!(-1)), Just(serde_json::json!([{}])), Just(serde_json::json!(null)),
    ]) {
        let mut sent = to_wire(&foreign, InstanceId(Uuid::nil()));
        for name in ["checks", "healthy", "network_count", "check_interval_ms", "stage", "error", "status", "region"] {
            sent.metadata.insert(name.into(), absurd.clone());
        }
        let taken = from_wire(&sent, "sender").unwrap();
        prop_assert_eq!((taken.result.checks, taken.result.healthy, taken.result.network_count), (1, None, None));
        prop_assert_eq!(taken.check_interval, None);
        let is_online = foreign.result.status == Status::Online;
        prop_assert_eq!(taken.result.status, if is_online { Status::Online } else { Status::Offline });
    }
}
