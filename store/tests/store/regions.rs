//! Regions: the list, another name, the end.

use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        AuditFilter, AuditKind, Caller, ChannelSpec, Coverage, CredentialKind, EnrollmentLimits, MaintenanceSpec,
        NodeFilter, PageRequest, PeerOrder, PeerScope, PeerSpec, RegionOverview, Schedule, ScheduleText,
    },
};
use serde_json::json;

use crate::support::{NOW, TestStore, on_both_engines, online, region, seconds, spec};

on_both_engines! {
    a_list_of_regions_counts_what_belongs_to_each,
    whatever_belongs_to_a_region_stays_with_it_when_it_is_renamed,
    a_region_is_known_by_the_name_that_it_had_until_that_lapses,
    a_region_is_not_renamed_to_another_one_or_in_a_cluster,
    a_region_that_is_in_use_is_not_removed,
    a_removed_region_leaves_nothing,
}

fn in_eu(url: &str) -> PeerSpec {
    PeerSpec { regions: [region("eu")].into(), ..spec(url) }
}

async fn overview(hub: &TestStore, name: &str) -> RegionOverview {
    let regions = hub.regions(NOW).await.unwrap();
    regions.into_iter().find(|one| one.region == region(name)).unwrap_or_else(|| panic!("no {name}"))
}

async fn names(hub: &TestStore) -> Vec<String> {
    hub.regions(NOW).await.unwrap().into_iter().map(|one| one.region.into()).collect()
}

