//! Checks that somebody asks for: orders that lie here until their probes fetch them, and the answers.
//!
//! A probe asks for its orders over a connection of its own, so that it needs no address at which it can be reached; any hub on the
//! database serves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use easytier_probe::{CheckMode, CheckResult, PeerUrl};
use uuid::Uuid;

use super::{Store, rows};
use crate::{
    crypto::random,
    db::{Tx, args, json, sql, work},
    domain::{
        CheckRun, CheckTarget, MAX_VANTAGES, NewCheck, Order, PeerId, ProbeId, ProbePeer, REQUEST_INTERVAL,
        RequestedCheck, RunOutcome, Timestamp, Verdict, millis,
    },
    error::{Conflict, StoreError},
};

/// A probe that last asked for orders so long ago is not available: it asks every minute.
pub(super) const AVAILABLE_FOR: Duration = Duration::from_secs(75);

/// The time for an order and its answer on their way.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// The maximum number of orders that wait for a probe.
const MAX_ORDERS: usize = 100;

/// How long a requested check is kept.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// A probe that is available.
#[derive(Debug, sqlx::FromRow)]
struct AvailableRow {
    id: ProbeId,
    server_id: String,
    region: String,
    orders: i64,
    /// Whether its configuration does not reach it, though the hub manages it.
    is_lost: bool,
}

#[derive(sqlx::FromRow)]
struct OrderRow {
    number: i64,
    peer_id: Option<PeerId>,
    url: String,
    submitted: bool,
    timeout_ms: i64,
}

#[derive(sqlx::FromRow)]
struct CheckRow {
    peer_id: Option<PeerId>,
    url: String,
    requested_by: String,
    requested_at: Timestamp,
    ends_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    vantage: String,
    region: Option<String>,
    server_id: Option<String>,
    result: Option<String>,
}

