//! The function with the URLs of two instances and one token: it goes on when the primary is lost.

use std::{sync::Arc, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, Checker};
use easytier_uptime_hub::{
    WebOptions,
    instance::{self, ConfiguredRole, InstanceOptions},
    serve,
    service::OwnInstance,
};
use easytier_uptime_store::{
    HubKey, Location, Store, StoreOptions,
    domain::{PeerSpec, Role, Timestamp},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{function::Function, node};

const SECRET: &str = "a secret that all instances of the cluster know";

/// An instance of a cluster, which works until it is stopped.
struct Instance {
    store: Store,
    url: String,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Instance {
    /// The instance with this place in the order; a dependent of the primary at a URL, else the primary.
    async fn start(order: i64, primary: Option<&str>) -> Self {
        // Fails if another test has done it, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(Location::Sqlite(folder.path().join("uptime.db")), HubKey::generate());
        let store = Store::open(options, Timestamp::now()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = InstanceOptions {
            public_endpoint: Some(url.parse().unwrap()),
            secret: Some(SECRET.into()),
            failover_order: order,
            sync_interval: Duration::from_millis(200),
            heartbeat_interval: Duration::from_millis(200),
            failover_after: Duration::from_secs(2),
            ..InstanceOptions::named(format!("hub-{order}"))
        };
        let own = OwnInstance { options: Arc::new(options), ..OwnInstance::default() };
        let addresses = AddressPolicy { allow_private: false, allow_local: false };
        let checker = Checker::new(CheckOptions { addresses, ..CheckOptions::default() });
        let web = WebOptions { instance: own.clone(), ..WebOptions::default() };
        let router = easytier_uptime_hub::router(store.clone(), checker, web, None);
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, stop.clone().cancelled_owned(), Duration::ZERO));
        let role = match primary {
            Some(url) => ConfiguredRole::Dependent { primary: url.parse().unwrap() },
            None => ConfiguredRole::Primary,
        };
        let (of_role, stopped) = (store.clone(), stop.clone());
        // Its future stays on one thread.
        let runtime = Handle::current();
        spawn_blocking(move || {
            runtime
                .block_on(instance::run(&of_role, &own.options, &role, &own.status, stopped))
                .expect("it can ask others");
        });
        Self { store, url, stop, _folder: folder }
    }

    async fn role(&self) -> Role {
        self.store.instance().await.unwrap().role
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("not within a minute: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_with_the_same_token_after_a_failover() {
    let primary = Instance::start(1, None).await;
    until("the first leads", async || primary.role().await == Role::Primary).await;
    let peer = node::url(11).parse().unwrap();
    let spec = PeerSpec::new(peer);
    primary.store.import_peers(&[spec], Timestamp::now()).await.unwrap();
    let region = "eu".parse().unwrap();
    let token = primary.store.create_node_token("probe", None, &region, Timestamp::now()).await.unwrap();
    let dependents = [Instance::start(2, Some(&primary.url)).await, Instance::start(3, Some(&primary.url)).await];
    for dependent in &dependents {
        until("each dependent can take the primary's place, and has its configuration", async || {
            let known = dependent.store.members().await.unwrap();
            let others = known.iter().filter(|one| one.role == Role::Dependent && one.called_back_at.is_some()).count();
            let peers = dependent.store.export_peers().await.unwrap().len();
            dependent.store.called_back().await.unwrap() && others == 1 && peers == 1
        })
        .await;
    }

    let [next, _] = &dependents;
    let variables = [
        ("BACKEND_BASE_URL", format!("{},{}", primary.url, next.url)),
        ("NODE_TOKEN", token.token.expose().to_owned()),
        ("ALLOW_LOCAL_PEERS", "true".to_owned()),
        ("HEALTH_CHECK_INTERVAL", "1s".to_owned()),
    ];
    let mut function = Function::start(variables).await;
    assert_delivered(&function.answer(json!({})).await);

    primary.stop.cancel();
    until("the next one leads", async || next.role().await == Role::Primary).await;
    let before = next.store.newest_result().await.unwrap();
    assert_delivered(&function.answer(json!({"claim": false})).await);
    assert!(next.store.newest_result().await.unwrap() > before);
    // The new primary hands out peers to check, as soon as they are due.
    let mut claimed = function.answer(json!({})).await;
    while claimed["checked"] == 0 {
        claimed = function.answer(json!({})).await;
    }
    assert_delivered(&claimed);
}

#[track_caller]
fn assert_delivered(answer: &Value) {
    assert_eq!([&answer["checked"], &answer["online"], &answer["delivered"]], [1, 1, 1], "{answer}");
}
