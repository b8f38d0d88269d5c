//! The probe's own client against a real hub.

use std::time::Duration;

use easytier_probe::{
    Access, Backend, BackendConfig, BackendError, CheckMode,
    backend::{ClaimRequest, Reported, StatusReport},
};
use easytier_uptime_store::domain::{PeerId, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    hub::{TestHub, bad, good, send},
    support::{TestStore, on_both_engines, region, spec},
};

on_both_engines! {
    the_probes_client_fetches_claims_and_reports,
    the_probes_client_understands_a_refusal,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn client(hub: &TestHub, path: &str, change: impl FnOnce(&mut BackendConfig)) -> Backend {
    let mut config = BackendConfig::new(vec![format!("{}{path}", hub.url).parse().unwrap()]);
    change(&mut config);
    Backend::new(config).unwrap()
}

async fn the_probes_client_fetches_claims_and_reports(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let guest = hub.peer("tcp://192.0.2.1:11010").await;
    let mut member = spec("txt://nodes.example.net");
    member.network_name = Some("office".into());
    member.network_secret = Some("s3cret".into());
    member.mode = CheckMode::Handshake;
    member.timeout = Some(Duration::from_millis(1500));
    member.regions = [region("eu")].into();
    let member = hub.store.add_peer(&member, Timestamp::now()).await.unwrap();
    let token = hub.token("probe-1", "eu").await;
    let key = hub.api_key().await;

    for (path, nth) in [("", 0), ("/api", 1)] {
        let backend = client(&hub, path, |config| {
            config.node_token = Some(token.as_str().into());
            config.api_key = Some(key.as_str().into());
            config.region = Some("eu".into());
            config.page_size = 1;
        });
        let (mut peers, mut cursor) = (Vec::new(), None);
        loop {
            let page = backend.peers_page(cursor, soon()).await.unwrap();
            assert_eq!((page.skipped, page.total_available), (0, Some(2)));
            assert!(page.version.is_some());
            peers.extend(page.peers);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(peers.iter().map(|peer| peer.id).collect::<Vec<_>>(), [guest.0, member.0]);
        assert_eq!(peers[0].access, Access::Guest);
        let Access::Member(membership) = &peers[1].access else { panic!("{:?}", peers[1]) };
        assert_eq!((membership.network_name.as_str(), membership.network_secret.expose()), ("office", "s3cret"));
        assert_eq!((peers[1].mode, peers[1].timeout), (CheckMode::Handshake, Some(Duration::from_millis(1500))));
        assert_eq!(peers[1].url.to_string(), "txt://nodes.example.net");

        let wanted = ClaimRequest { count: 10, interval: Duration::ZERO, lease: Duration::from_secs(60) };
        let claim = backend.claim(wanted, soon()).await.unwrap();
        assert_eq!((claim.peers.len(), claim.skipped, claim.more), (2, 0, false));
        assert!(claim.lease_expires_at.is_some());

        let results = [good(guest), bad(member), good(PeerId(member.0 + 50))];
        let delivery = backend.send_results(Uuid::now_v7(), &results, soon()).await.unwrap();
        assert_eq!((delivery.accepted, delivery.duplicates), (2, 0));
        assert_eq!((delivery.rejected[0].index, delivery.rejected[0].reason.as_str()), (2, "unknown_peer"));
        let again = backend.send_results(Uuid::now_v7(), &results, soon()).await.unwrap();
        assert_eq!((again.accepted, again.duplicates), (0, 2));
        assert_eq!((hub.records(guest).await, hub.records(member).await), (nth + 1, nth + 1));

        let report = StatusReport {
            response_time_ms: Some(12.4),
            total_monitored_nodes: 2,
            healthy_nodes: 1,
            server_id: Some("probe-1".into()),
            check_interval: Duration::from_secs(60),
            degraded: false,
            holds_sessions: false,
        };
        assert_eq!(backend.report_status(&report, soon()).await.unwrap(), Reported::Accepted);
    }
    let servers = send(hub.get("/api/discovery/servers").header("x-api-key", &key)).await;
    let server = servers.server("probe-1");
    assert_eq!((&server["metadata"]["healthy_nodes"], &server["check_interval"]), (&1.into(), &60.into()));
}

async fn the_probes_client_understands_a_refusal(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let anybody = client(&hub, "", |_| ());
    assert_eq!(anybody.peers_page(None, soon()).await.unwrap().peers.len(), 1);
    let unauthorized = |error: BackendError| assert!(matches!(error, BackendError::Unauthorized { .. }), "{error}");
    unauthorized(anybody.send_results(Uuid::now_v7(), &[good(peer)], soon()).await.unwrap_err());
    let wrong = client(&hub, "", |config| config.node_token = Some("nonsense".into()));
    unauthorized(wrong.peers_page(None, soon()).await.unwrap_err());
    unauthorized(wrong.report_status(&StatusReport::default(), soon()).await.unwrap_err());
    let token = hub.token("probe-1", "eu").await;
    let elsewhere = client(&hub, "", |config| {
        config.node_token = Some(token.as_str().into());
        config.region = Some("asia".into());
    });
    unauthorized(elsewhere.peers_page(None, soon()).await.unwrap_err());
}
