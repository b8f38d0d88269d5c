//! One attempt at one address: dial, handshake, admission, pings, route information.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};

use super::{
    diagnosis::{self, NoAnswer, Silence},
    dial::{DialError, Dialer, LinkError},
    identity::Identity,
    session::{Answer, GreetError, PingPlan, PingRound, Session},
};
use crate::{
    Access, CheckMode, Failure, FailureCode, Stage, Status, Target,
    result::{NodeInfo, Timings},
};

/// How long to wait for route information after the pings: some round trips, and at least this.
const ROUTE_PATIENCE: Duration = Duration::from_millis(200);
const ROUTE_PATIENCE_ROUND_TRIPS: u32 = 4;

/// What is asked of an attempt.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub dialer: &'a Dialer,
    pub access: &'a Access,
    pub mode: CheckMode,
    pub pings: PingPlan,
    pub deadline: Instant,
    /// The whole time of the check, for words.
    pub timeout: Duration,
    /// Why the node gave no answer the last time, if that was so: it is not looked into again while nothing changes.
    pub known: Option<&'a NoAnswer>,
}

/// What came of an attempt.
#[derive(Default)]
pub(super) struct Attempt {
    /// The last stage reached.
    pub stage: Option<Stage>,
    pub failure: Option<Failure>,
    pub pings: PingRound,
    pub info: NodeInfo,
    pub timings: Timings,
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// When it was the handshake that got no answer: what was found out about it.
    pub no_answer: Option<NoAnswer>,
    /// Still open after a good attempt, for those who hold it, with the address it leads to.
    pub session: Option<(SocketAddr, Session)>,
}

impl Attempt {
    pub fn failed(stage: Stage, failure: Failure) -> Self {
        Self { stage: Some(stage), failure: Some(failure), ..Self::default() }
    }

    pub fn panicked() -> Self {
        Self::failed(Stage::Resolve, Failure::new(FailureCode::Internal, "the check panicked; please report this"))
    }

    pub fn status(&self) -> Status {
        self.failure.as_ref().map_or(Status::Online, |failure| failure.code.status())
    }

    /// Which of two failures tells about a peer: one that is the peer's own, and then the one that got further.
    pub fn says_more_than(&self, other: &Self) -> bool {
        let weight = |attempt: &Self| (attempt.status() == Status::Offline, attempt.stage);
        weight(self) > weight(other)
    }

    fn fail(mut self, stage: Stage, failure: Failure) -> Self {
        tracing::debug!(%stage, %failure, "failed");
        self.stage = Some(stage);
        self.failure = Some(failure);
        self.session = None;
        self
    }

    async fn fail_unanswered(mut self, target: &Target, question: Question<'_>, silence: Silence) -> Self {
        let failure = diagnosis::no_answer(target, question, silence).await;
        self.no_answer = Some(NoAnswer { silence, failure: failure.clone() });
        self.fail(Stage::Handshake, in_time(failure, question.timeout))
    }

    /// Takes over what a round of pings and the node's own words gave.
    pub fn note(&mut self, session: &Session, pings: PingRound) {
        self.pings = pings;
        if let Some(info) = session.info() {
            self.info = info.clone();
        }
    }
}

