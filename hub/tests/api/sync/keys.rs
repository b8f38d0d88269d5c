//! What API keys may do here: one with the scope `instances` changes who leads, and nothing else.

use std::collections::BTreeSet;

use easytier_uptime_store::domain::{CredentialKind, Scope, Timestamp};
use reqwest::Method;
use serde_json::json;

use super::{Sync, id};
use crate::{
    hub::send,
    support::{TestStore, leadership, on_both_engines},
};

on_both_engines! {
    a_key_does_what_its_scopes_permit,
    a_key_promotes_a_dependent,
}

async fn key(sync: &Sync, scopes: &[Scope]) -> String {
    let scopes = scopes.iter().copied().collect::<BTreeSet<_>>();
    let issued = sync.store.create_scoped_api_key("a program", &scopes, None, Timestamp::now()).await.unwrap();
    issued.token.expose().to_owned()
}

async fn a_key_does_what_its_scopes_permit(store: TestStore) {
    let primary = Sync::primary(&store).await;
    primary.register(1).await;
    let own = primary.instance().await.id;
    let old = primary.api_key().await;
    let (reader, none) = (key(&primary, &[Scope::Read]).await, key(&primary, &[]).await);
    let (changer, both) = (key(&primary, &[Scope::Instances]).await, key(&primary, &Scope::ALL).await);

    // Nothing of this API but the three changes.
    for (method, path, body) in primary.routes() {
        let request = |key: &str| primary.to(&method, &path, body.as_ref()).bearer_auth(key);
        for key in [&old, &reader, &none] {
            primary.refused(request(key), 403, "forbidden").await;
        }
        if method == Method::DELETE || path.contains("promote") || path.contains("demote") {
            continue;
        }
        for key in [&changer, &both] {
            primary.refused(request(key), 403, "forbidden").await;
        }
    }
    // What the rest of the API gives to readers.
    for path in ["/peers", "/api/discovery/servers"] {
        for (key, status) in [(&old, 200), (&reader, 200), (&both, 200), (&changer, 403), (&none, 403)] {
            assert_eq!(send(primary.get(path).bearer_auth(key)).await.status, status, "{path}");
        }
    }

    let demote = |of: String| primary.post(&format!("/sync/api/demote/{of}"), &json!({}));
    for key in [&changer, &both] {
        primary.refused(demote(id(1).to_string()).bearer_auth(key), 409, "not_primary").await;
        primary.refused(demote(own.to_string()).bearer_auth(key), 409, "nobody").await;
        let promote = json!({ "expectedEpoch": 1, "reason": "a test" });
        primary.refused(primary.post("/sync/api/promote", &promote).bearer_auth(key), 409, "is_primary").await;
    }
    // Only who was heard of a moment ago takes over, however long all these requests took.
    primary.register(1).await;
    primary.store.note_called_back(id(1), Some(Timestamp::now())).await.unwrap();
    assert_eq!(send(demote(own.to_string()).bearer_auth(&changer)).await.status, 202);
    assert_eq!(primary.store.handing_over_to().await.unwrap(), Some(id(1)));
    let remove = || primary.request(Method::DELETE, &format!("/sync/api/instances/{}", id(1)));
    assert_eq!(send(remove().bearer_auth(&changer)).await.status, 204);

    let issued = primary.store.credentials(CredentialKind::Api).await.unwrap();
    let revoked = issued.iter().find(|key| key.scopes == [Scope::Instances].into()).unwrap();
    primary.store.revoke_credential(CredentialKind::Api, revoked.id, Timestamp::now()).await.unwrap();
    primary.refused(remove().bearer_auth(&changer), 401, "unauthorized").await;
}

async fn a_key_promotes_a_dependent(store: TestStore) {
    let dependent = Sync::standalone(&store).await;
    let (changer, reader) = (key(&dependent, &[Scope::Instances]).await, key(&dependent, &[Scope::Read]).await);
    dependent.store.join(&leadership(7, 1, 3), &"a token".into()).await.unwrap();
    let promote = |epoch: i64, key: &str| {
        let body = json!({ "expectedEpoch": epoch, "reason": "the primary is lost" });
        dependent.post("/sync/api/promote", &body).bearer_auth(key)
    };
    dependent.refused(promote(3, &reader), 403, "forbidden").await;
    assert_eq!(dependent.refused(promote(2, &changer), 409, "other_epoch").await.body["epoch"], 3);
    assert_eq!(send(promote(3, &changer)).await.body["epoch"], 4);
}
