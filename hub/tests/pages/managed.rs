//! Managed probes on the pages of the operator.

use axum::http::StatusCode;
use easytier_uptime_store::domain::{ManageProblem, NewContact, ProbePath, PullState, PushState, Timestamp};

use crate::{
    HOSTILE,
    desk::{Desk, assert_goes_to},
};

const PATH: &str = "/admin/probes/managed";

#[tokio::test]
async fn a_probe_is_added_shown_with_how_it_is_reached_pushed_to_and_removed_on_the_page() {
    let desk = Desk::new().await;
    assert!(desk.get("/admin/probes", "en").await.contains(PATH));
    let now = Timestamp::now();
    let probe = desk.hub.probe("natted", "asia").await;
    desk.hub.note_channel(probe.probe, now).await.unwrap();
    assert_goes_to(&desk.post(PATH, &[("server_id", "natted")], "en").await, "/admin/probes/managed?done=added");
    let page = desk.get("/admin/probes/managed?done=added", "en").await;
    for shown in ["The probe is added", "natted", "asia", "not pushed yet", "not asked yet"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }

    desk.hub.to_manage().await.unwrap();
    let mut contact = desk.hub.managed_probe(probe.probe).await.unwrap().probe.contact;
    (contact.push_state, contact.pull_state) = (PushState::Unavailable, PullState::Available);
    (contact.path, contact.round_trip_us) = (Some(ProbePath::Reverse), Some(12_300));
    (contact.pushed_at, contact.usage_bytes) = (Some(now), 2_345_678);
    contact.problem = Some(ManageProblem::Conflict { cause: HOSTILE.to_owned() });
    desk.hub.note_contacts(&[NewContact { id: probe.probe, contact, has_backend: true }]).await.unwrap();
    let page = desk.get(PATH, "en").await;
    for shown in ["over its own connection", "12", "not delivered", "--reset-control", "2.35 MB"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let chinese = desk.get(PATH, "zh").await;
    for shown in ["经探针自身的连接", "未送达", "探针拒绝此配置"] {
        assert!(chinese.contains(shown), "{shown}: {chinese}");
    }
    assert!(!page.contains("<script>alert") && !chinese.contains("<script>alert"), "{page}");

    let path = format!("{PATH}/{}", probe.probe);
    assert_goes_to(&desk.post(&format!("{path}/push"), &[], "en").await, "/admin/probes/managed?done=pushed");
    assert_eq!(desk.hub.managed_probe(probe.probe).await.unwrap().probe.contact.push_state, PushState::Untried);
    assert!(desk.get(&format!("{path}/remove"), "en").await.contains("It stays registered"));
    assert_goes_to(&desk.post(&format!("{path}/remove"), &[], "en").await, "/admin/probes/managed?done=removed");
    assert!(desk.hub.managed_probes().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_probe_is_told_at_its_form_which_keeps_no_token() {
    let desk = Desk::new().await;
    let token = "a-control-token-of-a-test-probe-0123";
    let form = [("host", "169.254.169.254"), ("http_port", "80"), ("http_token", token)];
    let refused = desk.post(PATH, &form, "zh").await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
    assert!(
        refused.text().contains("本站不会连接") && refused.text().contains("169.254.169.254"),
        "{}",
        refused.text()
    );
    assert!(!refused.text().contains(token), "{}", refused.text());
    for (form, said) in [
        (vec![], "Host"),
        (vec![("host", "192.0.2.7"), ("http_port", "80"), ("http_token", "short")], "at least 32 visible characters"),
        (vec![("host", "192.0.2.7"), ("http_token", token)], "Port"),
        (vec![("server_id", "nobody")], "no connection to this hub"),
    ] {
        let refused = desk.post(PATH, &form, "en").await;
        assert!(refused.text().contains(said), "{said}: {}", refused.text());
    }
}
