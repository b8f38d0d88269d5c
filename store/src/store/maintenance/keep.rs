//! Which peers are in maintenance: from what the windows say now to what is stored.
//!
//! The windows say what is meant to be; `maintained_peers` is what is. A peer gets a row when a window begins to cover it, and
//! loses it when none does any more; the verdict that it had meanwhile then goes to `maintained_times`. So uptime follows from
//! what happened, whatever becomes of the windows afterwards. A change of a window has its effect from then on, and never
//! before.
//!
//! Every hub on a database does this at intervals. It is no duty of one of them, because doing it twice changes nothing: a version
//! guards what was read, and a row ends once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{bump_from, version};
use crate::{
    db::{Bulk, Column, Tx, args, sql, work},
    domain::{ActiveWindow, Coverage, PeerId, Timestamp, WindowId},
    error::StoreError,
    store::{
        Store, outages, rows,
        verdict_times::{self, Span},
    },
};

/// How far back maintenance begins that is noticed late. Of a longer time nobody knows which peers a window covered.
const LATENESS: Duration = Duration::from_secs(60);

/// How often it is tried when windows are changed meanwhile; the next call catches up.
const ATTEMPTS: usize = 3;

/// The maintenance of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
struct Maintained {
    peer_id: PeerId,
    window_id: WindowId,
    began_at: Timestamp,
    ends_at: Timestamp,
}

static MAINTAINED: Bulk = Bulk::new(
    "maintained_peers",
    &[("peer_id", Column::Int), ("window_id", Column::Int), ("began_at", Column::Int), ("ends_at", Column::Int)],
    "ON CONFLICT (peer_id) DO UPDATE SET window_id = excluded.window_id, began_at = excluded.began_at, \
     ends_at = excluded.ends_at",
);

#[derive(sqlx::FromRow)]
struct CoveredRow {
    id: PeerId,
    tags: Option<String>,
    regions: Option<String>,
}

#[derive(sqlx::FromRow)]
struct VerdictRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
}

/// The difference between what is stored and what windows say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// The maintenance that is over; `ends_at` is when it ended.
    over: Vec<Maintained>,
    /// The rows that are new or other ones.
    rows: Vec<Maintained>,
}

impl Changes {
    fn between(known: &[Maintained], wanted: &BTreeMap<PeerId, Maintained>, now: Timestamp) -> Self {
        let mut changes = Self::default();
        let mut began: BTreeMap<PeerId, Timestamp> = BTreeMap::new();
        for row in known {
            match wanted.get(&row.peer_id) {
                // It goes on, perhaps by another window.
                Some(wanted) if wanted.began_at <= row.ends_at => {
                    began.insert(row.peer_id, row.began_at);
                    let same = Maintained { began_at: row.began_at, ..*wanted };
                    changes.rows.extend((same != *row).then_some(same));
                }
                _ => changes.over.push(Maintained { ends_at: row.ends_at.min(now), ..*row }),
            }
        }
        let begins = |wanted: &&Maintained| !began.contains_key(&wanted.peer_id);
        let since = |wanted: &Maintained| Maintained { began_at: wanted.began_at.max(now - LATENESS), ..*wanted };
        changes.rows.extend(wanted.values().filter(begins).map(since));
        changes
    }

    fn is_empty(&self) -> bool {
        self.over.is_empty() && self.rows.is_empty()
    }
}

