//! One question to one probe: at its address, through the proxy, or over the connection that the probe made.

use std::time::Duration;

use easytier_uptime_store::{
    Store, StoreError,
    domain::{ControlAddress, ManageProblem, Managed, MessageKind, ProbeId, ProbePath, Timestamp},
};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{
    client::{Answered, Ask, ControlClient, cut},
    member::Reached,
    statistics::{Statistic, Statistics},
};

/// How long an answer over a probe's own connection may take.
const REVERSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the database is asked for such an answer.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What a probe answers to a configuration over its own connection.
#[derive(Deserialize)]
struct ConfigAnswer {
    status: u16,
    #[serde(default)]
    error: String,
}

/// What a probe answers to a question for statistics over its own connection.
#[derive(Deserialize)]
struct StatsAnswer {
    stats: Vec<Statistic>,
}

/// Reaches probes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Exchange {
    pub store: Store,
    pub client: ControlClient,
}

impl Exchange {
    /// Has a probe take a configuration.
    pub async fn push(&self, managed: &Managed, body: String) -> Result<Reached, ManageProblem> {
        let ask = Ask::Config(body.into());
        match self.at_address(managed, &ask).await {
            Some(Ok(answered)) => Ok(answered.reached()),
            Some(Err(problem)) if !may_be_reached_otherwise(&problem) => Err(problem),
            tried => self.push_in_reverse(managed.probe.id).await.map_err(|problem| first(tried, problem)),
        }
    }

    /// Asks a probe for its statistics.
    pub async fn pull(&self, managed: &Managed) -> Result<(Reached, Statistics), ManageProblem> {
        match self.at_address(managed, &Ask::Stats).await {
            Some(Ok(answered)) => Ok((answered.reached(), Statistics::read(&answered.body, answered.is_cut)?)),
            Some(Err(problem)) if !may_be_reached_otherwise(&problem) => Err(problem),
            tried => self.pull_in_reverse(managed.probe.id).await.map_err(|problem| first(tried, problem)),
        }
    }

    async fn at_address(&self, managed: &Managed, ask: &Ask) -> Option<Result<Answered, ManageProblem>> {
        let ((host, port), token) = managed.probe.address.clone().zip(managed.token.clone())?;
        Some(self.client.ask(&ControlAddress { host, port, token }, ask).await)
    }

    async fn push_in_reverse(&self, probe: ProbeId) -> Result<Reached, ManageProblem> {
        let (answer, round_trip) = self.in_reverse(probe, MessageKind::Config).await?;
        let ConfigAnswer { status, error } = serde_json::from_value(answer).map_err(foreign)?;
        match status {
            200 => Ok(reached_in_reverse(round_trip)),
            409 => Err(ManageProblem::Conflict { cause: cut(&error) }),
            status => Err(ManageProblem::Answered { status, cause: cut(&error) }),
        }
    }

    async fn pull_in_reverse(&self, probe: ProbeId) -> Result<(Reached, Statistics), ManageProblem> {
        let (answer, round_trip) = self.in_reverse(probe, MessageKind::Stats).await?;
        let StatsAnswer { stats } = serde_json::from_value(answer).map_err(foreign)?;
        Ok((reached_in_reverse(round_trip), Statistics::of(&stats)))
    }

    /// Sends a message, and waits for its answer, which any hub on the database may get.
    async fn in_reverse(&self, probe: ProbeId, kind: MessageKind) -> Result<(Json, Duration), ManageProblem> {
        let (began, now) = (Instant::now(), Timestamp::now());
        let number = self.store.send_message(probe, kind, now + REVERSE_TIMEOUT, now).await.map_err(no_connection)?;
        while began.elapsed() < REVERSE_TIMEOUT {
            sleep(POLL_INTERVAL).await;
            if let Some(answer) = self.store.message_answer(probe, number).await.map_err(no_connection)? {
                return Ok((answer, began.elapsed()));
            }
        }
        Err(ManageProblem::Slow { seconds: REVERSE_TIMEOUT.as_secs() })
    }
}

impl Answered {
    fn reached(&self) -> Reached {
        Reached { path: self.path, round_trip: self.round_trip, has_backend: self.has_backend }
    }
}

/// A probe that has a connection to this hub reports to it.
fn reached_in_reverse(round_trip: Duration) -> Reached {
    Reached { path: ProbePath::Reverse, round_trip, has_backend: Some(true) }
}

fn may_be_reached_otherwise(problem: &ManageProblem) -> bool {
    matches!(problem, ManageProblem::Unreachable { .. } | ManageProblem::Slow { .. })
}

/// What is told of a probe that was not reached in any way: what was wrong at its address, if it has one.
fn first(tried: Option<Result<Answered, ManageProblem>>, reverse: ManageProblem) -> ManageProblem {
    match (tried, reverse) {
        (Some(Err(at_address)), ManageProblem::NoConnection) => at_address,
        (_, reverse) => reverse,
    }
}

fn no_connection(error: StoreError) -> ManageProblem {
    if !matches!(error, StoreError::NotFound(_)) {
        tracing::warn!(%error, "a message to a probe cannot be stored or read");
    }
    ManageProblem::NoConnection
}

fn foreign(_: serde_json::Error) -> ManageProblem {
    ManageProblem::Foreign { cause: "its answer cannot be read".to_owned() }
}
