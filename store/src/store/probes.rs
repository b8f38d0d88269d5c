//! Probes: what they report about themselves, and the list of them.

use serde_json::Value as Json;

use super::{
    Store, edits,
    liveness::{PresenceRow, presence_columns},
    rollups,
    rows::{self, without_nul},
    states,
};
use crate::{
    db::{Tx, args, sql, work},
    domain::{
        PROBE_EXPIRES_AFTER, Probe, ProbeId, ProbeIdentity, RegionId, Registration, StatusReport, Timestamp, millis,
    },
    error::{Conflict, StoreError},
};

#[derive(sqlx::FromRow)]
struct ProbeRow {
    id: ProbeId,
    server_id: String,
    region: String,
    host: Option<String>,
    port: Option<i64>,
    version: Option<String>,
    capabilities: Option<String>,
    system: Option<String>,
    metadata: Option<String>,
    counters: Option<String>,
    response_us: Option<i64>,
    config_version: Option<i64>,
    created_at: Timestamp,
    #[sqlx(flatten)]
    presence: PresenceRow,
}

impl ProbeRow {
    fn into_probe(self, now: Timestamp) -> Result<Probe, StoreError> {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let region = self.region.parse().map_err(|_| StoreError::Corrupt(format!("probes.region of {}", self.id)))?;
        Ok(Probe {
            id: self.id,
            server_id: self.server_id,
            region,
            presence: self.presence.presence(now),
            host: self.host,
            port: self.port.map(rows::count),
            version: self.version,
            capabilities: json(self.capabilities),
            system: json(self.system),
            metadata: json(self.metadata),
            counters: json(self.counters),
            response_us: self.response_us,
            check_interval: self.presence.check_interval(),
            config_version: self.config_version,
            created_at: self.created_at,
            last_seen_at: self.presence.last_seen_at,
        })
    }
}

impl Store {
    /// Stores a heartbeat. The presence of the probe is judged by its heartbeats as long as it sends them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn heartbeat(
        &self,
        caller: &ProbeIdentity,
        counters: Option<&Json>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE probes SET last_heartbeat_at = $2, counters = coalesce($3, counters), \
                      last_seen_at = $2, unregistered_at = NULL WHERE id = $1";
        let parameters = args![caller.probe, now, counters.map(json_text)];
        self.db().execute(update, parameters).await.map(drop)
    }

    /// Stores a status report, which also shows that the probe runs. A report that names another `server_id` changes
    /// nothing. A report with another check interval comes from a probe that was started in another way: its heartbeats are
    /// forgotten until the next one.
    ///
    /// # Errors
    ///
    /// [`Conflict::ServerIdTaken`] or [`Conflict::OtherProbe`] when the report names a `server_id` that is not the
    /// caller's; otherwise when the database fails.
    pub async fn report_status(
        &self,
        caller: &ProbeIdentity,
        report: &StatusReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE probes SET version = coalesce($3, version), response_us = $4, \
                      check_interval_ms = coalesce($5, check_interval_ms), holds_sessions = $6, \
                      metadata = coalesce($7, metadata), degraded = $8, last_seen_at = $2, unregistered_at = NULL, \
                      last_heartbeat_at = CASE WHEN coalesce($5, check_interval_ms) \
                      IS NOT DISTINCT FROM check_interval_ms THEN last_heartbeat_at END WHERE id = $1";
        let parameters = &args![
            caller.probe,
            now,
            report.version.as_deref().map(without_nul),
            report.response_us,
            report.check_interval.map(millis),
            report.holds_sessions,
            report.metadata.as_ref().map(json_text),
            report.degraded,
        ];
        self.db()
            .transaction(|tx| {
                work(async move {
                    if let Some(server_id) = &report.server_id {
                        claim_server_id(tx, caller, server_id).await?;
                    }
                    tx.execute(update, parameters.clone()).await.map(drop)
                })
            })
            .await
    }

    /// Stores which version of the list of peers a probe fetched last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_fetched(&self, caller: &ProbeIdentity, config_version: i64) -> Result<(), StoreError> {
        let update = "UPDATE probes SET config_version = $2 WHERE id = $1 AND config_version IS DISTINCT FROM $2";
        self.db().execute(update, args![caller.probe, config_version]).await.map(drop)
    }

    /// Marks a probe that stops as offline. Its history stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unregister_probe(&self, caller: &ProbeIdentity, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE probes SET unregistered_at = $2, last_heartbeat_at = NULL WHERE id = $1";
        self.db().execute(update, args![caller.probe, now]).await.map(drop)
    }

    /// The probes with their presence at `now`, sorted by `server_id`; without those that were never heard from, and those that
    /// expired.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn probes(&self, now: Timestamp) -> Result<Vec<Probe>, StoreError> {
        let select = sql!(
            "SELECT b.id, b.server_id, r.name AS region, b.host, b.port, b.version, b.capabilities, b.system, \
             b.metadata, b.counters, b.response_us, b.config_version, b.created_at, ",
            (presence_columns),
            " FROM probes b JOIN regions r ON r.id = b.region_id WHERE b.last_seen_at >= $1"
        );
        let rows: Vec<ProbeRow> = self.db().all(select, args![now - PROBE_EXPIRES_AFTER]).await?;
        let mut probes = rows.into_iter().map(|row| row.into_probe(now)).collect::<Result<Vec<_>, _>>()?;
        probes.sort_by(|a, b| a.server_id.cmp(&b.server_id));
        Ok(probes)
    }
}