impl Store {
    /// Notes that a probe asks for orders, so that it is available for the next minute.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_channel(&self, probe: ProbeId, now: Timestamp) -> Result<(), StoreError> {
        let note = "INSERT INTO probe_channels (probe_id, last_number, asked_at) VALUES ($1, 0, $2) \
                    ON CONFLICT (probe_id) DO UPDATE SET asked_at = excluded.asked_at";
        self.db().execute(note, args![probe, now]).await.map(drop)
    }

    /// The probes with orders and messages that they have not answered, each with the number of the last one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn probes_with_orders(&self, now: Timestamp) -> Result<BTreeMap<ProbeId, i64>, StoreError> {
        let select = "SELECT o.probe_id, max(o.number) FROM (SELECT r.probe_id, r.number FROM requested_runs r \
                      JOIN requested_checks c ON c.id = r.check_id \
                      WHERE r.result IS NULL AND r.probe_id IS NOT NULL AND c.ends_at > $1 \
                      UNION ALL SELECT probe_id, number FROM probe_messages WHERE answer IS NULL AND ends_at > $1) o \
                      GROUP BY o.probe_id";
        let found: Vec<(ProbeId, i64)> = self.db().all(select, args![now]).await?;
        Ok(found.into_iter().collect())
    }

    /// The orders of a probe with numbers greater than `since` that it has not answered, in the order of their numbers. They hold
    /// secrets of the peers' networks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn orders(&self, probe: ProbeId, since: i64, now: Timestamp) -> Result<Vec<Order>, StoreError> {
        let select = "SELECT r.number, c.peer_id, c.url, c.submitted, c.timeout_ms FROM requested_runs r \
                      JOIN requested_checks c ON c.id = r.check_id \
                      WHERE r.probe_id = $1 AND r.number > $2 AND r.result IS NULL AND c.ends_at > $3 ORDER BY r.number";
        let found: Vec<OrderRow> = self.db().all(select, args![probe, since, now]).await?;
        let ids: Vec<PeerId> = found.iter().filter_map(|row| row.peer_id).collect();
        let peers = self.probe_peers_by_id(&ids).await?;
        Ok(found.into_iter().filter_map(|row| row.into_order(&peers)).collect())
    }

    /// Stores what a probe answers to an order. A later answer to the same order changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the probe has no such order, or nobody waits for it any more; otherwise when the database fails.
    pub async fn answer_order(
        &self,
        probe: ProbeId,
        number: i64,
        result: &CheckResult,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE requested_runs SET result = coalesce(result, $3) WHERE probe_id = $1 AND number = $2 \
                      AND EXISTS (SELECT 1 FROM requested_checks c WHERE c.id = check_id AND c.ends_at > $4)";
        match self.db().execute(update, args![probe, number, json(result)?, now]).await? {
            0 => Err(StoreError::NotFound("order")),
            _ => Ok(()),
        }
    }

    /// Orders a check from the probes that `new` names and that are available.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such peer; [`Conflict::CheckedJustNow`] when one of its addresses was checked by
    /// request in the last ten seconds; otherwise when the database fails.
    pub async fn request_check(&self, new: &NewCheck, now: Timestamp) -> Result<(), StoreError> {
        let (peer, url, submitted) = match &new.target {
            CheckTarget::Peer(id) => {
                let found = self.probe_peers_by_id(&[*id]).await?;
                let peer = found.first().ok_or(StoreError::NotFound("node"))?;
                (Some(*id), peer.url.full(), peer.submitted)
            }
            CheckTarget::Url { url, submitted } => (None, url.full(), *submitted),
        };
        let ends_at = now + new.timeout + ON_THE_WAY;
        let url = &url;
        self.db()
            .transaction(|tx| {
                work(async move {
                    note_addresses(tx, new, now).await?;
                    let insert = "INSERT INTO requested_checks (id, peer_id, url, submitted, requested_by, requested_at, \
                                  timeout_ms, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                    let requested_by = new.requested_by.as_str();
                    let timeout = millis(new.timeout);
                    let row = args![new.id, peer, url.as_str(), submitted, requested_by, now, timeout, ends_at];
                    tx.execute(insert, row).await?;
                    for (nth, (vantage, probe)) in chosen(&new.from, available(tx, now).await?).iter().enumerate() {
                        order(tx, new.id, nth as i64, vantage, probe.as_ref()).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A check that was requested within the last hour, with the answers so far.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn requested_check(&self, id: Uuid, now: Timestamp) -> Result<RequestedCheck, StoreError> {
        let select = "SELECT peer_id, url, requested_by, requested_at, ends_at FROM requested_checks WHERE id = $1";
        let row: Option<CheckRow> = self.db().optional(select, args![id]).await?;
        let row = row.ok_or(StoreError::NotFound("check"))?;
        let select = "SELECT vantage, region, server_id, result FROM requested_runs WHERE check_id = $1 ORDER BY nth";
        let runs: Vec<RunRow> = self.db().all(select, args![id]).await?;
        let is_over = row.ends_at <= now;
        Ok(RequestedCheck {
            id,
            peer: row.peer_id,
            url: row.url,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            runs: runs.into_iter().map(|run| run.into_run(is_over)).collect::<Result<_, _>>()?,
        })
    }
}

impl OrderRow {
    /// `None` if its peer is gone.
    fn into_order(self, peers: &[ProbePeer]) -> Option<Order> {
        let timeout = rows::duration(Some(self.timeout_ms));
        let peer = match self.peer_id {
            Some(id) => peers.iter().find(|peer| peer.id == id)?.clone(),
            None => guest_at(self.url.parse().ok()?, self.submitted),
        };
        Some(Order { number: self.number, peer: ProbePeer { timeout, ..peer } })
    }
}

impl RunRow {
    fn into_run(self, is_over: bool) -> Result<CheckRun, StoreError> {
        let corrupt = |column| StoreError::Corrupt(format!("requested_runs.{column}"));
        let probe = match (self.server_id, self.region) {
            (Some(server_id), Some(region)) => Some((server_id, region.parse().map_err(|_| corrupt("region"))?)),
            _ => None,
        };
        let outcome = match self.result {
            Some(result) => RunOutcome::Done(serde_json::from_str(&result).map_err(|_| corrupt("result"))?),
            None if is_over || probe.is_none() => RunOutcome::Unavailable,
            None => RunOutcome::Waiting,
        };
        Ok(CheckRun { vantage: self.vantage, probe, outcome })
    }
}

/// A node at this URL that is no peer.
fn guest_at(url: PeerUrl, submitted: bool) -> ProbePeer {
    ProbePeer {
        id: PeerId(0),
        name: url.full(),
        url,
        network_name: None,
        network_secret: None,
        mode: CheckMode::default(),
        timeout: None,
        allow_relay: false,
        tags: BTreeSet::new(),
        submitted,
        verdict: Verdict::Unknown,
        response_us: None,
    }
}

/// Takes the addresses of a check for the next ten seconds, in the order in which every transaction locks them.
async fn note_addresses(tx: &mut Tx, new: &NewCheck, now: Timestamp) -> Result<(), StoreError> {
    let addresses: BTreeSet<String> = new.addresses.iter().map(|address| address.to_canonical().to_string()).collect();
    let take = "INSERT INTO checked_addresses (address, checked_at) VALUES ($1, $2) ON CONFLICT (address) DO UPDATE \
                SET checked_at = excluded.checked_at WHERE checked_addresses.checked_at <= $3";
    for address in addresses {
        if tx.execute(take, args![address, now, now - REQUEST_INTERVAL]).await? == 0 {
            return Err(Conflict::CheckedJustNow.into());
        }
    }
    Ok(())
}

/// The probes that asked for orders within the last minute, in the order of their `server_id`s.
async fn available(tx: &mut Tx, now: Timestamp) -> Result<Vec<AvailableRow>, StoreError> {
    let select = sql!(
        "SELECT b.id, b.server_id, r.name AS region, (SELECT count(*) FROM requested_runs o \
         JOIN requested_checks k ON k.id = o.check_id WHERE o.probe_id = b.id AND o.result IS NULL AND k.ends_at > $2) \
         AS orders, coalesce(m.push_state = 'unavailable', FALSE) AS is_lost FROM probe_channels c \
         JOIN probes b ON b.id = c.probe_id JOIN regions r ON r.id = b.region_id \
         LEFT JOIN managed_probes m ON m.probe_id = b.id \
         WHERE c.asked_at > $1 AND b.unregistered_at IS NULL ORDER BY b.server_id"
    );
    let found: Vec<AvailableRow> = tx.all(select, args![now - AVAILABLE_FOR, now]).await?;
    Ok(found.into_iter().filter(|probe| probe.orders < MAX_ORDERS as i64).collect())
}

/// The probe for each name in `from`; of a region any of its probes, one that configurations reach if there is one. Without names, one of
/// each region.
fn chosen(from: &[String], mut available: Vec<AvailableRow>) -> Vec<(String, Option<AvailableRow>)> {
    let names: BTreeSet<String> = match from {
        [] => available.iter().map(|probe| probe.region.clone()).collect(),
        names => names.iter().cloned().collect(),
    };
    let mut take = |name: String| {
        let fits = |probe: &AvailableRow| probe.region == name || probe.server_id == name;
        let best = available.iter().filter(|probe| fits(probe)).map(|probe| probe.is_lost).min();
        let fit: Vec<usize> = available
            .iter()
            .enumerate()
            .filter(|(_, probe)| fits(probe) && Some(probe.is_lost) == best)
            .map(|(nth, _)| nth)
            .collect();
        let drawn = usize::from_le_bytes(random()).checked_rem(fit.len()).map(|nth| available.remove(fit[nth]));
        (name, drawn)
    };
    names.into_iter().take(MAX_VANTAGES).map(&mut take).collect()
}

async fn order(
    tx: &mut Tx,
    check: Uuid,
    nth: i64,
    vantage: &str,
    probe: Option<&AvailableRow>,
) -> Result<(), StoreError> {
    let number: Option<(i64,)> = match probe {
        Some(probe) => {
            let next =
                "UPDATE probe_channels SET last_number = last_number + 1 WHERE probe_id = $1 RETURNING last_number";
            tx.optional(next, args![probe.id]).await?
        }
        None => None,
    };
    let insert = "INSERT INTO requested_runs (check_id, nth, vantage, probe_id, number, region, server_id) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let row = args![
        check,
        nth,
        vantage,
        probe.map(|probe| probe.id),
        number.map(|(number,)| number),
        probe.map(|probe| probe.region.clone()),
        probe.map(|probe| probe.server_id.clone()),
    ];
    tx.execute(insert, row).await.map(drop)
}

/// Forgets what was requested more than an hour ago, and addresses that may be checked again. Returns how many rows are gone.
pub(super) async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let runs = "DELETE FROM requested_runs WHERE check_id IN (SELECT id FROM requested_checks WHERE ends_at < $1)";
    let checks = "DELETE FROM requested_checks WHERE ends_at < $1";
    let addresses = "DELETE FROM checked_addresses WHERE checked_at < $1";
    let channels = "DELETE FROM probe_channels WHERE probe_id NOT IN (SELECT id FROM probes)";
    let mut gone = 0;
    for statement in [runs, checks] {
        gone += tx.execute(statement, args![now - KEPT_FOR]).await?;
    }
    gone += tx.execute(addresses, args![now - REQUEST_INTERVAL]).await?;
    Ok(gone + tx.execute(channels, vec![]).await?)
}
