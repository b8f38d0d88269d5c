//! One attempt at one address: connect, handshake, admission, pings, route information.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    diagnosis::{self, CachedDiagnosis, Diagnosis, HandshakeFailure},
    dial::{Dialed, LinkError},
    outcome::Outcome,
    plan::Plan,
    session::{HandshakeError, NetworkMatch, PingRound, Session},
    stage_failure::StageFailure,
};
use crate::{
    Access, CheckMode, Failure, FailureCode, Membership, Stage, Target, Transport, io_failure::without_route,
    result::Timings,
};

/// How often a member does the handshake at most while the node's answers get lost. That happens to one in ten.
const MAX_HANDSHAKES: u32 = 3;
/// The shortest wait for route information after the pings. What a node sends before it has listed the session is lost; it
/// sends that again after 3 s (`peers/peer_ospf_route.rs` in EasyTier), and answers no question meanwhile.
const MIN_ROUTE_WAIT: Duration = Duration::from_millis(3500);
/// The wait for route information, in round trips, where that is longer.
const ROUTE_WAIT_ROUND_TRIPS: u32 = 4;

/// An attempt that has ended.
pub(super) struct Attempt {
    pub outcome: Outcome,
    /// The session, when the attempt was successful and the session is still open.
    pub session: Option<OpenSession>,
    /// What the attempt found out with more than one session, for the next one.
    pub diagnosis: Option<CachedDiagnosis>,
}

/// A session that stays open between checks.
pub(super) struct OpenSession {
    pub session: Session,
    pub transport: Transport,
    pub address: SocketAddr,
}

/// Checks the node at `target`. `known`, the diagnosis of an earlier check, is reused as long as the handshake ends in the
/// same way.
pub(super) async fn attempt(target: &Target, plan: Plan<'_>, known: Option<&CachedDiagnosis>) -> Attempt {
    let started = Instant::now();
    let mut attempt = Attempt::from(Outcome::new());
    if let Err(StageFailure { stage, failure }) = attempt.run(target, plan, known).await {
        let failure = unless_cut_off(failure, target.address);
        tracing::debug!(%stage, %failure, "failed");
        attempt.outcome.stage = stage;
        attempt.outcome.failure = Some(with_time(failure, started.elapsed()));
    }
    attempt
}

impl From<Outcome> for Attempt {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, session: None, diagnosis: None }
    }
}

impl Attempt {
    async fn run(
        &mut self,
        target: &Target,
        plan: Plan<'_>,
        known: Option<&CachedDiagnosis>,
    ) -> Result<(), StageFailure> {
        let mut stopwatch = Stopwatch::start();
        let opened = self.open(target, plan, known, &mut stopwatch).await?;
        self.outcome.stage = Stage::Handshake;
        let Some(mut session) = opened else { return Ok(()) };
        if plan.mode == CheckMode::Handshake {
            session.stay(plan.deadline).await;
            return Ok(());
        }
        let examined = self.examine(&mut session, target, plan, &mut stopwatch).await;
        session.stay(plan.deadline).await;
        examined?;
        if self.outcome.pings.ended.is_none() {
            self.session = Some(OpenSession { session, transport: target.transport, address: target.address });
        }
        Ok(())
    }

