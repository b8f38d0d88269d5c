//! `/metrics/nodes`.

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_store::domain::{DAY, Timestamp};

use crate::{
    hub::{TestHub, send},
    support::{Engine, TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    each_node_and_region_has_its_figures,
}

#[tokio::test]
async fn they_are_for_insiders() {
    let store = TestStore::new(Engine::Sqlite).await;
    let hub = TestHub::with(&store, |options| options.metrics_token = Some("a-token-for-prometheus".into())).await;
    let token = hub.token("probe-1", "eu").await;
    let key = hub.store.create_api_key("grafana", None, Timestamp::now()).await.unwrap();
    let scrape = || hub.get("/metrics/nodes");
    assert_eq!(send(scrape()).await.status, 401, "a stranger");
    assert_eq!(send(scrape().bearer_auth("a-token-for-prometheuS")).await.status, 401);
    for right in ["a-token-for-prometheus", &token, key.token.expose()] {
        assert_eq!(send(scrape().bearer_auth(right)).await.status, 200);
    }
    // Without METRICS_TOKEN, `/metrics` is open and these are not.
    let open = TestHub::on(&store).await;
    assert_eq!(send(open.get("/metrics/nodes")).await.status, 401);
}

async fn each_node_and_region_has_its_figures(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let now = Timestamp::now();
    let hostile = "Node \"1\"\\ {x}\n";
    let mut spec = spec("tcp://192.0.2.1:11010");
    spec.name = hostile.trim_end().into();
    spec.tags = ["game".parse().unwrap()].into();
    let first = hub.store.add_peer(&spec, now).await.unwrap();
    let second = hub.peer("tcp://192.0.2.2:11010").await;
    let expires_at = Timestamp(now.0 / 1000 * 1000) + DAY * 30;
    let unchecked = hub.peer("tcp://192.0.2.3:11010").await;
    let seeing = |peer, at| CheckResult { certificate_expires_at: Some(expires_at.into()), ..online(peer, at) };
    for region in ["eu", "asia"] {
        let probe = hub.store.local_probe(region, &region.parse().unwrap(), now).await.unwrap();
        let relays = CheckResult { relay: Some(Relay::Ok), ..seeing(first, now) };
        hub.test.report(&probe, vec![relays, offline(second, now)], now).await;
    }
    let key = hub.store.create_api_key("grafana", None, now).await.unwrap();
    let scrape = async |query: &str| {
        let reply = send(hub.get(&format!("/metrics/nodes{query}")).bearer_auth(key.token.expose())).await;
        assert!(reply.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
        reply.body.as_str().unwrap().to_owned()
    };
    let text = scrape("").await;
    assert!(text.ends_with("# EOF\n"), "{text}");
    let name = "Node \\\"1\\\"\\\\ {x}";
    for line in [
        format!("easytier_uptime_node_verdict{{node=\"{first}\",name=\"{name}\",verdict=\"up\"}} 1\n"),
        format!("easytier_uptime_node_up{{node=\"{first}\",name=\"{name}\"}} 1\n"),
        format!("easytier_uptime_node_uptime_ratios{{node=\"{first}\",name=\"{name}\"}} 1.0\n"),
        format!("easytier_uptime_node_checks{{node=\"{first}\",name=\"{name}\"}} 2\n"),
        format!("easytier_uptime_node_region_up{{node=\"{first}\",name=\"{name}\",region=\"asia\"}} 1\n"),
        format!(
            "easytier_uptime_node_region_certificate_expiry_timestamp_seconds{{node=\"{first}\",name=\"{name}\",region=\"eu\"}} {}\n",
            expires_at.0 / 1000
        ),
        format!("easytier_uptime_node_relay{{node=\"{first}\",name=\"{name}\",verdict=\"ok\",declared=\"false\"}} 1\n"),
        format!("easytier_uptime_node_latency_seconds{{node=\"{first}\",name=\"{name}\"}} 0."),
    ] {
        assert!(text.contains(&line), "{line}{text}");
    }
    let of = |metric: &str, node| {
        let start = format!("easytier_uptime_{metric}{{node=\"{node}\",");
        text.lines()
            .filter(|line| line.starts_with(&start))
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((of("node_up", second), of("node_healthy_checks", second)), (vec!["0"], vec!["0"]));
    assert_eq!((of("node_region_up", second), of("node_latency_seconds", second)), (vec!["0", "0"], vec![]));
    let expiry = |node| of("node_region_certificate_expiry_timestamp_seconds", node).len();
    assert_eq!((expiry(first), expiry(second)), (2, 0));
    assert_eq!((of("node_up", unchecked), of("node_uptime_ratios", unchecked)), (vec![], vec![]));
    let tagged = scrape("?tags=game").await;
    assert!(tagged.contains(&format!("node=\"{first}\"")) && !tagged.contains(&format!("node=\"{second}\"")));
}
