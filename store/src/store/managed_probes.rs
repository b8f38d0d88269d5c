//! Probes that this instance configures and asks for statistics. They are no part of what instances share; the probes and their node
//! tokens are.

use super::{
    Store,
    audit::{self, Change},
    credentials::{self, NewCredential},
    duties::Duty,
    edits, liveness, metadata, probes, regions,
    rows::without_nul,
};
use crate::{
    crypto::HubKey,
    db::{Tx, args, json, sql, work},
    domain::{
        AuditObject, AuditVerb, ClusterId, ConfigVersion, Contact, CredentialKind, Managed, ManagedProbe,
        ManagedProbeChange, NewContact, NewManagedProbe, ProbeId, ProbePath, PullState, PushState, Timestamp,
    },
    error::{Conflict, StoreError},
};

/// The maximum number of managed probes.
const MAX_MANAGED: i64 = 10_000;

/// The places to which encrypted values are bound, see [`HubKey::seal`].
pub(super) const TOKEN_PLACE: &str = "managed_probes.token";
pub(super) const ENROLLMENT_PLACE: &str = "managed_probes.enrollment";

const NOT_FOUND: StoreError = StoreError::NotFound("managed probe");

/// Grows when a managed probe is added, changed or removed.
const REVISION: &str = "SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'managed_probes'";

/// The managed probes.
macro_rules! managed {
    () => {
        "SELECT m.probe_id, b.server_id, r.name AS region, m.host, m.port, m.token, m.settings, m.enrollment, \
         m.revision, m.pushed_epoch, m.pushed_version, m.pushed_revision, m.push_state, m.pull_state, m.path, \
         m.round_trip_us, m.problem, m.pushed_at, m.pulled_at, m.usage_bytes, m.counted_bytes, m.added_at \
         FROM managed_probes m JOIN probes b ON b.id = m.probe_id JOIN regions r ON r.id = b.region_id"
    };
}

#[derive(sqlx::FromRow)]
struct ManagedRow {
    probe_id: ProbeId,
    server_id: String,
    region: String,
    host: Option<String>,
    port: Option<i64>,
    token: Option<Vec<u8>>,
    settings: String,
    enrollment: Option<Vec<u8>>,
    revision: i64,
    pushed_epoch: i64,
    pushed_version: i64,
    pushed_revision: i64,
    push_state: String,
    pull_state: String,
    path: Option<String>,
    round_trip_us: Option<i64>,
    problem: Option<String>,
    pushed_at: Option<Timestamp>,
    pulled_at: Option<Timestamp>,
    usage_bytes: i64,
    counted_bytes: i64,
    added_at: Timestamp,
}

impl ManagedRow {
    fn into_managed(self, key: &HubKey) -> Result<Managed, StoreError> {
        let open = |place, sealed: Option<Vec<u8>>| sealed.map(|sealed| key.open(place, &sealed)).transpose();
        let token = open(TOKEN_PLACE, self.token.clone())?;
        let enrollment = open(ENROLLMENT_PLACE, self.enrollment.clone())?;
        Ok(Managed { probe: self.into_probe()?, token, enrollment })
    }

    fn into_probe(self) -> Result<ManagedProbe, StoreError> {
        let corrupt = |column: &str| StoreError::Corrupt(format!("managed_probes.{column} of {}", self.probe_id));
        let port = self.port.map(|port| u16::try_from(port).map_err(|_| corrupt("port"))).transpose()?;
        Ok(ManagedProbe {
            id: self.probe_id,
            region: self.region.parse().map_err(|_| corrupt("region"))?,
            address: self.host.clone().zip(port),
            settings: serde_json::from_str(&self.settings).map_err(|_| corrupt("settings"))?,
            revision: self.revision,
            contact: Contact {
                pushed: ConfigVersion { epoch: self.pushed_epoch, version: self.pushed_version },
                pushed_revision: self.pushed_revision,
                push_state: PushState::from_name(&self.push_state).ok_or_else(|| corrupt("push_state"))?,
                pull_state: PullState::from_name(&self.pull_state).ok_or_else(|| corrupt("pull_state"))?,
                path: self.path.as_deref().and_then(ProbePath::from_name),
                round_trip_us: self.round_trip_us,
                // A newer hub on the same database may know others.
                problem: self.problem.as_deref().and_then(|text| serde_json::from_str(text).ok()),
                pushed_at: self.pushed_at,
                pulled_at: self.pulled_at,
                usage_bytes: self.usage_bytes,
                counted_bytes: self.counted_bytes,
            },
            added_at: self.added_at,
            server_id: self.server_id,
        })
    }
}

