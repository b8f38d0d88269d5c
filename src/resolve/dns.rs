//! Lookups in the DNS: what the answers mean, and how many run at a time.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use hickory_resolver::{
    net::{DnsError, NetError},
    proto::rr::{Name, RData, RecordType},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::{
    client::{Client, Clients},
    interleave::interleave,
    proxy_answer::without_proxy_answers,
    quote::quote,
    system_files::SystemFiles,
};
use crate::{Failure, FailureCode};

/// The time that a lookup may take, search domains included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// The maximum number of concurrent lookups. The client opens a socket for each query, and makes two for a name; the
/// checks need file descriptors too, and many systems allow 1,024 in all.
const MAX_LOOKUPS: usize = 128;

/// The maximum number of concurrent lookups for one peer. A peer may lead to many names, and its dead name servers would
/// hold up the lookups of all others.
const MAX_LOOKUPS_OF_PEER: usize = 4;

/// The DNS, as all checks share it. Turns are given in the order in which they are asked for.
pub(super) struct Dns {
    clients: Clients,
    turns: Semaphore,
}

impl Dns {
    pub(super) fn of_machine(files: SystemFiles) -> Self {
        Self { clients: Clients::of_machine(files), turns: Semaphore::new(MAX_LOOKUPS) }
    }

    pub(super) fn of_name_servers(servers: &[SocketAddr]) -> Self {
        Self { clients: Clients::of_name_servers(servers), turns: Semaphore::new(MAX_LOOKUPS) }
    }

    /// The lookups of one peer, which end at `deadline`.
    pub(super) fn lookups(&self, deadline: Instant) -> Lookups<'_> {
        Lookups {
            dns: self,
            started: Instant::now(),
            deadline,
            turns: Semaphore::new(MAX_LOOKUPS_OF_PEER),
            asked: Mutex::default(),
        }
    }

    /// Forgets the answers to these questions, so that the next lookup asks a name server.
    pub(super) fn forget(&self, questions: &[Question]) {
        let Some(client) = self.clients.existing() else { return };
        for Question { name, record_type } in questions {
            client.forget(name.clone(), *record_type);
        }
    }
}

/// What a name server was asked, or the cache instead of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    name: Name,
    record_type: RecordType,
}

/// The lookups of one peer.
pub(super) struct Lookups<'a> {
    dns: &'a Dns,
    started: Instant,
    deadline: Instant,
    turns: Semaphore,
    asked: Mutex<Vec<Question>>,
}

impl Lookups<'_> {
    /// The time until the deadline.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The time from the first lookup to the deadline.
    pub(super) fn whole_time(&self) -> Duration {
        self.deadline.saturating_duration_since(self.started)
    }

    /// The questions so far.
    pub(super) fn questions(self) -> Vec<Question> {
        self.asked.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses of `name`, at least one. The two families alternate.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let records = match self.answer(name, &[RecordType::A, RecordType::AAAA]).await? {
            Answer::Own(addresses) => return Ok(addresses),
            Answer::Records(records) => records,
            Answer::NoSuchName => return Err(dns_failed(name, "no such name")),
            Answer::NoRecords => {
                return Err(dns_failed(name, "the name exists and has no address (no A or AAAA record)"));
            }
        };
        let (v4, v6) = records.iter().filter_map(RData::ip_addr).partition(IpAddr::is_ipv4);
        let addresses = interleave([v4, v6]);
        debug!(name, ?addresses, "resolved");
        without_proxy_answers(name, addresses)
    }

    /// The records of one type at `name`; empty if the name server answers that there are none.
    pub(super) async fn records(&self, name: &str, record_type: RecordType) -> Result<Vec<RData>, Failure> {
        let found = match self.answer(name, &[record_type]).await? {
            Answer::Records(records) => records,
            Answer::Own(_) | Answer::NoSuchName | Answer::NoRecords => Vec::new(),
        };
        debug!(name, %record_type, ?found, "looked up");
        Ok(found)
    }

    async fn answer(&self, text: &str, types: &[RecordType]) -> Result<Answer, Failure> {
        let name = Name::from_utf8(text).map_err(|error| dns_failed(text, &quote(&error.to_string())))?;
        let client = self.dns.clients.current().map_err(|error| not_answered(text, &error))?;
        let waiting = async {
            // The semaphores are never closed, so there is always a permit.
            (self.turns.acquire().await.ok(), self.dns.turns.acquire().await.ok())
        };
        let Ok(_permits) = timeout_at(self.deadline, waiting).await else {
            let message = format!("{}: other lookups took until the deadline", quote(text));
            return Err(Failure::new(FailureCode::MissedWindow, message));
        };
        let until = self.deadline.min(Instant::now() + LOOKUP_TIMEOUT);
        let found = timeout_at(until, self.first_answer(&client, &name, types)).await;
        found.unwrap_or(Err(NetError::Timeout)).map_err(|error| not_answered(text, &error))
    }

    /// The answer for the first of the names that `name` may stand for which has one. If no name server can tell whether
    /// one has, that is an error, even if another has none.
    async fn first_answer(&self, client: &Client, name: &Name, types: &[RecordType]) -> Result<Answer, NetError> {
        let mut nothing = Answer::NoSuchName;
        let mut first_error = None;
        for candidate in client.candidates(name) {
            let own = client.own_addresses(&candidate);
            if !own.is_empty() && types.contains(&RecordType::A) {
                return Ok(Answer::Own(own));
            }
            let mut records = Vec::new();
            let lookups = types.iter().map(|record_type| self.ask(client, candidate.clone(), *record_type));
            for found in join_all(lookups).await {
                match found {
                    Ok(found) if found.is_empty() => nothing = Answer::NoRecords,
                    Ok(found) => records.extend(found),
                    Err(error) if error.is_nx_domain() => {}
                    Err(error) if error.is_no_records_found() => nothing = Answer::NoRecords,
                    Err(error) => _ = first_error.get_or_insert(error),
                }
            }
            if !records.is_empty() {
                return Ok(Answer::Records(records));
            }
        }
        first_error.map_or(Ok(nothing), Err)
    }

    async fn ask(&self, client: &Client, name: Name, record_type: RecordType) -> Result<Vec<RData>, NetError> {
        let question = Question { name: name.clone(), record_type };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(question);
        client.lookup(name, record_type).await
    }
}

enum Answer {
    /// The machine itself knows the name.
    Own(Vec<IpAddr>),
    Records(Vec<RData>),
    NoSuchName,
    /// The name exists and has no such record.
    NoRecords,
}

/// The name servers know the name, or that there is none: that is the peer's fault.
fn dns_failed(name: &str, reason: &str) -> Failure {
    Failure::new(FailureCode::DnsFailed, format!("{}: {reason}", quote(name)))
}

/// No name server has told anything about the name. That says nothing about the peer.
fn not_answered(name: &str, error: &NetError) -> Failure {
    let reason = match error {
        NetError::Timeout => "no answer from the name server".to_owned(),
        NetError::NoConnections => "no name server is configured".to_owned(),
        NetError::Io(error) => format!("the name server cannot be asked: {error}"),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server answered '{code}'"),
        other => format!("the lookup failed: {}", quote(&other.to_string())),
    };
    Failure::new(FailureCode::ProbeUnreachable, format!("{}: {reason}", quote(name)))
}
