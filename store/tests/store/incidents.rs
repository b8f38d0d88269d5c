//! Incidents: what the planner stores, what people read, and what the operator writes.

use easytier_probe::{FailureCode, Stage};
use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        DAY, IncidentFilter, IncidentId, IncidentPlan, IncidentStep, NewIncidentEntry, PageRequest, PeerId,
        PlannedIncident, PlannedNode, RegionStatus, Timestamp,
    },
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds};

on_both_engines! {
    a_step_is_stored_whole_or_not_at_all,
    incidents_are_listed_open_ones_first_without_nodes_that_are_not_listed,
    the_operator_posts_names_and_closes,
    closed_incidents_expire_with_the_events,
    sights_say_which_region_sees_what_and_why,
    the_planner_reads_the_events_after_its_cursor,
}

fn after(count: u64) -> Timestamp {
    NOW + seconds(count)
}

fn incident(id: i64, closed_at: Option<Timestamp>, nodes: &[PeerId]) -> PlannedIncident {
    let node =
        |peer: &PeerId| PlannedNode { peer: *peer, verdict: "down".into(), since: after(1), state: "{\"n\":1}".into() };
    PlannedIncident {
        id: IncidentId(id),
        opened_at: after(1),
        well_at: closed_at,
        closed_at,
        cause: Some("{\"host\":\"a\"}".into()),
        changes: 1,
        state: "{}".into(),
        nodes: nodes.iter().map(node).collect(),
    }
}

fn opened(id: i64, nodes: &[PeerId]) -> NewIncidentEntry {
    NewIncidentEntry {
        incident: IncidentId(id),
        at: after(1),
        kind: "opened",
        detail: "{\"nodes\":2}".into(),
        nodes: nodes.to_vec(),
    }
}

async fn plan(hub: &TestStore) -> IncidentPlan {
    hub.incident_news(10).await.unwrap().unwrap().plan
}

async fn store(hub: &TestStore, incidents: Vec<PlannedIncident>, entries: Vec<NewIncidentEntry>) {
    let plan = plan(hub).await;
    let from = plan.step;
    hub.store_incident_step(from, &IncidentStep { plan, incidents, left: vec![], entries }, after(2)).await.unwrap();
}

async fn ids(hub: &TestStore, filter: IncidentFilter, page: PageRequest) -> (Vec<i64>, u64) {
    let page = hub.incidents(filter, page).await.unwrap();
    (page.items.iter().map(|one| one.id.0).collect(), page.total)
}

async fn a_step_is_stored_whole_or_not_at_all(hub: TestStore) {
    let node = hub.add("tcp://192.0.2.1:11010").await;
    let first = plan(&hub).await;
    assert_eq!((first.step, first.last_id, first.state.as_str()), (0, 0, "{}"));
    let planned = incident(1, None, &[node]);
    let next = IncidentPlan { cursor: 7, last_id: 1, state: "{\"a\":1}".into(), ..first.clone() };
    let step = IncidentStep {
        plan: next.clone(),
        incidents: vec![planned.clone()],
        left: vec![],
        entries: vec![opened(1, &[node])],
    };
    let revision = hub.incident_revision().await.unwrap();
    hub.store_incident_step(0, &step, after(2)).await.unwrap();
    assert_eq!(plan(&hub).await, IncidentPlan { step: 1, ..next });
    assert_eq!(hub.open_incidents().await.unwrap(), [planned]);
    assert!(hub.incident_revision().await.unwrap() > revision);
    let again = hub.store_incident_step(0, &step, after(3)).await;
    assert!(matches!(again, Err(StoreError::Overtaken)), "{again:?}");
    assert_eq!(hub.count("incident_entries").await, 1);
    // Who leaves is no longer part of it.
    let left = IncidentStep { incidents: vec![], left: vec![(IncidentId(1), node)], entries: vec![], ..step };
    hub.store_incident_step(1, &left, after(3)).await.unwrap();
    assert_eq!(hub.open_incidents().await.unwrap()[0].nodes, []);
}