impl Store {
    /// Manages a probe from now on. One that is not registered is added, with a node token that it gets with its first configuration
    /// if it has no backend.
    ///
    /// # Errors
    ///
    /// [`Conflict::ProbeManaged`] when it is managed already; [`Conflict::ServerIdTaken`] when a registered probe with its `server_id`
    /// is running, though this one has no backend; [`Conflict::ProbeElsewhere`] when it has a backend that is not this hub;
    /// [`Conflict::TooManyManaged`] when there are 10,000; [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn manage_probe(&self, new: &NewManagedProbe, now: Timestamp) -> Result<ProbeId, StoreError> {
        let key = &self.shared.key;
        self.db().transaction(|tx| work(manage(tx, key, new, now))).await
    }

    /// The managed probes, in the order of their `server_id`s.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn managed_probes(&self) -> Result<Vec<ManagedProbe>, StoreError> {
        let rows: Vec<ManagedRow> = self.db().all(concat!(managed!(), " ORDER BY b.server_id"), vec![]).await?;
        rows.into_iter().map(ManagedRow::into_probe).collect()
    }

    /// A managed probe, with its secrets.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn managed_probe(&self, id: ProbeId) -> Result<Managed, StoreError> {
        let select = concat!(managed!(), " WHERE m.probe_id = $1");
        let row: Option<ManagedRow> = self.db().optional(select, args![id]).await?;
        row.ok_or(NOT_FOUND)?.into_managed(&self.shared.key)
    }

    /// What this hub has to manage: the version of the configuration that it holds, and a number that grows when a managed probe is
    /// added, changed or removed. `None` where another hub manages the probes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn to_manage(&self) -> Result<Option<(ConfigVersion, i64)>, StoreError> {
        if self.shared.duties.hold(self.db(), &[Duty::Manager]).await?.is_empty() {
            return Ok(None);
        }
        let (revision,): (i64,) = self.db().one(REVISION, vec![]).await?;
        Ok(Some((self.held_config().await?, revision)))
    }

    /// The cluster to which managed probes are bound: that of this instance, or the one that it would found.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn managing_cluster(&self) -> Result<ClusterId, StoreError> {
        if let Some(cluster) = self.instance().await?.cluster {
            return Ok(cluster);
        }
        self.db().transaction(|tx| work(metadata::own_cluster(tx))).await
    }

    /// The managed probes with their secrets, for the hub that manages them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fleet(&self) -> Result<Vec<Managed>, StoreError> {
        let rows: Vec<ManagedRow> = self.db().all(concat!(managed!(), " ORDER BY m.probe_id"), vec![]).await?;
        rows.into_iter().map(|row| row.into_managed(&self.shared.key)).collect()
    }

    /// Stores what this hub found out about managed probes. Those that were removed meanwhile are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::DutyLost`] when another hub manages the probes now; otherwise when the database fails.
    pub async fn note_contacts(&self, contacts: &[NewContact]) -> Result<(), StoreError> {
        if contacts.is_empty() {
            return Ok(());
        }
        let leases = self.shared.duties.hold(self.db(), &[Duty::Manager]).await?;
        if leases.is_empty() {
            return Err(StoreError::DutyLost("manager".to_owned()));
        }
        let (duties, leases) = (&self.shared.duties, &leases);
        let mut contacts: Vec<&NewContact> = contacts.iter().collect();
        contacts.sort_by_key(|contact| contact.id);
        let contacts = &contacts;
        self.db()
            .transaction(|tx| {
                work(async move {
                    for contact in contacts {
                        note_contact(tx, contact).await?;
                    }
                    duties.fence(tx, leases).await
                })
            })
            .await
    }

    /// Changes where a managed probe is reached, its token or its settings.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn change_managed_probe(&self, id: ProbeId, change: &ManagedProbeChange) -> Result<(), StoreError> {
        let key = &self.shared.key;
        let (host, port) = change.host.clone().unzip();
        let token = change.token.as_ref().map(|token| key.seal(TOKEN_PLACE, token));
        let settings = change.settings.as_ref().map(json).transpose()?;
        let update = "UPDATE managed_probes SET host = coalesce($2, host), port = coalesce($3, port), \
                      token = coalesce($4, token), settings = coalesce($5, settings), revision = revision + 1, \
                      push_state = '', pull_state = '', problem = NULL WHERE probe_id = $1";
        let parameters = &args![id, host, port.map(i64::from), token, settings];
        self.db()
            .transaction(|tx| {
                work(async move {
                    if tx.execute(update, parameters.clone()).await? == 0 {
                        return Err(NOT_FOUND);
                    }
                    changed(tx).await?;
                    audit::note(
                        tx,
                        Change::of(AuditObject::Probe, AuditVerb::Change).id(id).detail("how it is managed"),
                    )
                    .await
                })
            })
            .await
    }

    /// Pushes the configuration to a managed probe again, whatever it holds.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn push_again(&self, id: ProbeId) -> Result<(), StoreError> {
        self.change_managed_probe(id, &ManagedProbeChange::default()).await
    }

    /// Manages a probe no longer. It stays registered, and keeps what it holds.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn stop_managing(&self, id: ProbeId) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    if tx.execute("DELETE FROM managed_probes WHERE probe_id = $1", args![id]).await? == 0 {
                        return Err(NOT_FOUND);
                    }
                    changed(tx).await?;
                    audit::note(
                        tx,
                        Change::of(AuditObject::Probe, AuditVerb::Change).id(id).detail("not managed any more"),
                    )
                    .await
                })
            })
            .await
    }
}

