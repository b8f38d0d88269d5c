//! What the DNS says about a name.

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

use super::{in_turn, quoted};
use crate::{Failure, FailureCode};

/// How long name servers may take over one answer; they are asked twice.
const ANSWER_TIME: Duration = Duration::from_millis(1500);

/// How long a lookup may take in all, search domains included: less than the usual deadline of a check, which can
/// then say that it was the name server that did not answer.
const LOOKUP_TIME: Duration = Duration::from_secs(4);

/// Lookups at a time. The client opens a socket for each question, and asks two for a name; beside them there must be
/// file descriptors left for the checks, of 1,024 in all on many systems.
const LOOKUPS_AT_A_TIME: usize = 128;

/// A caching DNS client, made at the first question.
pub(super) struct Dns {
    /// `None` for the system's.
    name_servers: Option<Vec<NameServerConfig>>,
    client: OnceLock<TokioResolver>,
    turns: Semaphore,
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
        Self { name_servers, client: OnceLock::new(), turns: Semaphore::new(LOOKUPS_AT_A_TIME) }
    }

    /// The addresses of `name`, at least one, the two families alternating.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let found = self.ask(self.client().lookup_ip(name)).await.map_err(|error| failure(name, &error))?;
        let (v4, v6) = found.iter().partition(IpAddr::is_ipv4);
        let addresses = in_turn([v4, v6]);
        debug!(name, ?addresses, "resolved");
        match addresses.is_empty() {
            true => Err(Failure::new(FailureCode::DnsFailed, format!("{}: {NO_ADDRESS}", quoted(name)))),
            false => Ok(addresses),
        }
    }

    /// The records of one type at `name`; none when the answer is that there is none.
    pub(super) async fn records(&self, name: &str, record_type: RecordType) -> Result<Vec<RData>, Failure> {
        let found = match self.ask(self.client().lookup(name, record_type)).await {
            Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
            Err(error) if error.is_no_records_found() => Vec::new(),
            Err(error) => return Err(failure(name, &error)),
        };
        debug!(name, %record_type, ?found, "looked up");
        Ok(found)
    }

    async fn ask<T>(&self, lookup: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
        let _turn = self.turns.acquire().await.expect("it is never closed");
        timeout(LOOKUP_TIME, lookup).await.unwrap_or(Err(NetError::Timeout))
    }

    fn client(&self) -> &TokioResolver {
        self.client.get_or_init(|| {
            let mut builder = match &self.name_servers {
                Some(servers) => {
                    let config = ResolverConfig::from_name_servers(servers.clone());
                    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                    builder.options_mut().use_hosts_file = ResolveHosts::Never;
                    builder
                }
                // Where no name server is configured, `localhost` and `/etc/hosts` still have answers.
                None => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                    debug!(%error, "no DNS configuration");
                    let config = ResolverConfig::from_name_servers(Vec::new());
                    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
                }),
            };
            builder.options_mut().timeout = ANSWER_TIME;
            builder.options_mut().attempts = 1;
            builder.build().expect("only the TLS that this client is built without can fail to set up")
        })
    }
}

const NO_ADDRESS: &str = "the name exists and has no address (no A or AAAA record)";

fn failure(name: &str, error: &NetError) -> Failure {
    let unasked = |what: &str| Failure::new(FailureCode::ProbeUnreachable, format!("{}: {what}", quoted(name)));
    let what = match error {
        error if error.is_nx_domain() => "no such name".to_owned(),
        error if error.is_no_records_found() => NO_ADDRESS.to_owned(),
        NetError::Timeout => "no answer from the name server".to_owned(),
        // No word about the name: the question did not get out.
        NetError::NoConnections => return unasked("no name server is configured"),
        NetError::Io(error) => return unasked(&format!("the name server cannot be asked: {error}")),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answered '{code}'"),
        other => format!("the lookup failed: {}", quoted(&other.to_string())),
    };
    Failure::new(FailureCode::DnsFailed, format!("{}: {what}", quoted(name)))
}
