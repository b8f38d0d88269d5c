//! The registry of probes.

use serde_json::Value as Json;

use super::{
    Conflict, Store, StoreError, credentials,
    engine::{Tx, args, sql},
    ingest,
    peers::clean,
    regions, rows, states,
};
use crate::{
    model::{Counters, Issued, Presence, Probe, ProbeId, ProbeIdentity, Region, RegionId, Registration, StatusReport},
    time::{Timestamp, millis},
    token::CredentialKind,
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
    check_interval_ms: Option<i64>,
    sends_heartbeats: bool,
    config_version: Option<i64>,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    unregistered_at: Option<Timestamp>,
}

impl ProbeRow {
    fn into_probe(self, now: Timestamp) -> Result<Probe, StoreError> {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let check_interval = rows::duration(self.check_interval_ms);
        let unregistered = self.unregistered_at.is_some();
        let region = self.region.parse().map_err(|_| StoreError::Corrupt(format!("probes.region of {}", self.id)))?;
        Ok(Probe {
            id: self.id,
            server_id: self.server_id,
            region,
            presence: Presence::of(Some(self.last_seen_at), self.sends_heartbeats, check_interval, unregistered, now),
            host: self.host,
            port: self.port.map(rows::count),
            version: self.version,
            capabilities: json(self.capabilities),
            system: json(self.system),
            metadata: json(self.metadata),
            counters: json(self.counters),
            response_us: self.response_us,
            check_interval,
            config_version: self.config_version,
            created_at: self.created_at,
            last_seen_at: self.last_seen_at,
        })
    }
}