    /// Connects and does the handshake: that of secure mode if the node is known to need it, else the plain one. `None` when
    /// the node answered, and its answer got lost, which is enough for a check of the handshake.
    async fn open(
        &mut self,
        target: &Target,
        plan: Plan<'_>,
        known: Option<&CachedDiagnosis>,
        stopwatch: &mut Stopwatch,
    ) -> Result<Option<Session>, StageFailure> {
        if let (Some(CachedDiagnosis::SecureMode), Access::Member(network)) = (known, plan.access) {
            // It stays known while the node cannot be reached.
            self.diagnosis = Some(CachedDiagnosis::SecureMode);
            if let Some(session) = self.open_secure(target, plan, network, stopwatch).await? {
                return Ok(Some(session));
            }
            self.diagnosis = None;
        }
        let answer_deadline = match diagnosis::needs_time(target, plan.access, known) {
            // Half of the time for the answer, half for finding out why there was none.
            true => plan.half_time(),
            false => plan.deadline,
        };
        let is_full = plan.mode == CheckMode::Full;
        let is_member = matches!(plan.access, Access::Member(_));
        let mut handshakes = 0;
        let opened = loop {
            let dialed = self.connect(target, plan, stopwatch).await?;
            let opened = timeout_at(answer_deadline, Session::open(dialed.link, plan.access)).await;
            stopwatch.lap(&mut self.outcome.timings, Stage::Handshake);
            handshakes += 1;
            let is_lost = matches!(opened, Ok(Err(HandshakeError::AnswerLost)));
            // A guest's answer decides nothing: the node closed.
            if !is_lost || !is_full || !is_member || handshakes == MAX_HANDSHAKES {
                break opened;
            }
        };
        match opened {
            Ok(Ok(session)) => Ok(Some(session)),
            Ok(Err(HandshakeError::AnswerLost)) if !is_full => Ok(None),
            Ok(Err(HandshakeError::AnswerLost)) => {
                self.diagnose(target, plan, HandshakeFailure::AnswerLost, known, stopwatch).await.map(Some)
            }
            Ok(Err(HandshakeError::Closed)) => {
                self.diagnose(target, plan, HandshakeFailure::Closed, known, stopwatch).await.map(Some)
            }
            Err(_) => self.diagnose(target, plan, HandshakeFailure::TimedOut, known, stopwatch).await.map(Some),
            Ok(Err(HandshakeError::NotEasytier(received))) => {
                Err(StageFailure { stage: Stage::Handshake, failure: diagnosis::not_easytier(received) })
            }
            Ok(Err(HandshakeError::OtherProtocol(details))) => {
                let message = format!("an EasyTier of another protocol version: {details}");
                Err(StageFailure::at_handshake(FailureCode::ProtocolMismatch, message))
            }
            Ok(Err(HandshakeError::Network(failure))) => Err(StageFailure { stage: Stage::Handshake, failure }),
        }
    }

    /// Connects and does the handshake of secure mode; `None` when the node does not complete it.
    async fn open_secure(
        &mut self,
        target: &Target,
        plan: Plan<'_>,
        network: &Membership,
        stopwatch: &mut Stopwatch,
    ) -> Result<Option<Session>, StageFailure> {
        let dialed = self.connect(target, plan, stopwatch).await?;
        // Half of the time is kept for what follows when there is no answer.
        let opening = Session::open_secure(dialed.link, network);
        let opened = timeout_at(plan.half_time(), opening).await;
        stopwatch.lap(&mut self.outcome.timings, Stage::Handshake);
        let session = match opened {
            Ok(Ok(session)) => session,
            Ok(Err(HandshakeError::Network(failure))) => {
                return Err(StageFailure { stage: Stage::Handshake, failure });
            }
            Ok(Err(error)) => {
                tracing::debug!(?error, "the handshake of secure mode failed");
                return Ok(None);
            }
            Err(_) => return Ok(None),
        };
        self.diagnosis = Some(CachedDiagnosis::SecureMode);
        // The node's proof is wrong, so it has another secret, or pretends to be a node of this network.
        if session.network_match() == NetworkMatch::OtherSecret {
            return Err(StageFailure { stage: Stage::Handshake, failure: diagnosis::secret_mismatch() });
        }
        Ok(Some(session))
    }