impl Store {
    /// The peers that are in maintenance now, by what the windows say, and until when.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peers_in_maintenance(&self, now: Timestamp) -> Result<BTreeMap<PeerId, Timestamp>, StoreError> {
        let wanted = self.covered(&self.active_maintenance(now).await?).await?;
        Ok(wanted.into_iter().map(|(peer, row)| (peer, row.ends_at)).collect())
    }

    /// Stores which peers are in maintenance, if they are others than before; returns whether they are. It is meant to be called
    /// every few seconds: maintenance begins and ends by the windows, but is shown only after this.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_maintenance(&self, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let seen = version(self.db()).await?;
            let wanted = self.covered(&self.active_maintenance(now).await?).await?;
            let known = "SELECT peer_id, window_id, began_at, ends_at FROM maintained_peers ORDER BY peer_id";
            let known: Vec<Maintained> = self.db().all(known, vec![]).await?;
            let changes = &Changes::between(&known, &wanted, now);
            if changes.is_empty() {
                return Ok(false);
            }
            if self.db().transaction(|tx| work(apply(tx, seen, changes))).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The peers that windows cover, each with the window that lasts longest and with the earliest beginning.
    async fn covered(&self, windows: &[ActiveWindow]) -> Result<BTreeMap<PeerId, Maintained>, StoreError> {
        let mut covered: BTreeMap<PeerId, Maintained> = BTreeMap::new();
        if windows.is_empty() {
            return Ok(covered);
        }
        for row in self.candidates(windows).await? {
            let (tags, regions) = (rows::labels(row.tags), rows::labels(row.regions));
            for ActiveWindow { window, occurrence } in windows {
                if !window.spec.coverage.covers(row.id, &tags, &regions) {
                    continue;
                }
                // A window that was changed after its beginning covers nothing before the change.
                let (began_at, ends_at) = (occurrence.begins_at.max(window.updated_at), occurrence.ends_at);
                let one = Maintained { peer_id: row.id, window_id: window.id, began_at, ends_at };
                let longest = covered.entry(row.id).or_insert(one);
                let began_at = longest.began_at.min(one.began_at);
                if one.ends_at > longest.ends_at {
                    *longest = one;
                }
                longest.began_at = began_at;
            }
        }
        Ok(covered)
    }

    /// The peers that any of the windows covers, at least.
    async fn candidates(&self, windows: &[ActiveWindow]) -> Result<Vec<CoveredRow>, StoreError> {
        let coverages = || windows.iter().map(|active| &active.window.spec.coverage);
        let all = coverages().any(|coverage| coverage.all);
        let peers: BTreeSet<i64> = coverages().flat_map(|coverage| &coverage.peers).map(|peer| peer.0).collect();
        let texts = |of: fn(&Coverage) -> Vec<String>| -> Vec<String> {
            coverages().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let tags = texts(|coverage| coverage.tags.iter().map(ToString::to_string).collect());
        let regions = texts(|coverage| coverage.regions.iter().map(ToString::to_string).collect());
        let select = sql!(
            "SELECT p.id, (SELECT string_agg(t.tag, ',') FROM peer_tags t WHERE t.peer_id = p.id) AS tags, \
             (SELECT string_agg(r.name, ',') FROM peer_regions g JOIN regions r ON r.id = g.region_id \
             WHERE g.peer_id = p.id) AS regions FROM peers p \
             WHERE $1 OR p.id ",
            (in 2),
            " OR p.id IN (SELECT t.peer_id FROM peer_tags t WHERE t.tag ",
            (in 3),
            ") OR p.id IN (SELECT g.peer_id FROM peer_regions g JOIN regions r ON r.id = g.region_id WHERE r.name ",
            (in 4),
            ") ORDER BY p.id"
        );
        self.db().all(select, args![all, peers.into_iter().collect::<Vec<i64>>(), tags, regions]).await
    }
}

/// Stores changes, if the windows and what is stored are still those of a version; returns whether they are.
async fn apply(tx: &mut Tx, seen: i64, changes: &Changes) -> Result<bool, StoreError> {
    if !bump_from(tx, seen).await? {
        return Ok(false);
    }
    // The states are locked as the fold locks them: whoever comes second sees what the first stored, so that no part of a verdict
    // is stored twice.
    let over: Vec<i64> = changes.over.iter().map(|row| row.peer_id.0).collect();
    let states = sql!(
        "SELECT peer_id, verdict, since FROM peer_states WHERE peer_id ",
        (in 1),
        " ORDER BY peer_id",
        ["" | " FOR UPDATE"]
    );
    let states: Vec<VerdictRow> = tx.all(states, args![over.clone()]).await?;
    let states: BTreeMap<PeerId, VerdictRow> = states.into_iter().map(|row| (row.peer_id, row)).collect();
    let mut parts = Vec::with_capacity(states.len());
    for row in &changes.over {
        // A peer that was deleted has no time any more.
        let Some(state) = states.get(&row.peer_id) else { continue };
        let (verdict, began_at) = (rows::verdict(state.verdict)?, state.since.max(row.began_at));
        parts.push((state.since, Span { peer: row.peer_id, verdict, began_at, ended_at: row.ends_at }));
    }
    verdict_times::add_maintained(tx, parts.iter().map(|(_, part)| *part)).await?;
    outages::note_maintained(tx, &parts).await?;
    tx.execute(sql!("DELETE FROM maintained_peers WHERE peer_id ", (in 1)), args![over]).await?;
    let values = changes.rows.iter().flat_map(|row| args![row.peer_id, row.window_id, row.began_at, row.ends_at]);
    MAINTAINED.execute(tx, values.collect()).await?;
    Ok(true)
}
