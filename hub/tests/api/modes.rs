//! `modes` in `GET /api/nodes/{id}/regions`: what each mode of checking last said.

use std::{sync::Arc, time::Duration};

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_monitor::ProbeStatus;
use easytier_uptime_store::domain::{CheckTarget, NewCheck, PeerId, ProbeIdentity, Timestamp};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    hub::{TestHub, send},
    support::{TestStore, offline, on_both_engines, online, seconds},
};

on_both_engines! {
    each_mode_says_what_it_last_said,
    a_mode_without_recent_answers_is_unknown,
}

/// The probe in the process of the hub.
struct Own(Registry);

impl ProbeStatus for Own {
    fn server_id(&self) -> &str {
        "own-probe"
    }

    fn health(&self) -> Result<String, String> {
        Ok("it works".to_owned())
    }

    fn metrics(&self) -> &Registry {
        &self.0
    }
}

async fn hub(store: &TestStore) -> TestHub {
    TestHub::with_probe(store, |_| (), Some(Arc::new(Own(Registry::default())))).await
}

async fn probe(hub: &TestHub, server_id: &str, region: &str) -> ProbeIdentity {
    let probe = hub.store.local_probe(server_id, &region.parse().unwrap(), Timestamp::now()).await.unwrap();
    hub.store.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
    probe
}

async fn report(hub: &TestHub, probe: &ProbeIdentity, result: CheckResult) {
    let receipt = hub.test.report(probe, vec![result], Timestamp::now()).await;
    assert_eq!(receipt.accepted, 1, "{receipt:?}");
}

/// Has these probes check the peer by request, at a time.
async fn requested(hub: &TestHub, peer: PeerId, at: Timestamp, answers: &[(&ProbeIdentity, CheckResult)]) {
    for (probe, _) in answers {
        hub.store.note_channel(probe.probe, at).await.unwrap();
    }
    let new = NewCheck {
        id: Uuid::new_v4(),
        target: CheckTarget::Peer(peer),
        from: answers.iter().map(|(probe, _)| probe.server_id.clone()).collect(),
        timeout: Duration::from_secs(5),
        addresses: Vec::new(),
        requested_by: "admin".to_owned(),
    };
    hub.store.request_check(&new, at).await.unwrap();
    for (probe, result) in answers {
        let orders = hub.store.orders(probe.probe, 0, at).await.unwrap();
        hub.store.answer_order(probe.probe, orders[0].number, result, at).await.unwrap();
    }
}

async fn modes(hub: &TestHub, peer: PeerId) -> Value {
    let reply = send(hub.get(&format!("/api/nodes/{peer}/regions"))).await;
    let text = reply.body.to_string();
    for hidden in ["own-probe", "secret-host", "what the node said to who asked"] {
        assert!(!text.contains(hidden), "{hidden} is for the operator only: {text}");
    }
    reply.body["data"]["modes"].clone()
}

async fn each_mode_says_what_it_last_said(store: TestStore) {
    let hub = hub(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let nothing = json!({ "direct": null, "remote": null, "relay": null, "reverse": null });
    assert_eq!(modes(&hub, peer).await, nothing);

    let now = Timestamp::now();
    let (own, beside) = (probe(&hub, "own-probe", "eu").await, probe(&hub, "secret-host-1", "eu").await);
    let asia = probe(&hub, "secret-host-2", "asia").await;
    report(&hub, &beside, CheckResult { response_time: Some(20.0), ..online(peer, now - seconds(3)) }).await;
    // It is the newest of its region, and hides no other probe.
    report(&hub, &own, CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..online(peer, now) }).await;
    report(&hub, &asia, offline(peer, now - seconds(2))).await;
    let mut told = offline(peer, now);
    told.message = Some("what the node said to who asked".to_owned());
    // The older request counts where nobody answered the newer one.
    requested(&hub, peer, now - seconds(60), &[(&beside, online(peer, now)), (&asia, online(peer, now))]).await;
    requested(&hub, peer, now - seconds(30), &[(&asia, told), (&own, online(peer, now))]).await;

    let said =
        |verdict: &str, online: usize, total: usize, at: Timestamp, time: Option<i64>, failed: [Option<&str>; 2]| {
            json!({
                "verdict": verdict, "online": online, "total": total, "checked_at": at, "response_time": time,
                "stage": failed[0], "error": failed[1],
            })
        };
    let refused = [Some("connect"), Some("connect_refused")];
    assert_eq!(
        modes(&hub, peer).await,
        json!({
            "direct": said("up", 1, 1, now, Some(12_000), [None; 2]),
            "remote": said("partial", 1, 2, now - seconds(2), Some(20_000), refused),
            "relay": said("up", 1, 1, now, Some(1_500), [None; 2]),
            "reverse": said("partial", 1, 2, now - seconds(30), Some(12_000), refused),
        })
    );
    // A peer that is another one now has been checked by nobody.
    hub.store
        .edit_peer(peer, |spec| spec.url = "tcp://192.0.2.2:11010".parse().unwrap(), Timestamp::now())
        .await
        .unwrap();
    assert_eq!(modes(&hub, peer).await["reverse"], Value::Null);
}

async fn a_mode_without_recent_answers_is_unknown(store: TestStore) {
    let hub = hub(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let long_ago = Timestamp::now() - seconds(3600);
    let eu = probe(&hub, "secret-host-1", "eu").await;
    report(&hub, &eu, online(peer, long_ago)).await;
    let remote = modes(&hub, peer).await["remote"].clone();
    assert_eq!(
        (&remote["verdict"], &remote["total"], &remote["checked_at"]),
        (&json!("unknown"), &json!(0), &json!(long_ago))
    );
}
