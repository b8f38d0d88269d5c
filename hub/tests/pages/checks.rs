//! A check that the operator asks for on the page of a node.

use easytier_uptime_store::domain::Timestamp;

use crate::{
    HOSTILE,
    desk::Desk,
    named,
    support::{offline, online},
};

#[tokio::test]
async fn the_operator_has_a_node_checked_and_sees_what_each_region_finds() {
    let desk = Desk::new().await;
    let now = Timestamp::now();
    let peer = desk.hub.add_peer(&named("one", "tcp://192.0.2.1:11010"), now).await.unwrap();
    let mut probes = Vec::new();
    for (server_id, region) in [("probe-1", "asia"), ("probe-2", "eu"), ("probe-3", "us")] {
        let probe = desk.hub.probe(server_id, region).await;
        desk.hub.note_channel(probe.probe, now).await.unwrap();
        probes.push(probe);
    }
    let action = format!("/admin/nodes/{peer}/check");
    assert!(desk.get(&format!("/admin/nodes/{peer}"), "en").await.contains(&format!("action=\"{action}\"")));

    let asked = desk.post(&action, &[], "en").await;
    let path = asked.header("location").expect("it leads to the results").to_owned();
    let running = desk.reply(&path, "en").await;
    assert_eq!(running.header("refresh"), Some("1"), "the page loads again while probes check");
    assert!(running.text().contains("waiting") && running.text().contains("probe-3"), "{}", running.text());

    let mut lost = offline(peer, now);
    lost.message = Some(HOSTILE.to_owned());
    for (probe, result) in probes.iter().zip([online(peer, now), lost, online(peer, now)]) {
        let orders = desk.hub.orders(probe.probe, 0, now).await.unwrap();
        desk.hub.answer_order(probe.probe, orders[0].number, &result, now).await.unwrap();
    }
    let done = desk.reply(&path, "zh").await;
    assert_eq!(done.header("refresh"), None);
    assert!(done.text().contains("各地区各检测一次") && done.text().contains("连接被拒绝"), "{}", done.text());
    assert!(!done.text().contains("<script>alert"), "{}", done.text());

    // Again within ten seconds is too soon.
    assert_eq!(desk.post(&action, &[], "en").await.status, 429);
}
