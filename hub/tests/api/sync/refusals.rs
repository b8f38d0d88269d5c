//! What every route refuses.

use std::collections::BTreeSet;

use axum::body::Bytes;
use futures::stream;
use reqwest::{Body, Method};
use serde_json::json;

use super::{SECRET, Sync};
use crate::{
    hub::send,
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    an_instance_without_a_cluster_has_none_of_this,
    wrong_tokens_are_refused_everywhere_and_counted,
    an_endless_body_is_refused,
    the_document_lists_every_route,
}

async fn an_instance_without_a_cluster_has_none_of_this(store: TestStore) {
    let standalone = Sync::standalone(&store).await;
    let admin = standalone.admin().await;
    for (method, path, body) in standalone.routes() {
        let request = || standalone.to(&method, &path, body.as_ref());
        standalone.refused(request(), 404, "standalone").await;
        for credential in [SECRET, &admin, "nonsense"] {
            standalone.refused(request().bearer_auth(credential), 404, "standalone").await;
        }
    }
}

async fn wrong_tokens_are_refused_everywhere_and_counted(store: TestStore) {
    let primary = Sync::primary(&store).await;
    for (method, path, body) in primary.routes() {
        let refused = primary.refused(primary.to(&method, &path, body.as_ref()), 401, "unauthorized").await;
        assert_eq!(refused.headers["www-authenticate"], "Bearer", "{method} {path}");
    }
    let instances = || primary.get("/sync/api/instances");
    // A dump takes a while, in which the limit allows more.
    let before = primary.dump().await;
    let mut refused = 0;
    let limited = loop {
        let reply = send(instances().bearer_auth(format!("{SECRET}{refused}"))).await;
        if reply.status != 401 {
            break reply;
        }
        refused += 1;
        assert!(refused < 100, "there is no limit");
    };
    assert_eq!((limited.status, &limited.body["error"]), (429, &json!("too_many_requests")));
    assert!(refused >= 10, "{refused}");
    assert_eq!(primary.dump().await, before);
    assert!(limited.headers.contains_key("retry-after"));
    assert_eq!(send(instances().bearer_auth(SECRET)).await.status, 200, "others at this address are not kept away");

    let cut = primary.refused(primary.get("/sync/api/nothing"), 404, "not_found").await;
    assert_eq!(cut.body["message"], "there is nothing at this path");
    primary.refused(primary.request(Method::PATCH, "/sync/api/register"), 405, "method_not_allowed").await;
    let form =
        primary.request(Method::POST, "/sync/api/register").bearer_auth(SECRET).header("content-type", "text/plain");
    primary.refused(form.body("{}"), 415, "unsupported_media_type").await;
}

async fn an_endless_body_is_refused(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(&token)).await.status, 200);
    for (method, path, credential) in
        [(Method::POST, "/sync/api/register", SECRET), (Method::PUT, "/sync/api/heartbeat", token.as_str())]
    {
        // The hub reads on for a while, so that the answer reaches the caller, and then closes the connection.
        let mebibyte = Bytes::from(vec![b' '; 1 << 20]);
        let parts = stream::iter((0..60).map(move |_| Ok::<_, std::io::Error>(mebibyte.clone())));
        let request = primary.request(method, path).bearer_auth(credential).body(Body::wrap_stream(parts));
        let refused = primary.refused(request, 413, "payload_too_large").await;
        assert!(refused.body["message"].as_str().unwrap().contains("longer than"));
    }
}

async fn the_document_lists_every_route(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let document = send(primary.get("/openapi.json")).await.body;
    let mut listed = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap().iter().filter(|_| path.starts_with("/sync/")) {
            listed.insert(format!("{} {path}", method.to_uppercase()));
            for status in ["401", "404", "429", "500", "503"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(*schema, json!("#/components/schemas/SyncErrorBody"), "{method} {path} {status}");
            }
        }
    }
    let routes = primary.routes();
    let of = |(method, path, _): &(Method, String, _)| {
        let path = path.replace(&super::id(1).to_string(), "{id}").replace("endpoints/1", "endpoints/{id}");
        format!("{method} {path}")
    };
    assert_eq!(listed, routes.iter().map(of).collect());
}