    /// Runs the stages after the handshake. The session is replaced when the node turns out to need secure mode.
    async fn examine(
        &mut self,
        session: &mut Session,
        target: &Target,
        plan: Plan<'_>,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), StageFailure> {
        let mut pings = session.ping(plan.pings, plan.deadline).await;
        if let Access::Member(network) = plan.access
            && needs_secure_mode(session, &pings)
        {
            tracing::debug!(%target.address, "a node of the same network does not admit a member; trying secure mode");
            match self.open_secure(target, plan, network, stopwatch).await? {
                Some(secure) => *session = secure,
                None if pings.ended.is_some() => return Err(secure_mode_failed()),
                None => {}
            }
            pings = session.ping(plan.pings, plan.deadline).await;
        }
        stopwatch.lap_pings(&mut self.outcome.timings, &pings);
        self.outcome.record(session, pings);
        if is_other_network_refused(&self.outcome.pings, session, plan.access) {
            // A node that is just forgetting this network refuses it too. A guest's network is always new.
            let refused = HandshakeFailure::Closed;
            let Diagnosis { failure, .. } = diagnosis::diagnose(target, plan, refused, None).await;
            if failure.code == FailureCode::NetworkMismatch {
                return Err(StageFailure { stage: Stage::Admit, failure });
            }
        }
        check_admission(&self.outcome.pings, session, plan.access)?;

        self.outcome.stage = Stage::Ping;
        let slowest = self.outcome.pings.round_trips.iter().max().copied().unwrap_or_default();
        let route_wait = MIN_ROUTE_WAIT.max(slowest * ROUTE_WAIT_ROUND_TRIPS);
        session.wait_for_route(route_wait, plan.deadline).await;
        if let Some(info) = session.info() {
            self.outcome.info = info.clone();
            self.outcome.stage = Stage::Route;
            stopwatch.lap(&mut self.outcome.timings, Stage::Route);
        }
        Ok(())
    }

    async fn connect(
        &mut self,
        target: &Target,
        plan: Plan<'_>,
        stopwatch: &mut Stopwatch,
    ) -> Result<Dialed, StageFailure> {
        // Boxed, because this future is larger than the state of a held session that waits.
        let dialed = Box::pin(plan.dialer.dial(target, plan.access, plan.meter, plan.deadline)).await;
        let stage = dialed.as_ref().map_or_else(|error| error.stage, |_| Stage::Connect);
        stopwatch.lap(&mut self.outcome.timings, stage);
        let dialed = dialed?;
        self.outcome.certificate_expires_at = dialed.certificate_expires_at;
        Ok(dialed)
    }

    /// Finds out why there was no answer to the handshake. Opens a session in secure mode if that was the reason.
    async fn diagnose(
        &mut self,
        target: &Target,
        plan: Plan<'_>,
        cause: HandshakeFailure,
        known: Option<&CachedDiagnosis>,
        stopwatch: &mut Stopwatch,
    ) -> Result<Session, StageFailure> {
        let Diagnosis { failure, may_be_secure_mode } = diagnosis::diagnose(target, plan, cause, known).await;
        if may_be_secure_mode
            && let Access::Member(network) = plan.access
            && let Some(session) = self.open_secure(target, plan, network, stopwatch).await?
        {
            return Ok(session);
        }
        // That an answer got lost says nothing about the next one.
        if cause != HandshakeFailure::AnswerLost {
            self.diagnosis = Some(CachedDiagnosis::NoAnswer { cause, failure: failure.clone() });
        }
        Err(StageFailure { stage: Stage::Handshake, failure })
    }
}

/// Whether a node of the member's own network refuses plain sessions, which is all that a plain handshake shows of secure
/// mode: the node answers with the right name and secret, and closes. Over datagrams it is silent instead.
fn needs_secure_mode(session: &Session, pings: &PingRound) -> bool {
    let refused = match pings.ended {
        Some(LinkError::Closed) => true,
        Some(LinkError::NotEasytier(_) | LinkError::Network(_)) => false,
        None => session.is_datagram(),
    };
    refused && session.network_match() == NetworkMatch::Same && !session.is_admitted()
}