/// Tries `target` as far as the question goes.
pub(super) async fn attempt(target: &Target, question: Question<'_>) -> Attempt {
    let mut attempt = Attempt::default();
    let mut clock = Instant::now();
    let mut lap = |timings: &mut Timings, stage| {
        timings.set(stage, clock.elapsed());
        clock = Instant::now();
    };

    // Boxed, because a held session waits in the frame that this leaves behind.
    let dialing = Box::pin(question.dialer.dial(target, question.access, question.deadline));
    let dialed = match dialing.await {
        Ok(dialed) => dialed,
        Err(DialError { stage, failure }) => {
            lap(&mut attempt.timings, stage);
            return attempt.fail(stage, in_time(failure, question.timeout));
        }
    };
    lap(&mut attempt.timings, Stage::Connect);
    attempt.certificate_expires_at = dialed.certificate_expires_at;

    let patience = match diagnosis::needs_time(target, question) {
        // Half the time for the answer, half for finding out why there was none.
        true => question.deadline - (question.deadline - Instant::now()) / 2,
        false => question.deadline,
    };
    let identity = Identity::of(question.access);
    let greeted = timeout_at(patience, Session::greet(dialed.link, identity)).await;
    lap(&mut attempt.timings, Stage::Handshake);
    let mut session = match greeted {
        Ok(Ok(session)) => session,
        Ok(Err(GreetError::NotEasytier(what))) => {
            return attempt.fail(Stage::Handshake, diagnosis::not_easytier(what));
        }
        Ok(Err(GreetError::Protocol(words))) => {
            let words = format!("an EasyTier of another protocol version: {words}");
            return attempt.fail(Stage::Handshake, Failure::new(FailureCode::ProtocolMismatch, words));
        }
        Ok(Err(GreetError::Closed)) => return attempt.fail_unanswered(target, question, Silence::Closed).await,
        Err(_) => return attempt.fail_unanswered(target, question, Silence::Timeout).await,
    };
    if question.mode == CheckMode::Handshake {
        attempt.stage = Some(Stage::Handshake);
        return attempt;
    }

    let pings = session.ping(question.pings, question.deadline).await;
    if let Some(first) = pings.round_trips.first() {
        attempt.timings.set(Stage::Admit, *first);
        attempt.timings.set(Stage::Ping, clock.elapsed().saturating_sub(*first));
    } else {
        attempt.timings.set(Stage::Admit, clock.elapsed());
    }
    clock = Instant::now();
    attempt.note(&session, pings);
    if let Some((stage, failure)) = admission_failure(&attempt, &session, question) {
        return attempt.fail(stage, in_time(failure, question.timeout));
    }

    attempt.stage = Some(Stage::Ping);
    let round_trip = attempt.pings.round_trips.iter().max().copied().unwrap_or_default();
    let patience = ROUTE_PATIENCE.max(round_trip * ROUTE_PATIENCE_ROUND_TRIPS);
    session.wait_for_route(question.deadline.min(Instant::now() + patience)).await;
    if let Some(info) = session.info() {
        attempt.info = info.clone();
        attempt.stage = Some(Stage::Route);
        attempt.timings.set(Stage::Route, clock.elapsed());
    }
    if attempt.pings.ended.is_none() {
        attempt.session = Some((target.address, session));
    }
    attempt
}

/// Why a node that answered the handshake is not Online after the pings, if it is not.
fn admission_failure(attempt: &Attempt, session: &Session, question: Question<'_>) -> Option<(Stage, Failure)> {
    let member = matches!(question.access, Access::Member(_));
    let ponged = !attempt.pings.round_trips.is_empty();
    let admitted = ponged || session.info().is_some();
    let fail = |stage, code, words: &str| Some((stage, Failure::new(code, words)));
    match (session.answer(), &attempt.pings.ended) {
        (Answer::OtherNetwork, _) if member && admitted => fail(
            Stage::Admit,
            FailureCode::NetworkMismatch,
            "the node is up, but in another network than the one given for it",
        ),
        _ if ponged => None,
        (Answer::OtherSecret, _) if member => Some((Stage::Admit, diagnosis::other_secret())),
        (_, Some(LinkError::Closed)) => fail(
            Stage::Admit,
            FailureCode::Rejected,
            "the node answered and then closed: it does not let this network in (whitelist or private mode)",
        ),
        (_, Some(LinkError::NotEasytier(what))) => {
            fail(Stage::Admit, FailureCode::NotEasytier, &format!("after the handshake came {what}"))
        }
        (_, None) => fail(
            if admitted { Stage::Ping } else { Stage::Admit },
            FailureCode::PingTimeout,
            "the node answered the handshake, but no ping came back",
        ),
    }
}

/// Adds how long was waited to the words about a timeout.
fn in_time(mut failure: Failure, timeout: Duration) -> Failure {
    use FailureCode::{ConnectTimeout, HandshakeTimeout, PingTimeout};
    if matches!(failure.code, ConnectTimeout | HandshakeTimeout | PingTimeout) {
        failure.message.push_str(&format!(" within {} s", timeout.as_secs_f64()));
    }
    failure
}