fn conflict(result: Result<(), StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn actions(hub: &TestStore) -> Vec<String> {
    let filter = AuditFilter { kind: Some(AuditKind::Change), ..AuditFilter::default() };
    let events = hub.audit_events(&filter, 100).await.unwrap();
    events.into_iter().map(|event| format!("{} {} {}", event.action, event.object_name, event.detail)).collect()
}

async fn a_list_of_regions_counts_what_belongs_to_each(hub: TestStore) {
    assert_eq!(hub.regions(NOW).await.unwrap(), []);
    let (peer, _) =
        (hub.add_peer(&in_eu("tcp://192.0.2.1:11010"), NOW).await.unwrap(), hub.add("tcp://192.0.2.2:1").await);
    let (eu, asia) = (hub.probe("p", "eu").await, hub.probe("q", "asia").await);
    hub.report(&eu, vec![online(peer, NOW)], NOW).await;
    hub.report(&asia, vec![], NOW).await;
    let token = hub.create_node_token("r", Some("r"), &region("eu"), NOW).await.unwrap();
    hub.create_node_token("s", Some("s"), &region("eu"), NOW).await.unwrap();
    let limits = EnrollmentLimits { region: Some(region("eu")), ..EnrollmentLimits::default() };
    hub.create_enrollment_key("for eu", &limits, NOW).await.unwrap();
    let before = EnrollmentLimits { expires_at: Some(NOW - seconds(1)), ..limits };
    hub.create_enrollment_key("over", &before, NOW - seconds(60)).await.unwrap();
    hub.revoke_credential(CredentialKind::Node, token.id, NOW).await.unwrap();
    let of = |name: &str, [probes, node_tokens, enrollment_keys, peers, checked_peers]: [u64; 5]| RegionOverview {
        region: region(name),
        probes,
        node_tokens,
        enrollment_keys,
        peers,
        checked_peers,
    };
    let expected = [of("asia", [1, 0, 0, 0, 0]), of("eu", [3, 1, 1, 1, 1])];
    assert_eq!(hub.regions(NOW).await.unwrap(), expected);
}

async fn whatever_belongs_to_a_region_stays_with_it_when_it_is_renamed(hub: TestStore) {
    let peer = hub.add_peer(&in_eu("tcp://192.0.2.1:11010"), NOW).await.unwrap();
    let probe = hub.probe("p", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let token = hub.create_node_token("p", Some("p"), &region("eu"), NOW).await.unwrap();
    let limits = EnrollmentLimits { region: Some(region("eu")), ..EnrollmentLimits::default() };
    hub.create_enrollment_key("for eu", &limits, NOW).await.unwrap();
    hub.waiting(&PeerSpec { regions: [region("asia"), region("eu")].into(), ..spec("tcp://192.0.2.9:1") }, NOW).await;
    let schedule = ScheduleText {
        start: "2027-01-15T08:00".into(),
        time_zone: "UTC".into(),
        minutes: 60,
        ..ScheduleText::default()
    };
    let window = MaintenanceSpec {
        title: "New disks".into(),
        title_zh: None,
        coverage: Coverage { regions: [region("eu")].into(), ..Coverage::default() },
        schedule: Schedule::parse(&schedule).unwrap(),
    };
    hub.add_maintenance(&window, NOW).await.unwrap();
    let rules = json!({ "rules": [{ "on": ["down"], "nodes": { "regions": ["eu", "us"] } }, { "on": ["up"] }] });
    let channel =
        ChannelSpec { name: "ops".into(), kind: "webhook".into(), enabled: true, config: rules.to_string().into() };
    hub.add_channel(&channel, NOW).await.unwrap();
    let other = ChannelSpec { name: "other".into(), ..channel };
    hub.add_channel(&ChannelSpec { config: json!({ "rules": [] }).to_string().into(), ..other }, NOW).await.unwrap();
    let version = hub.config_version().await.unwrap();

    hub.rename_region(&region("eu"), &region("europe"), NOW).await.unwrap();

    assert_eq!(names(&hub).await, ["europe"]);
    let europe = overview(&hub, "europe").await;
    assert_eq!([europe.probes, europe.node_tokens, europe.enrollment_keys, europe.peers, europe.checked_peers], [1; 5]);
    assert_eq!(hub.peer(peer).await.unwrap().spec.regions, [region("europe")].into());
    let reports = hub.node_regions(peer, NOW).await.unwrap();
    assert_eq!((reports.len(), &reports[0].region, reports[0].stats.total_checks), (1, &region("europe"), 1));
    let Ok(Some(Caller::Probe(caller))) = hub.authenticate(token.token.expose(), NOW).await else { panic!("a token") };
    assert_eq!(caller.region, region("europe"));
    let page = PageRequest { page: 1, per_page: 10 };
    let waiting = hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, page).await.unwrap().items;
    assert_eq!(waiting[0].spec.regions, [region("asia"), region("europe")].into());
    let windows = hub.maintenance_windows().await.unwrap();
    assert_eq!(windows[0].spec.coverage.regions, [region("europe")].into());
    let channels = hub.alert_channels().await.unwrap();
    let config: serde_json::Value = serde_json::from_str(channels[0].spec.config.expose()).unwrap();
    assert_eq!(config["rules"][0]["nodes"]["regions"], json!(["us", "europe"]));
    let is_newer = |nth: usize| channels[nth].updated_at > channels[nth].created_at;
    assert_eq!([is_newer(0), is_newer(1)], [true, false], "what did not name it is not touched");
    assert!(hub.config_version().await.unwrap() > version);
    assert_eq!(actions(&hub).await[0], "region.change europe was eu");
}

async fn a_region_is_known_by_the_name_that_it_had_until_that_lapses(hub: TestStore) {
    let (peer, probe) = (hub.add_peer(&in_eu("tcp://192.0.2.1:11010"), NOW).await.unwrap(), hub.probe("p", "eu").await);
    hub.rename_region(&region("eu"), &region("europe"), NOW).await.unwrap();
    assert_eq!(hub.present_name(&region("eu")).await.unwrap(), region("europe"));
    assert_eq!(hub.present_name(&region("mars")).await.unwrap(), region("mars"));
    // The probe in the process of a hub, which starts again with the name of its configuration.
    assert_eq!(hub.local_probe("p", &region("eu"), NOW).await.unwrap().region_id, probe.region_id);
    let listed = async |name: &str| {
        let scope = PeerScope { region: Some(region(name)), with_secrets: false };
        hub.probe_peers(&scope, None, 10).await.unwrap().peers.iter().map(|peer| peer.id).collect::<Vec<_>>()
    };
    assert_eq!((listed("eu").await, listed("europe").await, listed("mars").await), (vec![peer], vec![peer], vec![]));
    // Back again, the other name is the former one.
    hub.rename_region(&region("europe"), &region("eu"), NOW).await.unwrap();
    assert_eq!(hub.present_name(&region("europe")).await.unwrap(), region("eu"));
    hub.rename_region(&region("eu"), &region("europe"), NOW).await.unwrap();
    hub.run_sql("UPDATE former_regions SET until = 1").await;
    assert_eq!(hub.present_name(&region("eu")).await.unwrap(), region("eu"));
    hub.local_probe("q", &region("eu"), NOW).await.unwrap();
    assert_eq!(names(&hub).await, ["eu", "europe"], "it is another region now");
}

async fn a_region_is_not_renamed_to_another_one_or_in_a_cluster(hub: TestStore) {
    for name in ["eu", "asia"] {
        hub.probe(name, name).await;
    }
    let rename = async |from: &str, to: &str| hub.rename_region(&region(from), &region(to), NOW).await;
    assert_eq!(conflict(rename("eu", "asia").await), Conflict::RegionNamed);
    assert_eq!(conflict(rename("eu", "eu").await), Conflict::RegionNamed);
    assert!(matches!(rename("mars", "moon").await, Err(StoreError::NotFound("region"))));
    assert_eq!(names(&hub).await, ["asia", "eu"]);
    hub.become_primary("own", None).await.unwrap();
    assert_eq!(conflict(rename("eu", "europe").await), Conflict::RegionShared);
    hub.run_sql("UPDATE probes SET unregistered_at = 1").await;
    assert_eq!(conflict(hub.remove_region(&region("eu"), NOW).await), Conflict::RegionShared);
    assert_eq!(names(&hub).await, ["asia", "eu"]);
    assert!(!actions(&hub).await.iter().any(|action| action.starts_with("region")));
}

async fn a_region_that_is_in_use_is_not_removed(hub: TestStore) {
    let probe = hub.probe("p", "eu").await;
    let remove = async || hub.remove_region(&region("eu"), NOW).await;
    assert_eq!(conflict(remove().await), Conflict::RegionHasProbes);
    hub.unregister_probe(&probe, NOW).await.unwrap();
    let token = hub.create_node_token("p", Some("p"), &region("eu"), NOW).await.unwrap();
    assert_eq!(conflict(remove().await), Conflict::RegionHasTokens);
    hub.revoke_credential(CredentialKind::Node, token.id, NOW).await.unwrap();
    let limits = EnrollmentLimits { region: Some(region("eu")), ..EnrollmentLimits::default() };
    let key = hub.create_enrollment_key("for eu", &limits, NOW).await.unwrap();
    assert_eq!(conflict(remove().await), Conflict::RegionHasTokens);
    hub.revoke_credential(CredentialKind::Enrollment, key.id, NOW).await.unwrap();
    let peer = hub.add_peer(&in_eu("tcp://192.0.2.1:11010"), NOW).await.unwrap();
    assert_eq!(conflict(remove().await), Conflict::RegionHasPeers);
    hub.delete_peer(peer, NOW).await.unwrap();
    remove().await.unwrap();
    assert!(matches!(remove().await, Err(StoreError::NotFound("region"))));
    assert_eq!(actions(&hub).await[0], "region.remove eu ");
}

async fn a_removed_region_leaves_nothing(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let (eu, asia) = (hub.probe("p", "eu").await, hub.probe("q", "asia").await);
    for ago in [3 * 86_400, 7200, 0] {
        let at = NOW - seconds(ago);
        hub.report(&eu, vec![online(peer, at)], NOW).await;
        hub.report(&asia, vec![online(peer, at)], NOW).await;
    }
    hub.unregister_probe(&eu, NOW).await.unwrap();
    hub.rename_region(&region("eu"), &region("europe"), NOW).await.unwrap();
    let of_others = async || {
        let mut counts = Vec::new();
        for table in ["results", "rollups", "latest"] {
            counts.push(hub.count(&format!("{table} WHERE region_id = {}", asia.region_id.0)).await);
        }
        counts
    };
    let before = of_others().await;
    assert_eq!(before[0], 3);
    hub.remove_region(&region("europe"), NOW).await.unwrap();
    for table in ["results", "rollups", "latest", "leases", "certificates", "relays", "probes", "former_regions"] {
        assert_eq!(hub.count(&format!("{table} WHERE region_id = {}", eu.region_id.0)).await, 0, "{table}");
    }
    assert_eq!((names(&hub).await, of_others().await), (vec!["asia".to_owned()], before));
    let reports = hub.node_regions(peer, NOW).await.unwrap();
    assert_eq!(reports.iter().map(|report| report.region.as_str()).collect::<Vec<_>>(), ["asia"]);
    // Its name is free again.
    hub.probe("p", "eu").await;
    assert_eq!(names(&hub).await, ["asia", "eu"]);
}