/// Whether the node is in another network than the member, and has closed the session without serving it.
fn is_other_network_refused(pings: &PingRound, session: &Session, access: &Access) -> bool {
    matches!((access, &pings.ended), (Access::Member(_), Some(LinkError::Closed)))
        && session.network_match() == NetworkMatch::OtherNetwork
        && !session.is_admitted()
}

fn secure_mode_failed() -> StageFailure {
    StageFailure::new(
        Stage::Admit,
        FailureCode::UnsupportedProtocol,
        "this network is in secure mode, and the node does not complete the handshake of that mode with this probe",
    )
}

/// Fails when a node that answered the handshake did not admit the session, or answered no ping.
fn check_admission(pings: &PingRound, session: &Session, access: &Access) -> Result<(), StageFailure> {
    let member = matches!(access, Access::Member(_));
    let ponged = !pings.round_trips.is_empty();
    match (session.network_match(), &pings.ended) {
        (NetworkMatch::OtherNetwork, _) if member && session.is_admitted() => Err(StageFailure::new(
            Stage::Admit,
            FailureCode::NetworkMismatch,
            "the node is up, but in another network than the one given for it",
        )),
        _ if ponged => Ok(()),
        (_, Some(LinkError::Network(failure))) => Err(StageFailure { stage: Stage::Admit, failure: failure.clone() }),
        (NetworkMatch::OtherSecret, _) if member => {
            Err(StageFailure { stage: Stage::Admit, failure: diagnosis::secret_mismatch() })
        }
        (_, Some(LinkError::Closed)) => Err(StageFailure::new(
            Stage::Admit,
            FailureCode::Rejected,
            "the node answered and then closed: it does not let this network in (whitelist or private mode)",
        )),
        (_, Some(LinkError::NotEasytier(received))) => Err(StageFailure::new(
            Stage::Admit,
            FailureCode::NotEasytier,
            format!("after the handshake the node sent {received}"),
        )),
        (NetworkMatch::OtherNetwork, None) if session.is_datagram() && !session.is_admitted() => {
            Err(StageFailure::new(
                Stage::Admit,
                FailureCode::Rejected,
                "the node answered the handshake, but no ping: it does not let this network in (whitelist or private mode)",
            ))
        }
        (_, None) => Err(StageFailure::new(
            if session.is_admitted() { Stage::Ping } else { Stage::Admit },
            FailureCode::PingTimeout,
            "the node answered the handshake, but no ping came back",
        )),
    }
}

/// `failure`, unless it is silence or a closed connection, and this machine has lost its route to `address` meanwhile: then
/// that is the failure.
fn unless_cut_off(failure: Failure, address: SocketAddr) -> Failure {
    use FailureCode::{ConnectTimeout, HandshakeTimeout, PingTimeout, Rejected, TlsFailed};
    match failure.code {
        ConnectTimeout | HandshakeTimeout | PingTimeout | Rejected | TlsFailed => {
            without_route(address).unwrap_or(failure)
        }
        _ => failure,
    }
}

/// Adds the time that really passed to the message of a timeout, in tenths of a second.
fn with_time(mut failure: Failure, passed: Duration) -> Failure {
    if failure.is_timeout() {
        failure.message.push_str(&format!(" within {} s", (passed.as_secs_f64() * 10.0).round() / 10.0));
    }
    failure
}

/// Measures how long each stage takes.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Adds the time since the last stage to that of `stage`, which a second session may reach again.
    fn lap(&mut self, timings: &mut Timings, stage: Stage) {
        timings.set(stage, timings.get(stage).unwrap_or_default() + self.0.elapsed());
        self.0 = Instant::now();
    }

    /// Notes the time until the first pong as that of admission, and the rest as that of the pings.
    fn lap_pings(&mut self, timings: &mut Timings, pings: &PingRound) {
        match pings.round_trips.first() {
            Some(first) => {
                timings.set(Stage::Admit, *first);
                timings.set(Stage::Ping, self.0.elapsed().saturating_sub(*first));
                self.0 = Instant::now();
            }
            None => self.lap(timings, Stage::Admit),
        }
    }
}
