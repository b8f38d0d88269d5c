//! The outcome of a check, and its report.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::session::{PingRound, Session};
use crate::{
    CheckReport, CheckResult, Failure, FailureCode, Latency, Peer, Stage, Status,
    result::{MAX_MESSAGE_CHARS, NodeInfo, RelayTest, Timings, Traffic},
};

/// The findings of a check.
pub(super) struct Outcome {
    /// The last stage reached.
    pub stage: Stage,
    pub failure: Option<Failure>,
    pub pings: PingRound,
    pub info: NodeInfo,
    pub timings: Timings,
    /// When the certificate of a wss node expires.
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// Whether this repeats the outcome of an earlier check.
    pub is_repeated: bool,
}

impl Outcome {
    /// The outcome of a check that has not reached any stage yet.
    pub fn new() -> Self {
        Self {
            stage: Stage::Resolve,
            failure: None,
            pings: PingRound::default(),
            info: NodeInfo::default(),
            timings: Timings::default(),
            certificate_expires_at: None,
            is_repeated: false,
        }
    }

    pub fn failed(stage: Stage, failure: Failure) -> Self {
        Self { stage, failure: Some(failure), ..Self::new() }
    }

    /// The outcome of a check that panicked.
    pub fn panicked() -> Self {
        let failure = Failure::new(FailureCode::Internal, "the check panicked; please report this");
        Self::failed(Stage::Resolve, failure)
    }

    pub fn status(&self) -> Status {
        self.failure.as_ref().map_or(Status::Online, Failure::status)
    }

    /// Whether the other outcome says the same of the peer.
    pub fn is_same_verdict(&self, other: &Self) -> bool {
        let verdict =
            |outcome: &Self| (outcome.stage, outcome.failure.as_ref().map(|failure| (failure.code, failure.blame)));
        verdict(self) == verdict(other)
    }

    /// The same findings without round trips and times.
    pub fn without_measurements(&self) -> Self {
        Self {
            stage: self.stage,
            failure: self.failure.clone(),
            info: self.info.clone(),
            certificate_expires_at: self.certificate_expires_at,
            ..Self::new()
        }
    }

    /// Whether the attempt missed its window, so that nothing is known about its address.
    pub fn missed_window(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::MissedWindow)
    }

    /// Whether this failure, of one address, decides about the peer rather than that of another. An address that was not
    /// tried does, because the node may be there; then a failure of the peer's own; then the one at the later stage.
    pub fn decides_before(&self, other: &Self) -> bool {
        let rank = |outcome: &Self| (outcome.missed_window(), outcome.status() == Status::Offline, outcome.stage);
        rank(self) > rank(other)
    }

    /// Turns a timeout into a missed window, because other work of this probe left the node only `time` of the check's
    /// `timeout`.
    pub fn excuse_timeout(&mut self, time: Duration, timeout: Duration) {
        if let Some(failure) = self.failure.take_if(|failure| failure.is_timeout()) {
            let message = format!(
                "{}; this probe left it only {:.1} s of {} s, so that says nothing about the node",
                failure.message,
                time.as_secs_f64(),
                timeout.as_secs_f64()
            );
            self.failure = Some(Failure::new(FailureCode::MissedWindow, message));
        }
    }

    /// Adds the results of a round of pings, and the node's route information if there is any.
    pub fn record(&mut self, session: &Session, pings: PingRound) {
        self.pings = pings;
        if let Some(info) = session.info() {
            self.info = info.clone();
        }
    }

    /// The report of this check of `peer`, which has just ended. Its traffic is for the caller to add.
    #[expect(clippy::disallowed_methods, reason = "the report is stamped with the time at which the check ends")]
    pub fn into_report(self, peer: &Peer) -> CheckReport {
        let status = self.status();
        let latency = Latency::of(&self.pings.round_trips, self.pings.sent);
        let (error, message) = self.failure.map(|failure| (failure.code, failure.message)).unzip();
        let mut result = CheckResult {
            id: Uuid::now_v7(),
            peer_id: peer.id,
            checked_at: Utc::now(),
            checks: 1,
            healthy: Some(u32::from(status == Status::Online)),
            status,
            response_time: latency.map(|latency| latency.median_ms),
            min_ms: latency.map(|latency| latency.min_ms),
            max_ms: latency.map(|latency| latency.max_ms),
            stage: self.stage,
            error,
            message: message.map(|message| message.chars().take(MAX_MESSAGE_CHARS).collect()),
            version: self.info.version,
            hostname: self.info.hostname,
            network_count: self.info.network_count,
            relay: None,
            relay_error: None,
            relay_ms: None,
            certificate_expires_at: self.certificate_expires_at,
            listing: peer.listing,
        };
        if self.info.refuses_relay {
            result.set_relay(RelayTest::refused_by_its_word());
        }
        CheckReport {
            result,
            url: peer.url.clone(),
            latency,
            timings: self.timings,
            is_public_server: self.info.is_public_server,
            is_repeated: self.is_repeated,
            traffic: Traffic::default(),
        }
    }
}
