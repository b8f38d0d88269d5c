use easytier_uptime_store::domain::InstanceId;

use super::members::member;
use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_token_of_an_instance_is_that_of_no_probe_and_no_key,
    the_old_token_ends_when_the_new_one_is_first_used,
    tokens_that_were_never_used_do_not_pile_up,
    a_removed_instance_has_no_token,
}

async fn known(hub: &TestStore, nth: u128) -> InstanceId {
    let member = member(nth);
    hub.put_member(&member).await.unwrap();
    member.id
}

async fn a_token_of_an_instance_is_that_of_no_probe_and_no_key(hub: TestStore) {
    let (one, other) = (known(&hub, 1).await, known(&hub, 2).await);
    let token = hub.issue_instance_token(one, NOW).await.unwrap();
    let of_other = hub.issue_instance_token(other, NOW).await.unwrap();
    assert_eq!(hub.authenticate_instance(token.expose(), NOW).await.unwrap(), Some(one));
    assert_eq!(hub.authenticate_instance(of_other.expose(), NOW).await.unwrap(), Some(other));
    assert_eq!(hub.authenticate(token.expose(), NOW).await.unwrap(), None);
    let key = hub.create_api_key("reader", None, NOW).await.unwrap().token;
    let forged = format!("{}x", token.expose());
    let as_instance = key.expose().replacen("eta_", "eti_", 1);
    for wrong in ["", "eti_", key.expose(), &forged, &as_instance, &token.expose()[..40]] {
        assert_eq!(hub.authenticate_instance(wrong, NOW).await.unwrap(), None, "{wrong}");
    }
}

async fn the_old_token_ends_when_the_new_one_is_first_used(hub: TestStore) {
    let id = known(&hub, 1).await;
    let bystander = known(&hub, 2).await;
    let of_bystander = hub.issue_instance_token(bystander, NOW).await.unwrap();
    let old = hub.issue_instance_token(id, NOW).await.unwrap();
    assert_eq!(hub.authenticate_instance(old.expose(), NOW).await.unwrap(), Some(id));
    let new = hub.issue_instance_token(id, NOW).await.unwrap();
    assert_eq!(hub.authenticate_instance(old.expose(), NOW).await.unwrap(), Some(id), "its answer may be lost");
    assert_eq!(hub.authenticate_instance(new.expose(), NOW).await.unwrap(), Some(id));
    assert_eq!(hub.authenticate_instance(old.expose(), NOW).await.unwrap(), None);
    assert_eq!(hub.authenticate_instance(of_bystander.expose(), NOW).await.unwrap(), Some(bystander));
    // The last use is known to within some minutes.
    hub.authenticate_instance(new.expose(), NOW + seconds(299)).await.unwrap();
    let used_at = |at: i64| format!("instance_tokens WHERE instance_id = '{id}' AND last_used_at = {at}");
    assert_eq!(hub.count(&used_at(NOW.0)).await, 1);
    hub.authenticate_instance(new.expose(), NOW + seconds(300)).await.unwrap();
    assert_eq!(hub.count(&used_at((NOW + seconds(300)).0)).await, 1);
}

async fn tokens_that_were_never_used_do_not_pile_up(hub: TestStore) {
    let id = known(&hub, 1).await;
    let used = hub.issue_instance_token(id, NOW).await.unwrap();
    hub.authenticate_instance(used.expose(), NOW).await.unwrap();
    let unused = hub.issue_instance_token(id, NOW).await.unwrap();
    let newest = hub.issue_instance_token(id, NOW).await.unwrap();
    assert_eq!(hub.count("instance_tokens").await, 2);
    assert_eq!(hub.authenticate_instance(unused.expose(), NOW).await.unwrap(), None);
    assert_eq!(hub.authenticate_instance(used.expose(), NOW).await.unwrap(), Some(id));
    assert_eq!(hub.authenticate_instance(newest.expose(), NOW).await.unwrap(), Some(id));
}

async fn a_removed_instance_has_no_token(hub: TestStore) {
    let id = known(&hub, 1).await;
    let token = hub.issue_instance_token(id, NOW).await.unwrap();
    hub.remove_member(id).await.unwrap();
    assert_eq!(hub.authenticate_instance(token.expose(), NOW).await.unwrap(), None);
    known(&hub, 1).await;
    assert_eq!(hub.authenticate_instance(token.expose(), NOW).await.unwrap(), None);
}
