//! The list of servers: the hub itself, the probes, and servers without a credential where the hub takes them.

use std::{net::IpAddr, time::Duration};

use easytier_uptime_store::{
    Conflict, Store, StoreError,
    domain::{
        Announced, InstanceId, MAX_OPEN_SERVERS, MAX_OPEN_SERVERS_OF_ADDRESS, OpenServer, Ownership, Probe, Region,
        Registration, Timestamp,
    },
};
use serde_json::Value;

/// When to try again after the list was full.
const RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How a hub appears in its list of servers, and whom it takes into it.
#[derive(Debug, Clone)]
pub struct DiscoveryOptions {
    /// `OPEN_DISCOVERY`: servers without a credential are listed, and anybody reads the list.
    pub open: bool,
    /// The name of this hub in the list.
    pub server_id: String,
    /// An address at which other machines reach this hub, if one is known.
    pub host: Option<String>,
    /// The port at that address.
    pub port: Option<u16>,
    /// Where this hub is, in words.
    pub region: Option<String>,
}

impl Default for DiscoveryOptions {
    /// A hub that takes nobody without a credential.
    fn default() -> Self {
        Self { open: false, server_id: "hub".to_owned(), host: None, port: None, region: None }
    }
}

/// Why a server without a credential was not listed or changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenRefusal {
    /// Nobody announced this server, or it was silent for a day.
    #[error("this server is not registered, or was silent for a day; register it first")]
    NotListed,
    /// It was announced from another address.
    #[error("this server was registered from another address")]
    OtherAddress,
    /// The address has announced as many as it may.
    #[error(
        "{MAX_OPEN_SERVERS_OF_ADDRESS} servers without a credential are registered from this address; unregister one, or \
         register with an enrollment key"
    )]
    AddressFull,
    /// The list has as many as it may.
    #[error(
        "{MAX_OPEN_SERVERS} servers without a credential are registered; try again later, or register with an enrollment key"
    )]
    ListFull,
    /// The `server_id` is another's, or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenRefusal {
    /// When to try again, where that may help.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::AddressFull | Self::ListFull).then_some(RETRY_AFTER)
    }
}

/// The servers of a hub.
#[derive(Debug)]
pub struct Servers {
    /// The hub itself.
    pub own: OwnServer,
    /// The probes that did not expire, and hubs that registered as they do.
    pub probes: Vec<Probe>,
    /// Servers without a credential.
    pub open: Vec<OpenServer>,
}

/// A hub in its own list.
#[derive(Debug)]
pub struct OwnServer {
    /// How it appears.
    pub options: DiscoveryOptions,
    /// The instance that it belongs to.
    pub instance: InstanceId,
    /// Since when it runs.
    pub started_at: Timestamp,
}

/// The use cases of the list of servers.
#[derive(Clone)]
pub struct Discovery {
    store: Store,
    options: DiscoveryOptions,
    started_at: Timestamp,
}

impl Discovery {
    /// The list of a hub that starts now.
    pub fn new(store: Store, options: DiscoveryOptions) -> Self {
        Self { store, options, started_at: Timestamp::now() }
    }

    /// Whether servers without a credential are listed, and anybody reads the list.
    pub fn is_open(&self) -> bool {
        self.options.open
    }

    /// All servers.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn servers(&self) -> Result<Servers, StoreError> {
        let now = Timestamp::now();
        let instance = self.store.instance().await?.id;
        let open = match self.options.open {
            true => self.store.open_servers(now).await?,
            false => Vec::new(),
        };
        let own = OwnServer { options: self.options.clone(), instance, started_at: self.started_at };
        Ok(Servers { own, probes: self.store.probes(now).await?, open })
    }

    /// Lists a server without a credential, which is registered at the address `from`.
    ///
    /// # Errors
    ///
    /// When the `server_id` is another's, the list is full, or the database fails.
    pub async fn announce(
        &self,
        from: IpAddr,
        server_id: &str,
        region: &Region,
        registration: &Registration,
    ) -> Result<(), OpenRefusal> {
        if server_id == self.options.server_id {
            return Err(StoreError::from(Conflict::ServerIdTaken).into());
        }
        match self.store.announce_server(from, server_id, region, registration, Timestamp::now()).await? {
            Announced::Listed => Ok(()),
            Announced::AddressFull => Err(OpenRefusal::AddressFull),
            Announced::ListFull => Err(OpenRefusal::ListFull),
        }
    }

    /// Stores a heartbeat of a server without a credential.
    ///
    /// # Errors
    ///
    /// When the server is not listed, was registered from another address, or the database fails.
    pub async fn heartbeat(&self, from: IpAddr, server_id: &str, counters: Option<&Value>) -> Result<(), OpenRefusal> {
        permitted(self.store.open_heartbeat(from, server_id, counters, Timestamp::now()).await?)
    }

    /// Takes a server without a credential off the list.
    ///
    /// # Errors
    ///
    /// When the server is not listed, was registered from another address, or the database fails.
    pub async fn withdraw(&self, from: IpAddr, server_id: &str) -> Result<(), OpenRefusal> {
        permitted(self.store.withdraw_server(from, server_id, Timestamp::now()).await?)
    }
}

fn permitted(ownership: Ownership) -> Result<(), OpenRefusal> {
    match ownership {
        Ownership::Own => Ok(()),
        Ownership::Foreign => Err(OpenRefusal::OtherAddress),
        Ownership::Unknown => Err(OpenRefusal::NotListed),
    }
}