impl Store {
    /// Enrolls a new probe: an enrollment key was shown. `key_region` is the only region that the key enrolls for.
    pub async fn enroll_probe(
        &self,
        key_region: Option<&Region>,
        server_id: &str,
        region: &Region,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<(ProbeIdentity, Issued), StoreError> {
        if key_region.is_some_and(|only| only != region) {
            return Err(Conflict::OtherRegion.into());
        }
        let mut tx = self.db().begin().await?;
        let server_id = clean(server_id);
        let region_id = regions::ensure(&mut tx, region).await?;
        if find(&mut tx, &server_id).await?.is_some() {
            return Err(Conflict::ServerIdTaken.into());
        }
        let probe = insert(&mut tx, &server_id, true, region_id, now).await?;
        let issued = credentials::insert(&mut tx, CredentialKind::Node, &server_id, Some(probe), None, now).await?;
        write_registration(&mut tx, probe, registration, now).await?;
        tx.commit().await?;
        Ok((ProbeIdentity { probe, server_id, region_id, region: region.clone() }, issued))
    }

    /// Registers a probe again, or for the first time, with its own token.
    pub async fn register_probe(
        &self,
        caller: &ProbeIdentity,
        server_id: &str,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        adopt(&mut tx, caller, server_id).await?;
        write_registration(&mut tx, caller.probe, registration, now).await?;
        tx.commit().await
    }

    /// `POST /heartbeat`: from now on the probe is measured by its heartbeats.
    pub async fn heartbeat(
        &self,
        caller: &ProbeIdentity,
        counters: Option<&Counters>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE probes SET sends_heartbeats = TRUE, counters = coalesce($3, counters), \
                      last_seen_at = $2, unregistered_at = NULL WHERE id = $1";
        let parameters = args![caller.probe, now, counters.map(json_text)];
        self.db().execute(update, parameters).await.map(drop)
    }

    /// `PUT /nodes/status`; counts as a heartbeat. A report under another `server_id` stores nothing.
    pub async fn report_status(
        &self,
        caller: &ProbeIdentity,
        report: &StatusReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        if let Some(server_id) = &report.server_id {
            adopt(&mut tx, caller, server_id).await?;
        }
        let update = "UPDATE probes SET version = coalesce($3, version), response_us = $4, \
                      check_interval_ms = coalesce($5, check_interval_ms), holds_sessions = $6, \
                      metadata = coalesce($7, metadata), last_seen_at = $2, unregistered_at = NULL WHERE id = $1";
        let parameters = args![
            caller.probe,
            now,
            report.version.as_deref().map(clean),
            report.response_us,
            report.check_interval.map(millis),
            report.holds_sessions,
            report.metadata.as_ref().map(json_text),
        ];
        tx.execute(update, parameters).await?;
        tx.commit().await
    }

    /// Notes which listing the probe fetched last.
    pub async fn note_fetched(&self, caller: &ProbeIdentity, config_version: i64) -> Result<(), StoreError> {
        let update = "UPDATE probes SET config_version = $2 WHERE id = $1 AND config_version IS DISTINCT FROM $2";
        self.db().execute(update, args![caller.probe, config_version]).await.map(drop)
    }

    /// A clean stop: the probe is offline at once. Its history stays.
    pub async fn unregister_probe(&self, caller: &ProbeIdentity, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE probes SET unregistered_at = $2 WHERE id = $1";
        self.db().execute(update, args![caller.probe, now]).await.map(drop)
    }

    /// Forgets a probe that is offline: its tokens end, and its `server_id` is free for another. What it saw stays.
    pub async fn remove_probe(&self, server_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        // Results of the probe that are on their way wait, and then find it gone.
        let lock = sql!("SELECT id FROM probes WHERE server_id = $1", ["" | " FOR UPDATE"]);
        let row: Option<(ProbeId,)> = tx.optional(lock, args![server_id]).await?;
        let (probe,) = row.ok_or(StoreError::NotFound("probe"))?;
        if states::probes(&mut tx, now).await?.get(&probe).is_some_and(|facts| facts.live) {
            return Err(Conflict::ProbeThere.into());
        }
        let peers = ingest::settle(&mut tx, probe).await?;
        states::review_soon(&mut tx, peers).await?;
        tx.execute("DELETE FROM credentials WHERE probe_id = $1", args![probe]).await?;
        tx.execute("DELETE FROM probes WHERE id = $1", args![probe]).await?;
        tx.commit().await
    }

    /// The identity of a probe in this very process, which needs no token.
    pub async fn local_probe(
        &self,
        server_id: &str,
        region: &Region,
        now: Timestamp,
    ) -> Result<ProbeIdentity, StoreError> {
        let mut tx = self.db().begin().await?;
        let server_id = clean(server_id);
        let region_id = regions::ensure(&mut tx, region).await?;
        let probe = match find(&mut tx, &server_id).await? {
            None => insert(&mut tx, &server_id, true, region_id, now).await?,
            Some((probe, _)) => {
                tx.execute("UPDATE probes SET region_id = $2 WHERE id = $1", args![probe, region_id]).await?;
                probe
            }
        };
        tx.commit().await?;
        Ok(ProbeIdentity { probe, server_id, region_id, region: region.clone() })
    }

    /// Every probe that was ever heard from, with its presence at `now`, in the order of `server_id`s.
    pub async fn probes(&self, now: Timestamp) -> Result<Vec<Probe>, StoreError> {
        let select = "SELECT b.id, b.server_id, r.name AS region, b.host, b.port, b.version, b.capabilities, b.system, \
                      b.metadata, b.counters, b.response_us, b.check_interval_ms, b.sends_heartbeats, \
                      b.config_version, b.created_at, b.last_seen_at, b.unregistered_at \
                      FROM probes b JOIN regions r ON r.id = b.region_id WHERE b.last_seen_at IS NOT NULL";
        let rows: Vec<ProbeRow> = self.db().all(select, vec![]).await?;
        let mut probes = rows.into_iter().map(|row| row.into_probe(now)).collect::<Result<Vec<_>, _>>()?;
        probes.sort_by(|a, b| a.server_id.cmp(&b.server_id));
        Ok(probes)
    }
}

pub(super) async fn find(tx: &mut Tx, server_id: &str) -> Result<Option<(ProbeId, RegionId)>, StoreError> {
    tx.optional("SELECT id, region_id FROM probes WHERE server_id = $1", args![server_id]).await
}

/// Another hub may have been quicker with the same `server_id`.
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

/// Makes sure that the caller is `server_id`. A probe whose token named none takes the first one that it uses.
async fn adopt(tx: &mut Tx, caller: &ProbeIdentity, server_id: &str) -> Result<(), StoreError> {
    let server_id = clean(server_id);
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
        let update = "UPDATE probes SET server_id = $2, named = TRUE WHERE id = $1";
        tx.execute(update, args![caller.probe, server_id]).await?;
    }
    Ok(())
}

async fn write_registration(
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
        registration.host.as_deref().map(clean),
        registration.port,
        registration.version.as_deref().map(clean),
        registration.capabilities.as_ref().map(json_text),
        registration.system.as_ref().map(json_text),
    ];
    tx.execute(update, parameters).await.map(drop)
}

/// JSON escapes NUL, so its text can be stored as it is.
fn json_text(json: &Json) -> String {
    json.to_string()
}