async fn incidents_are_listed_open_ones_first_without_nodes_that_are_not_listed(hub: TestStore) {
    let mut nodes = Vec::new();
    for nth in 1..=60 {
        nodes.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    let (one, hidden) = (nodes[0], nodes[1]);
    let closed = Some(after(5));
    let incidents = vec![
        incident(1, None, &[one, hidden]),
        incident(2, closed, &[one]),
        incident(3, None, &[hidden]),
        incident(4, closed, &nodes),
    ];
    store(&hub, incidents, vec![opened(1, &[one, hidden])]).await;
    let usual = PageRequest::default();
    assert_eq!(ids(&hub, IncidentFilter::default(), usual).await, (vec![3, 1, 4, 2], 4));
    let full = hub.incidents(IncidentFilter::default(), usual).await.unwrap().items;
    assert_eq!((full[2].nodes.len(), full[2].node_count), (50, 60));
    hub.set_approved(hidden, false, after(6)).await.unwrap();
    assert_eq!(ids(&hub, IncidentFilter::default(), usual).await, (vec![1, 4, 2], 3));
    let open = IncidentFilter { open: Some(true), node: None };
    assert_eq!(ids(&hub, open, usual).await, (vec![1], 1));
    let closed = IncidentFilter { open: Some(false), node: Some(one) };
    assert_eq!(ids(&hub, closed, PageRequest { page: 2, per_page: 1 }).await, (vec![2], 2));
    let (shown, entries) = hub.incident(IncidentId(1)).await.unwrap();
    assert_eq!((shown.node_count, shown.nodes[0].id, shown.nodes[0].verdict.as_str()), (1, one, "down"));
    assert_eq!(entries[0].nodes.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [one]);
    for missing in [3, 99] {
        let missing = hub.incident(IncidentId(missing)).await;
        assert!(matches!(missing, Err(StoreError::NotFound("incident"))), "{missing:?}");
    }
}

async fn the_operator_posts_names_and_closes(hub: TestStore) {
    let node = hub.add("tcp://192.0.2.1:11010").await;
    store(&hub, vec![incident(1, None, &[node])], vec![opened(1, &[node])]).await;
    let id = IncidentId(1);
    let revision = hub.incident_revision().await.unwrap();
    hub.post_to_incident(id, Some("We are on it."), Some("正在处理。"), after(10)).await.unwrap();
    hub.name_incident(id, Some("Fire"), None, after(11)).await.unwrap();
    assert_eq!(hub.incident_revision().await.unwrap(), revision + 2);
    let step = plan(&hub).await;
    hub.close_incident(id, after(12)).await.unwrap();
    let (shown, entries) = hub.incident(id).await.unwrap();
    assert_eq!((shown.english.as_deref(), shown.chinese.as_deref()), (Some("Fire"), None));
    assert_eq!((shown.closed_at, shown.updated_at), (Some(after(12)), after(12)));
    assert_eq!(entries.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["opened", "posted", "ended"]);
    let post = &entries[1];
    assert_eq!((post.at, post.english.as_deref()), (after(10), Some("We are on it.")));
    assert_eq!(post.chinese.as_deref(), Some("正在处理。"));
    // What the planner knew of the incident does not open it again.
    let stale =
        IncidentStep { incidents: vec![incident(1, None, &[])], left: vec![], entries: vec![], plan: step.clone() };
    let stale = hub.store_incident_step(step.step, &stale, after(13)).await;
    assert!(matches!(stale, Err(StoreError::Overtaken)), "{stale:?}");
    let again = hub.close_incident(id, after(14)).await;
    assert!(matches!(again, Err(StoreError::NotFound("open incident"))), "{again:?}");
    let missing = hub.post_to_incident(IncidentId(9), Some("x"), None, after(14)).await;
    assert!(matches!(missing, Err(StoreError::NotFound("incident"))), "{missing:?}");
    for _ in 0..99 {
        hub.post_to_incident(id, Some("x"), None, after(15)).await.unwrap();
    }
    let full = hub.post_to_incident(id, Some("x"), None, after(16)).await;
    assert!(matches!(full, Err(StoreError::Conflict(Conflict::IncidentFull))), "{full:?}");
}

async fn closed_incidents_expire_with_the_events(hub: TestStore) {
    let node = hub.add("tcp://192.0.2.1:11010").await;
    let incidents = vec![incident(1, Some(after(5)), &[node]), incident(2, None, &[node])];
    store(&hub, incidents, vec![opened(1, &[node]), opened(2, &[node])]).await;
    hub.sweep(NOW + 89 * DAY).await.unwrap();
    assert_eq!(hub.count("incidents").await, 2);
    hub.sweep(NOW + 91 * DAY).await.unwrap();
    let counts = [hub.count("incidents").await, hub.count("incident_nodes").await, hub.count("incident_entries").await];
    assert_eq!((counts, hub.count("incident_entry_nodes").await), ([1, 1, 1], 1));
    assert_eq!(hub.open_incidents().await.unwrap()[0].id, IncidentId(2));
}

async fn sights_say_which_region_sees_what_and_why(hub: TestStore) {
    let node = hub.add("tcp://192.0.2.1:11010").await;
    let other = hub.add("tcp://192.0.2.2:11010").await;
    for (name, sees) in [("eu", false), ("us", true)] {
        let probe = hub.probe(name, name).await;
        let result = if sees { online(node, after(10)) } else { offline(node, after(10)) };
        hub.report(&probe, vec![result], after(10)).await;
    }
    let sights = hub.sights(&[node, other]).await.unwrap();
    let seen: Vec<_> =
        sights.iter().map(|one| (one.peer, one.region.as_str(), one.status, one.stage, one.code)).collect();
    let refused = (Some(Stage::Connect), Some(FailureCode::ConnectRefused));
    let expected =
        [(node, "eu", RegionStatus::Offline, refused.0, refused.1), (node, "us", RegionStatus::Online, None, None)];
    assert_eq!(seen, expected);
}

async fn the_planner_reads_the_events_after_its_cursor(hub: TestStore) {
    let node = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p", "eu").await;
    hub.report(&probe, vec![online(node, after(10))], after(10)).await;
    let news = hub.incident_news(10).await.unwrap().unwrap();
    assert_eq!(news.events.iter().filter(|event| event.subject_id == node.0 && event.became == "up").count(), 1);
    assert_eq!(news.newest_event, news.events.last().unwrap().id);
}
