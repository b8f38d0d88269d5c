//! An instance: a folder with a database, the process that serves it, and its addresses.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::Duration,
};

use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{
    network::Network,
    support::{Hub, command, printed},
};

/// How long the primary must be away before another instance takes its place.
pub const FAILOVER_AFTER: Duration = Duration::from_secs(6);

/// The secret of every cluster of these tests.
pub const SECRET: &str = "a-secret-that-all-instances-of-a-cluster-know";

/// The password of every admin of these tests.
const PASSWORD: &str = "the password of the admin";

/// The settings of all instances.
const VARIABLES: [(&str, &str); 12] = [
    ("SYNC_SECRET", SECRET),
    ("ADMIN_PASSWORD", PASSWORD),
    ("FAILOVER_AFTER", "6s"),
    ("SYNC_INTERVAL", "1s"),
    ("HEARTBEAT_INTERVAL", "1s"),
    ("CONNECTION_TIMEOUT", "2s"),
    ("HEALTH_CHECK_INTERVAL", "1s"),
    ("HEALTH_CHECK_TIMEOUT", "1s"),
    ("STATUS_REPORT_INTERVAL", "1s"),
    ("ALLOW_LOCAL_PEERS", "true"),
    ("CONFIG_FILE", "uptime.toml"),
    ("RUST_LOG", "info,easytier_uptime_hub::instance=debug,sqlx=warn"),
];

/// What an instance says about who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub role: String,
    pub epoch: i64,
    pub id: String,
    /// The id of the primary.
    pub primary: String,
    /// The instances that it lists.
    pub listed: usize,
}

pub struct Instance {
    pub name: String,
    number: usize,
    folder: TempDir,
    listen: SocketAddrV4,
    sync_port: u16,
    /// Where the other instances reach it.
    pub door: SocketAddrV4,
    variables: Vec<(String, String)>,
    network: Network,
    hub: Option<Hub>,
}

impl Instance {
    /// An instance with an empty database, which is not started yet.
    pub async fn new(number: usize, network: &Network) -> Self {
        let address = own_address();
        let port = || TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (listen, sync_port) = (SocketAddrV4::new(address, port()), port());
        let door = network.open_door(number, SocketAddrV4::new(address, sync_port)).await;
        let name = format!("hub-{number}");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("uptime.toml"), "").unwrap();
        let own = [
            ("SERVER_HOST", address.to_string()),
            ("SERVER_PORT", listen.port().to_string()),
            ("SYNC_API_PORT", sync_port.to_string()),
            ("PUBLIC_URL", format!("http://{door}")),
            ("INSTANCE_NAME", name.clone()),
            ("FAILOVER_ORDER", number.to_string()),
        ];
        let all = VARIABLES.map(|(name, value)| (name, value.to_owned())).into_iter().chain(own);
        let variables = all.map(|(name, value)| (name.to_owned(), value)).collect();
        Self { name, number, folder, listen, sync_port, door, variables, network: network.clone(), hub: None }
    }

    /// The base URL at which everybody but the other instances reaches it, whatever becomes of the network.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("uptime.db")
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Removes a variable for the next start.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// The environment of its processes.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub fn start(&mut self) {
        let hub = block_in_place(|| Hub::of(&mut command(self.folder.path(), &[], &self.environment())));
        self.network.set_process(self.number, hub.pid());
        self.hub = Some(hub);
    }

    pub fn runs(&self) -> bool {
        self.hub.is_some()
    }

    /// Kills it, as kill -9 does.
    pub fn kill(&mut self) {
        drop(self.hub.take().expect("it runs"));
    }

    /// Stops it as an operator does.
    pub fn stop(&mut self) {
        let hub = self.hub.take().expect("it runs");
        block_in_place(|| hub.stop());
    }

    pub fn signal(&self, signal: Signal) {
        self.hub.as_ref().expect("it runs").signal(signal);
    }

    /// The output of one of its commands.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = command(self.folder.path(), arguments, &self.environment());
        block_in_place(|| command.output().unwrap())
    }

    /// What one of its commands prints, which succeeds.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> String {
        printed(&self.output(arguments)).trim_end().to_owned()
    }

    /// Writes the configuration file, which SIGHUP makes a running instance read again.
    pub fn configure(&self, lines: &[String]) {
        fs::write(self.folder.path().join("uptime.toml"), lines.join("\n")).unwrap();
    }

    /// What it says about who leads; `None` when it does not answer, or belongs to no cluster.
    pub async fn view(&self) -> Option<View> {
        let url = format!("http://{}:{}/sync/api/failover-order", self.listen.ip(), self.sync_port);
        let answer = client().get(url).bearer_auth(SECRET).send().await.ok()?;
        let told: Value = answer.error_for_status().ok()?.json().await.ok()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let order = told["order"].as_array()?;
        Some(View {
            role: text(&told["role"]),
            epoch: told["epoch"].as_i64()?,
            id: text(&told["instanceId"]),
            primary: text(&told["primary"]),
            listed: order.len(),
        })
    }

    /// A session of the admin's.
    pub async fn log_in(&self) -> Session {
        let (status, answer) =
            send(client().post(format!("{}/api/admin/login", self.url())), json!({"password": PASSWORD})).await;
        assert_eq!(status, 200, "{answer}");
        Session { url: self.url(), token: answer["data"]["token"].as_str().unwrap().to_owned() }
    }
}

/// A session of the admin's at an instance.
pub struct Session {
    url: String,
    token: String,
}

impl Session {
    /// Changes a peer. Returns the status and the document of the response.
    pub async fn change(&self, peer: i64, change: Value) -> (u16, Value) {
        let url = format!("{}/api/admin/nodes/{peer}", self.url);
        send(client().put(url).bearer_auth(&self.token), change).await
    }
}

async fn send(request: reqwest::RequestBuilder, body: Value) -> (u16, Value) {
    let response = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// A client whose requests end: an instance may be stopped.
pub fn client() -> Client {
    // This fails if another test has already installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5)).build().unwrap()
}

/// A loopback address that nothing else uses, so that its ports stay free while the instance does not run.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 128, low, NEXT.fetch_add(1, Relaxed))
}