/// Whether a probe was silent for so long that it expired.
pub(super) async fn is_expired(tx: &mut Tx, probe: ProbeId, now: Timestamp) -> Result<bool, StoreError> {
    let select = "SELECT id FROM probes WHERE id = $1 AND last_seen_at < $2";
    let row: Option<(ProbeId,)> = tx.optional(select, args![probe, now - PROBE_EXPIRES_AFTER]).await?;
    Ok(row.is_some())
}

/// Locks a probe until the end of the transaction: those that store results of the probe wait.
pub(super) async fn lock(tx: &mut Tx, server_id: &str) -> Result<ProbeId, StoreError> {
    let lock = sql!("SELECT id FROM probes WHERE server_id = $1", ["" | " FOR UPDATE"]);
    let row: Option<(ProbeId,)> = tx.optional(lock, args![server_id]).await?;
    row.map(|(id,)| id).ok_or(StoreError::NotFound("probe"))
}

/// Removes a probe and its tokens. Its counts and raw results stay. The transaction holds the lock of the probe's row, so that
/// transactions that store results of the probe find it missing.
pub(super) async fn remove(tx: &mut Tx, probe: ProbeId) -> Result<(), StoreError> {
    let peers = states::checked_by(tx, vec![probe.0]).await?;
    rollups::flush_probe(tx, probe).await?;
    states::review_soon(tx, peers).await?;
    tx.execute("DELETE FROM credentials WHERE probe_id = $1", args![probe]).await?;
    tx.execute("DELETE FROM probes WHERE id = $1", args![probe]).await.map(drop)
}

/// A probe and its region by `server_id`.
pub(super) async fn find(tx: &mut Tx, server_id: &str) -> Result<Option<(ProbeId, RegionId)>, StoreError> {
    tx.optional("SELECT id, region_id FROM probes WHERE server_id = $1", args![server_id]).await
}

/// Inserts a probe; [`Conflict::ServerIdTaken`] when another hub inserted the same `server_id` meanwhile. `named` says
/// whether the `server_id` is the probe's own, or a placeholder.
pub(super) async fn insert(
    tx: &mut Tx,
    server_id: &str,
    named: bool,
    region: RegionId,
    now: Timestamp,
) -> Result<ProbeId, StoreError> {
    let insert = "INSERT INTO probes (server_id, named, region_id, holds_sessions, sends_heartbeats, live, created_at) \
                  VALUES ($1, $2, $3, FALSE, FALSE, FALSE, $4) ON CONFLICT (server_id) DO NOTHING RETURNING id";
    let row: Option<(ProbeId,)> = tx.optional(insert, args![server_id, named, region, now]).await?;
    row.map(|(id,)| id).ok_or(Conflict::ServerIdTaken.into())
}

/// Checks that the caller is the probe `server_id`. A probe whose `server_id` is a placeholder takes the first one that it
/// reports under.
pub(super) async fn claim_server_id(tx: &mut Tx, caller: &ProbeIdentity, server_id: &str) -> Result<(), StoreError> {
    let server_id = without_nul(server_id);
    let select = sql!("SELECT server_id, named FROM probes WHERE id = $1", ["" | " FOR UPDATE"]);
    let row: Option<(String, bool)> = tx.optional(select, args![caller.probe]).await?;
    let (known, named) = row.ok_or(StoreError::NotFound("probe"))?;
    if known != server_id {
        if find(tx, &server_id).await?.is_some() {
            return Err(Conflict::ServerIdTaken.into());
        }
        if named {
            return Err(Conflict::OtherProbe.into());
        }
    }
    if !named {
        // The name is what all instances know the probe by.
        edits::allow_registration(tx).await?.skip();
        let update = "UPDATE probes SET server_id = $2, named = TRUE WHERE id = $1";
        tx.execute(update, args![caller.probe, server_id]).await?;
    }
    Ok(())
}

/// Stores what a probe declared when it registered.
pub(super) async fn write_registration(
    tx: &mut Tx,
    probe: ProbeId,
    registration: &Registration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = "UPDATE probes SET host = $3, port = $4, version = coalesce($5, version), capabilities = $6, \
                  system = $7, last_seen_at = $2, unregistered_at = NULL WHERE id = $1";
    let parameters = args![
        probe,
        now,
        registration.host.as_deref().map(without_nul),
        registration.port,
        registration.version.as_deref().map(without_nul),
        registration.capabilities.as_ref().map(json_text),
        registration.system.as_ref().map(json_text),
    ];
    tx.execute(update, parameters).await.map(drop)
}

/// JSON escapes NUL characters, so PostgreSQL can store its text.
pub(super) fn json_text(json: &Json) -> String {
    json.to_string()
}
