//! Which nodes are tested next, and by which probe: a hub hands a test out with its answer to the probe's results.
//!
//! Each node is tested once in an interval, from whichever region reports next: tests take the node's bandwidth. Several hubs on
//! one database hand a test out once.

use std::{collections::HashSet, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::{Store, watched::is_watched};
use crate::{
    db::{args, sql, work},
    domain::{PeerId, Role, Timestamp, millis},
    error::StoreError,
};

/// A test that was handed out and is not answered after this time is handed out again, perhaps to another probe.
const UNANSWERED: Duration = Duration::from_secs(300);
/// Where the owner does not declare that the node relays, it is tested so many times as rarely. A dependent hands tests out so
/// many times as rarely too: it does not know of all tests of others.
const RARELY: i64 = 8;
/// One in so many nodes of a batch is tested, and at least one, so that tests take little of a probe's time.
const ONE_IN: usize = 100;
/// The maximum number of tests that one batch hands out.
const MAX_AT_ONCE: usize = 20;
/// How many nodes that are due are read at once.
const MAX_DUE: i64 = 5_000;
/// They are read again after so many times the time that it took, within these bounds.
const READ_FACTOR: u32 = 100;
const READ_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// The nodes that are due, as they were read last.
#[derive(Debug, Default)]
pub(super) struct RelayTests(Mutex<Due>);

#[derive(Debug, Default)]
struct Due {
    peers: HashSet<PeerId>,
    /// When they were read, and how long they count, in milliseconds.
    read_at: Timestamp,
    for_millis: i64,
}

impl Due {
    /// Whether they have to be read. A clock that was set back is no reason to wait.
    fn is_old(&self, now: Timestamp) -> bool {
        !(self.read_at.0..self.read_at.0.saturating_add(self.for_millis)).contains(&now.0)
    }
}

/// The condition that a test of the peer `p` with the row `r` is due: `$1` is the time, `$2` the interval in milliseconds. The
/// interval of a node is up to a tenth longer or shorter, another one each time, so that tests spread.
macro_rules! is_due {
    ($engine:ident) => {
        concat!(
            "p.network_secret IS NULL AND NOT p.handshake_only AND p.url NOT LIKE 'wg:%' AND s.verdict >= 2 AND ",
            is_watched!($engine),
            " AND coalesce(r.asked_at, 0) <= CAST($1 AS BIGINT) - 300000 AND \
             (r.tested_at IS NULL OR r.tested_at + CAST($2 AS BIGINT) * (CASE WHEN p.allow_relay THEN 1 ELSE 8 END) / 100 \
             * (90 + (p.id * 7919 + r.tested_at / 1000) % 21) <= CAST($1 AS BIGINT))"
        )
    };
}

impl Store {
    /// Which of the peers that a probe has just reported or claimed it should test next: a few that are online for guests, and due.
    /// They are not handed out again before they are answered, or five minutes have passed. None is where tests are switched off,
    /// or while another caller looks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hand_out_relay_tests(&self, reported: &[PeerId], now: Timestamp) -> Result<Vec<PeerId>, StoreError> {
        let interval = self.live_settings().relay_interval;
        let Ok(mut due) = self.shared.relay_tests.0.try_lock() else { return Ok(Vec::new()) };
        if interval.is_zero() || reported.is_empty() {
            return Ok(Vec::new());
        }
        if due.is_old(now) {
            self.read_due(&mut due, interval, now).await?;
        }
        let limit = (reported.len() / ONE_IN).clamp(1, MAX_AT_ONCE);
        let wanted: Vec<i64> =
            reported.iter().filter(|peer| due.peers.contains(peer)).take(limit).map(|peer| peer.0).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        due.peers.retain(|peer| !wanted.contains(&peer.0));
        drop(due);
        // On PostgreSQL the second of two hubs finds the row of the first, and the condition fails.
        let take = sql!(
            "INSERT INTO relay_verdicts (peer_id, not_ok, asked_at) SELECT p.id, 0, CAST($1 AS BIGINT) FROM peers p \
             JOIN peer_states s ON s.peer_id = p.id LEFT JOIN relay_verdicts r ON r.peer_id = p.id WHERE ",
            (is_due),
            " AND p.id ",
            (in 3),
            " ORDER BY p.id ON CONFLICT (peer_id) DO UPDATE SET asked_at = excluded.asked_at \
             WHERE coalesce(relay_verdicts.asked_at, 0) <= excluded.asked_at - 300000 RETURNING peer_id"
        );
        let parameters = &args![now, self.of_role(interval).await?, wanted];
        let taken: Vec<(PeerId,)> =
            self.db().transaction(|tx| work(async move { tx.all(take, parameters.clone()).await })).await?;
        Ok(taken.into_iter().map(|(id,)| id).collect())
    }

    async fn read_due(&self, due: &mut Due, interval: Duration, now: Timestamp) -> Result<(), StoreError> {
        let started = Instant::now();
        // A database that fails is not asked with every batch.
        (due.read_at, due.for_millis) = (now, millis(READ_AGAIN[1]));
        let select = sql!(
            "SELECT p.id FROM peers p JOIN peer_states s ON s.peer_id = p.id \
             LEFT JOIN relay_verdicts r ON r.peer_id = p.id WHERE ",
            (is_due),
            " ORDER BY coalesce(r.tested_at, 0), p.id LIMIT $3"
        );
        let rows: Vec<(PeerId,)> = self.db().all(select, args![now, self.of_role(interval).await?, MAX_DUE]).await?;
        due.peers = rows.into_iter().map(|(id,)| id).collect();
        due.for_millis = millis((started.elapsed() * READ_FACTOR).clamp(READ_AGAIN[0], READ_AGAIN[1]));
        Ok(())
    }

    /// The interval of this instance in milliseconds.
    async fn of_role(&self, interval: Duration) -> Result<i64, StoreError> {
        Ok(match self.instance().await?.role {
            Role::Dependent => millis(interval).saturating_mul(RARELY),
            Role::Standalone | Role::Primary => millis(interval),
        })
    }
}

const _: () = assert!(UNANSWERED.as_millis() == 300_000 && RARELY == 8, "as the statements say");
