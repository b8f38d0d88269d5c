//! The synchronisation API.

mod configuration;
mod false_primary;
mod hand_in;
mod heartbeat;
mod keys;
mod leadership;
mod locations;
mod refusals;
mod register;

use std::sync::Arc;

use easytier_uptime_hub::{
    instance::InstanceOptions,
    service::{OwnInstance, password},
};
use easytier_uptime_store::domain::{Instance, InstanceId, Timestamp};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    hub::{ApiReply, TestHub, send},
    support::TestStore,
};

const SECRET: &str = "a secret that all instances of the cluster know";
const PASSWORD: &str = "correct horse battery staple";
/// The address of the primary.
const ADDRESS: &str = "http://192.0.2.1:3002/";

/// The tables that a refused request must not change. The others hold sessions and what is due when.
const TABLES: [&str; 18] = [
    "settings",
    "regions",
    "peers",
    "peer_tags",
    "peer_regions",
    "probes",
    "credentials",
    "results",
    "latest",
    "peer_states",
    "events",
    "tuning",
    "submissions",
    "instance",
    "instances",
    "instance_tokens",
    "synced_objects",
    "sync_conflicts",
];

/// A registration of another program.
fn example() -> Value {
    serde_json::from_str(include_str!("../../fixtures/sync-register.json")).unwrap()
}

/// A hub of an instance.
struct Sync {
    hub: TestHub,
}

impl std::ops::Deref for Sync {
    type Target = TestHub;

    fn deref(&self) -> &TestHub {
        &self.hub
    }
}

impl Sync {
    /// A hub of an instance that belongs to no cluster.
    async fn standalone(store: &TestStore) -> Self {
        let options = InstanceOptions { secret: Some(SECRET.into()), ..InstanceOptions::named("Primary") };
        let own = OwnInstance { options: Arc::new(options), ..OwnInstance::default() };
        Self { hub: TestHub::with(store, |options| options.instance = own).await }
    }

    /// A hub of a primary.
    async fn primary(store: &TestStore) -> Self {
        let sync = Self::standalone(store).await;
        sync.store.become_primary("Primary", Some(ADDRESS)).await.unwrap();
        sync
    }

    async fn instance(&self) -> Instance {
        self.store.instance().await.unwrap()
    }

    /// Registers an instance with this number; returns its token.
    async fn register(&self, nth: u128) -> String {
        let reply = send(self.post("/sync/api/register", &self.registration(nth)).bearer_auth(SECRET)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["token"].as_str().unwrap().to_owned()
    }

    fn registration(&self, nth: u128) -> Value {
        let mut register = example();
        register["instanceId"] = json!(id(nth));
        register["instanceName"] = json!(format!("Instance-{nth}"));
        register
    }

    /// The session of the admin.
    async fn admin(&self) -> String {
        password::set(&self.store, &PASSWORD.into(), Timestamp::now()).await.unwrap();
        let reply = send(self.post("/api/admin/login", &json!({ "password": PASSWORD }))).await;
        reply.body["data"]["token"].as_str().unwrap().to_owned()
    }

    async fn dump(&self) -> String {
        self.test.dump(&TABLES).await
    }

    /// Sends a request that must be refused without a trace in the data.
    #[track_caller]
    fn refused(&self, request: RequestBuilder, status: u16, code: &str) -> impl Future<Output = ApiReply> {
        let place = std::panic::Location::caller();
        let (test, code) = (self.test.clone(), code.to_owned());
        async move {
            let before = test.dump(&TABLES).await;
            let reply = send(request).await;
            assert_eq!((reply.status, &reply.body["error"]), (status, &json!(code)), "{place}: {reply:?}");
            assert!(reply.body["message"].is_string() && reply.body.get("success").is_none(), "{place}: {reply:?}");
            assert_eq!(test.dump(&TABLES).await, before, "{place}");
            reply
        }
    }

    /// All routes, each with a body that fits it.
    fn routes(&self) -> Vec<(Method, String, Option<Value>)> {
        let beat = json!({ "instanceId": id(1), "timestamp": Timestamp::now(), "status": "healthy", "uptime": 1 });
        let path = |path: &str| format!("/sync/api/{path}");
        vec![
            (Method::POST, path("register"), Some(self.registration(9))),
            (Method::PUT, path("heartbeat"), Some(beat)),
            (Method::GET, path("instances"), None),
            (Method::DELETE, path(&format!("instances/{}", id(1))), None),
            (Method::GET, path("endpoints"), None),
            (Method::PUT, path("endpoints"), Some(json!({}))),
            (Method::GET, path("endpoints/1"), None),
            (Method::GET, path("notification-services"), None),
            (Method::GET, path("results"), None),
            (Method::GET, path("failover-order"), None),
            (Method::POST, path("promote"), Some(json!({ "expectedEpoch": 1, "reason": "a test" }))),
            (Method::POST, path(&format!("demote/{}", id(1))), None),
        ]
    }

    fn to(&self, method: &Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let request = self.request(method.clone(), path);
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

fn id(nth: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(nth))
}
