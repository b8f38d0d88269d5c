//! Lookups in the DNS.

use std::{
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::debug;

use super::{interleave::interleave, quote::quote};
use crate::{Failure, FailureCode};

/// The time that a name server has for one answer. It is asked twice.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The time that a lookup may take, search domains included. It is less than the default timeout of a check, so that the
/// check can report that the name server did not answer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// The maximum number of concurrent lookups. The client opens a socket for each query, and makes two for a name; the
/// checks need file descriptors too, and many systems allow 1,024 in all.
const MAX_CONCURRENT_LOOKUPS: usize = 128;

/// A caching DNS client, made at the first lookup.
pub(super) struct Dns {
    /// `None` for the name servers of the system.
    name_servers: Option<Vec<NameServerConfig>>,
    client: OnceLock<TokioResolver>,
    permits: Semaphore,
}

impl Dns {
    pub(super) fn system() -> Self {
        Self::new(None)
    }

    pub(super) fn with_name_servers(servers: &[SocketAddr]) -> Self {
        let name_server = |server: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        };
        Self::new(Some(servers.iter().map(name_server).collect()))
    }

    fn new(name_servers: Option<Vec<NameServerConfig>>) -> Self {
        Self { name_servers, client: OnceLock::new(), permits: Semaphore::new(MAX_CONCURRENT_LOOKUPS) }
    }

    /// The addresses of `name`, at least one. The two families alternate.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let client = self.client().map_err(|error| failure(name, &error))?;
        let found = self.limited(client.lookup_ip(name)).await.map_err(|error| failure(name, &error))?;
        let (v4, v6) = found.iter().partition(IpAddr::is_ipv4);
        let addresses = interleave([v4, v6]);
        debug!(name, ?addresses, "resolved");
        match addresses.is_empty() {
            true => Err(Failure::new(FailureCode::DnsFailed, format!("{}: {NO_ADDRESS}", quote(name)))),
            false => Ok(addresses),
        }
    }

    /// The records of one type at `name`; empty if the name server answers that there are none.
    pub(super) async fn records(&self, name: &str, record_type: RecordType) -> Result<Vec<RData>, Failure> {
        let client = self.client().map_err(|error| failure(name, &error))?;
        let found = match self.limited(client.lookup(name, record_type)).await {
            Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
            Err(error) if error.is_no_records_found() => Vec::new(),
            Err(error) => return Err(failure(name, &error)),
        };
        debug!(name, %record_type, ?found, "looked up");
        Ok(found)
    }

    /// Runs one lookup, within the limits on their number and time.
    async fn limited<T>(&self, lookup: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
        // The semaphore is never closed, so there is always a permit.
        let _permit = self.permits.acquire().await.ok();
        timeout(LOOKUP_TIMEOUT, lookup).await.unwrap_or(Err(NetError::Timeout))
    }

    fn client(&self) -> Result<&TokioResolver, NetError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = match &self.name_servers {
            Some(servers) => {
                let config = ResolverConfig::from_name_servers(servers.clone());
                let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
            // Without a configured name server, `localhost` and `/etc/hosts` still work.
            None => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                debug!(%error, "no DNS configuration");
                let config = ResolverConfig::from_name_servers(Vec::new());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }),
        };
        builder.options_mut().timeout = ANSWER_TIMEOUT;
        builder.options_mut().attempts = 1;
        let client = builder.build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

const NO_ADDRESS: &str = "the name exists and has no address (no A or AAAA record)";

fn failure(name: &str, error: &NetError) -> Failure {
    let not_sent = |reason: &str| Failure::new(FailureCode::ProbeUnreachable, format!("{}: {reason}", quote(name)));
    let reason = match error {
        error if error.is_nx_domain() => "no such name".to_owned(),
        error if error.is_no_records_found() => NO_ADDRESS.to_owned(),
        NetError::Timeout => "no answer from the name server".to_owned(),
        // These say nothing about the name, because no name server was asked.
        NetError::NoConnections => return not_sent("no name server is configured"),
        NetError::Io(error) => return not_sent(&format!("the name server cannot be asked: {error}")),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answered '{code}'"),
        other => format!("the lookup failed: {}", quote(&other.to_string())),
    };
    Failure::new(FailureCode::DnsFailed, format!("{}: {reason}", quote(name)))
}
