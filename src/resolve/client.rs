//! The caching DNS client, and when it is made anew.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RData, RecordType},
    },
};
use tokio::time::Instant;
use tracing::debug;

use super::system_files::{FilesState, SystemFiles};

/// The time that a name server has for one answer. It is asked twice.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The longest time for which an answer is used again, also one that there is nothing. Nodes with dynamic DNS change their
/// address, and some name servers give out answers for a day.
const MAX_TTL: Duration = Duration::from_secs(300);

/// How often the machine's files are looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A caching DNS client with its configuration.
pub(super) struct Client {
    resolver: TokioResolver,
    search: Vec<Name>,
    hosts: Hosts,
}

impl Client {
    /// The records of one type at `name`, which is fully qualified.
    pub(super) async fn lookup(&self, name: Name, record_type: RecordType) -> Result<Vec<RData>, NetError> {
        let found = self.resolver.lookup(name, record_type).await?;
        let records = found.answers().iter().filter(|record| record.record_type() == record_type);
        Ok(records.map(|record| record.data.clone()).collect())
    }

    /// The addresses that the machine itself gives to `name`, which is fully qualified.
    pub(super) fn own_addresses(&self, name: &Name) -> Vec<IpAddr> {
        let of_type = |record_type| self.hosts.lookup_static_host(&Query::query(name.clone(), record_type));
        let lookups = [RecordType::A, RecordType::AAAA].into_iter().filter_map(of_type);
        lookups
            .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
            .collect()
    }

    /// The names that `name` may stand for, in the order in which they are tried: alone, and in the search domains.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut alone = name.clone();
        alone.set_fqdn(true);
        if name.is_fqdn() {
            return vec![alone];
        }
        let mut candidates: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        let has_enough_dots = usize::from(name.num_labels()) > self.resolver.options().ndots;
        match has_enough_dots || name.is_localhost() {
            true => candidates.insert(0, alone),
            false => candidates.push(alone),
        }
        candidates
    }

    /// Forgets an answer, so that the next lookup asks a name server.
    pub(super) fn forget(&self, name: Name, record_type: RecordType) {
        self.resolver.clear_lookup_cache(name, record_type);
    }

    fn new(config: ResolverConfig, mut options: ResolverOpts, hosts: Hosts) -> Result<Self, NetError> {
        let search = config.domain().into_iter().chain(config.search()).cloned().collect();
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        options.timeout = ANSWER_TIMEOUT;
        options.attempts = 1;
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_TTL);
        // They are looked at before a name server is asked.
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: builder.with_options(options).build()?, search, hosts })
    }
}

/// Makes the client when the first lookup needs it, and again when the machine's configuration has changed.
pub(super) struct Clients {
    source: Source,
    current: Mutex<Option<Current>>,
}

/// Where a client takes its configuration from.
enum Source {
    /// These name servers; the machine's own names are left out.
    NameServers(Vec<SocketAddr>),
    /// The files of the machine.
    Machine(SystemFiles),
}

struct Current {
    client: Arc<Client>,
    /// The state of the machine's files before they were read; `None` if they must be read again in any case.
    state: Option<FilesState>,
    looked_at: Instant,
}

impl Clients {
    pub(super) fn of_name_servers(servers: &[SocketAddr]) -> Self {
        Self { source: Source::NameServers(servers.to_vec()), current: Mutex::default() }
    }

    pub(super) fn of_machine(files: SystemFiles) -> Self {
        Self { source: Source::Machine(files), current: Mutex::default() }
    }

    /// The client with the present configuration.
    pub(super) fn current(&self) -> Result<Arc<Client>, NetError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = current.as_mut()
            && self.is_current(known, now)
        {
            return Ok(known.client.clone());
        }
        let (client, state) = match &self.source {
            Source::NameServers(servers) => (with_name_servers(servers)?, None),
            Source::Machine(files) => {
                // The state comes first: a change while the files are read is seen at the next look.
                let state = files.state();
                debug!(?files, "reading the DNS configuration");
                let (client, is_complete) = with_files(files)?;
                (client, is_complete.then_some(state))
            }
        };
        let client = Arc::new(client);
        *current = Some(Current { client: client.clone(), state, looked_at: now });
        Ok(client)
    }

    fn is_current(&self, known: &mut Current, now: Instant) -> bool {
        let Source::Machine(files) = &self.source else { return true };
        if now.duration_since(known.looked_at) < LOOK_INTERVAL {
            return true;
        }
        known.looked_at = now;
        known.state.as_ref().is_some_and(|state| *state == files.state())
    }

    /// The client, if there is one already.
    pub(super) fn existing(&self) -> Option<Arc<Client>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| current.client.clone())
    }
}

fn with_name_servers(servers: &[SocketAddr]) -> Result<Client, NetError> {
    let name_server = |server: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(name_server).collect());
    Client::new(config, ResolverOpts::default(), Hosts::default())
}

/// A client as the files describe it, and whether reading them again is useless until they change. Without a name server,
/// `localhost` and the machine's own names still work.
fn with_files(files: &SystemFiles) -> Result<(Client, bool), NetError> {
    let name_servers = files.name_servers().inspect_err(|error| debug!(%error, "no name server is configured"));
    let own_names = files.own_names().inspect_err(|error| debug!(%error, "no names of the machine's own"));
    // Many containers have no names of their own. A file that is missing or malformed is as it is until it changes.
    let settled = [ErrorKind::NotFound, ErrorKind::InvalidData];
    let is_complete =
        name_servers.is_ok() && own_names.as_ref().err().is_none_or(|error| settled.contains(&error.kind()));
    let (config, options) =
        name_servers.unwrap_or_else(|_| (ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default()));
    Ok((Client::new(config, options, own_names.unwrap_or_default())?, is_complete))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{
        op::{Message, OpCode},
        rr::{Record, rdata::A},
    };
    use tokio::net::UdpSocket;

    use super::*;

    /// The client lowers the time of an answer to that for which it keeps it.
    #[tokio::test]
    async fn an_answer_for_a_day_is_kept_for_five_minutes() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = with_name_servers(&[server.local_addr().unwrap()]).unwrap();
        let name = Name::from_ascii("node.test.").unwrap();
        let answer = async {
            let mut query = [0; 512];
            let (length, from) = server.recv_from(&mut query).await.unwrap();
            let query = Message::from_vec(&query[..length]).unwrap();
            let mut answer = Message::response(query.metadata.id, OpCode::Query);
            answer.add_answers([Record::from_rdata(name.clone(), 86_400, RData::A(A::new(1, 1, 1, 1)))]);
            answer.add_query(query.queries[0].clone());
            server.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        };
        let (found, ()) = tokio::join!(client.resolver.lookup(name.clone(), RecordType::A), answer);
        assert_eq!(u64::from(found.unwrap().answers()[0].ttl), MAX_TTL.as_secs());
    }
}