async fn manage(tx: &mut Tx, key: &HubKey, new: &NewManagedProbe, now: Timestamp) -> Result<ProbeId, StoreError> {
    let edit = edits::allow(tx).await?;
    let (managed,): (i64,) = tx.one("SELECT count(*) FROM managed_probes", vec![]).await?;
    if managed >= MAX_MANAGED {
        return Err(Conflict::TooManyManaged.into());
    }
    let server_id = &without_nul(&new.server_id);
    let probe = match probes::find(tx, server_id).await? {
        Some((probe, _)) if new.has_backend => probe,
        Some((probe, _)) => {
            // One that runs has a backend.
            if liveness::probes(tx, now).await?.get(&probe).is_some_and(|facts| facts.live) {
                return Err(Conflict::ServerIdTaken.into());
            }
            probe
        }
        None if new.has_backend => return Err(Conflict::ProbeElsewhere.into()),
        None => {
            let region = regions::ensure(tx, &new.region).await?;
            probes::insert(tx, server_id, true, region, now).await?
        }
    };
    let enrollment = match new.has_backend {
        true => None,
        false => {
            let of_kind = NewCredential::of(CredentialKind::Node, server_id);
            let token = credentials::issue(tx, &NewCredential { probe: Some(probe), ..of_kind }, now).await?;
            Some(key.seal(ENROLLMENT_PLACE, &token.token))
        }
    };
    let address = new.address.as_ref();
    let insert = "INSERT INTO managed_probes (probe_id, host, port, token, settings, enrollment, revision, pushed_epoch, \
                  pushed_version, pushed_revision, push_state, pull_state, usage_bytes, counted_bytes, added_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, 1, 0, 0, 0, '', '', 0, 0, $7) ON CONFLICT (probe_id) DO NOTHING";
    let row = args![
        probe,
        address.map(|address| address.host.clone()),
        address.map(|address| i64::from(address.port)),
        address.map(|address| key.seal(TOKEN_PLACE, &address.token)),
        json(&new.settings)?,
        enrollment,
        now,
    ];
    if tx.execute(insert, row).await? == 0 {
        return Err(Conflict::ProbeManaged.into());
    }
    changed(tx).await?;
    let change = Change::of(AuditObject::Probe, AuditVerb::Change).id(probe).named(server_id).detail("managed");
    edit.note(tx, change).await?;
    Ok(probe)
}

async fn note_contact(tx: &mut Tx, NewContact { id, contact, has_backend }: &NewContact) -> Result<(), StoreError> {
    let update = "UPDATE managed_probes SET pushed_epoch = $2, pushed_version = $3, pushed_revision = $4, push_state = $5, \
                  pull_state = $6, path = $7, round_trip_us = $8, problem = $9, pushed_at = $10, pulled_at = $11, \
                  usage_bytes = $12, counted_bytes = $13, enrollment = CASE WHEN $14 THEN NULL ELSE enrollment END \
                  WHERE probe_id = $1";
    let row = args![
        *id,
        contact.pushed.epoch,
        contact.pushed.version,
        contact.pushed_revision,
        contact.push_state.as_str(),
        contact.pull_state.as_str(),
        contact.path.map(ProbePath::as_str),
        contact.round_trip_us,
        contact.problem.as_ref().map(json).transpose()?,
        contact.pushed_at,
        contact.pulled_at,
        contact.usage_bytes,
        contact.counted_bytes,
        *has_backend,
    ];
    tx.execute(update, row).await.map(drop)
}

/// Lets the hub that manages the probes read them again.
async fn changed(tx: &mut Tx) -> Result<(), StoreError> {
    let grow = sql!("UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'managed_probes'");
    tx.execute(grow, vec![]).await.map(drop)
}
