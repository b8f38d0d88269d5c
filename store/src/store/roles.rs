//! How an instance changes its role. Each change is one transaction, which is durable before anybody acts on it.

use easytier_probe::Secret;

use super::{
    Store,
    audit::{self, Change},
    instance::{self, InstanceRow},
    maintenance, metadata,
    rows::without_nul,
    set_aside, sync,
};
use crate::{
    crypto::HubKey,
    db::{Tx, args, work},
    domain::{AuditObject, AuditVerb, ClusterId, Instance, Leader, Leadership, MAX_EPOCH, MAX_EPOCH_LEAD, Role},
    error::{RoleConflict, StoreError},
};

impl Store {
    /// Makes a standalone instance the primary of a new cluster. A primary takes on the name and the address. `url`: the base
    /// URL at which dependents reach it.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::WrongRole`] at a dependent, which is promoted instead; otherwise when the database fails.
    pub async fn become_primary(&self, name: &str, url: Option<&str>) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(become_primary(tx, name, url))).await
    }

    /// Makes this instance a dependent, after it registered at the primary and got `token` there. The peers of a standalone
    /// instance are set aside: they stay with their history, but are neither checked nor shared.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::OtherCluster`] when it belongs to another cluster, which it has to [`leave`](Self::leave) first;
    /// [`RoleConflict::EpochOver`] or [`RoleConflict::EpochOutOfRange`] when the epoch is below its own, or too far ahead;
    /// otherwise when the database fails.
    pub async fn join(&self, leadership: &Leadership, token: &Secret) -> Result<Instance, StoreError> {
        let (token, key) = (&self.sealed_token(token), &self.shared.key);
        self.db()
            .transaction(|tx| {
                work(async move {
                    let row = instance::lock(tx).await?;
                    let cluster = row.cluster()?;
                    check(&row, cluster.unwrap_or(leadership.cluster), leadership)?;
                    depend(tx, key, &row, leadership).await?;
                    tx.execute("UPDATE instance SET token = $1 WHERE id = 1", args![token.as_str()]).await?;
                    if cluster.is_none() {
                        set_aside::all(tx).await?;
                        maintenance::clear(tx).await?;
                        // What it has besides gives way to what the cluster has.
                        sync::forget(tx).await?;
                    }
                    now(tx).await
                })
            })
            .await
    }

    /// Makes this instance a standalone one, which belongs to no cluster. It keeps the peers that came from the primary as its
    /// own, and those that were set aside come back, unless the same address and network is watched already. It forgets the
    /// other instances and what it shared with them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn leave(&self) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(leave(tx))).await
    }

    /// Makes a dependent follow another primary, or the same one in another epoch or at another address. Of two primaries of
    /// one epoch the caller has chosen the one with the greater [`Term`](crate::domain::Term). The token of another primary or
    /// address is forgotten, so that nobody else gets it.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::WrongRole`] when it is no dependent; [`RoleConflict::OtherCluster`], [`RoleConflict::EpochOver`] or
    /// [`RoleConflict::EpochOutOfRange`] as for [`join`](Self::join); otherwise when the database fails.
    pub async fn follow(&self, leadership: &Leadership) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(depend_as(tx, &self.shared.key, Role::Dependent, leadership))).await
    }

    /// Makes a primary a dependent of another one. Of two primaries of one epoch the caller has chosen the one with the greater
    /// [`Term`](crate::domain::Term).
    ///
    /// # Errors
    ///
    /// [`RoleConflict::WrongRole`] when it is no primary; otherwise as [`follow`](Self::follow).
    pub async fn demote_to(&self, leadership: &Leadership) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(depend_as(tx, &self.shared.key, Role::Primary, leadership))).await
    }

    /// Makes a dependent the primary, in an epoch that is greater by one than its own and than `seen`, the highest that another
    /// instance named. At a primary it begins a new epoch, for example after a restored backup. `expected`: the epoch of this
    /// instance by which the caller has decided, so that a decision counts once. `name`, `url`: as for
    /// [`become_primary`](Self::become_primary).
    ///
    /// # Errors
    ///
    /// [`RoleConflict::OtherEpoch`] when the epoch is not the expected one; [`RoleConflict::WrongRole`] at a standalone instance;
    /// [`RoleConflict::EpochOutOfRange`] when `seen` is too far ahead to be right; otherwise when the database fails.
    pub async fn promote(
        &self,
        name: &str,
        url: Option<&str>,
        expected: i64,
        seen: i64,
    ) -> Result<Instance, StoreError> {
        self.db().transaction(|tx| work(promote(tx, name, url, expected, seen))).await
    }

    /// Stops or allows edits at a primary. When it returns after a stop, every edit that was begun has ended.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::WrongRole`] when it is no primary; otherwise when the database fails.
    pub async fn set_accepts_edits(&self, accepts: bool) -> Result<Instance, StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    require(&instance::lock(tx).await?, Role::Primary)?;
                    tx.execute("UPDATE instance SET accepts_edits = $1 WHERE id = 1", args![accepts]).await?;
                    now(tx).await
                })
            })
            .await
    }

    /// Notes at a dependent an epoch that another instance of the cluster named: from now on it follows no primary of a lower
    /// one. It changes nothing elsewhere: a primary that hears of a greater epoch steps down with
    /// [`demote_to`](Self::demote_to).
    ///
    /// # Errors
    ///
    /// [`RoleConflict::EpochOutOfRange`] when it is too far ahead to be right; otherwise when the database fails.
    pub async fn see_epoch(&self, epoch: i64) -> Result<Instance, StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    let row = instance::lock(tx).await?;
                    if row.role()? == Role::Dependent && epoch > row.epoch {
                        within_reach(row.epoch, epoch)?;
                        tx.execute("UPDATE instance SET epoch = $1 WHERE id = 1", args![epoch]).await?;
                    }
                    now(tx).await
                })
            })
            .await
    }
}

async fn become_primary(tx: &mut Tx, name: &str, url: Option<&str>) -> Result<Instance, StoreError> {
    let row = instance::lock(tx).await?;
    if row.role()? == Role::Dependent {
        return Err(RoleConflict::WrongRole(Role::Dependent).into());
    }
    let cluster = match row.cluster()? {
        Some(cluster) => cluster,
        None => metadata::own_cluster(tx).await?,
    };
    lead(tx, &row, cluster, row.epoch.max(1), name, url).await
}

pub(super) async fn promote(
    tx: &mut Tx,
    name: &str,
    url: Option<&str>,
    expected: i64,
    seen: i64,
) -> Result<Instance, StoreError> {
    let row = instance::lock(tx).await?;
    let Some(cluster) = row.cluster()? else { return Err(RoleConflict::WrongRole(row.role()?).into()) };
    if expected != row.epoch {
        return Err(RoleConflict::OtherEpoch { expected, known: row.epoch }.into());
    }
    let highest = row.epoch.max(seen);
    within_reach(row.epoch, highest)?;
    within_reach(highest, highest.saturating_add(1))?;
    lead(tx, &row, cluster, highest + 1, name, url).await
}

/// Makes this instance the primary in `epoch`.
async fn lead(
    tx: &mut Tx,
    row: &InstanceRow,
    cluster: ClusterId,
    epoch: i64,
    name: &str,
    url: Option<&str>,
) -> Result<Instance, StoreError> {
    let own = Leader { id: row.id()?, name: name.to_owned(), url: url.map(str::to_owned) };
    if row.role()? != Role::Primary || row.epoch != epoch {
        note(tx, format!("primary, epoch {epoch}")).await?;
    }
    write(tx, Role::Primary, &Leadership { cluster, epoch, leader: own }).await?;
    let update = "UPDATE instance SET accepts_edits = TRUE, token = NULL, synced_epoch = 0, synced_version = 0, \
                  synced_at = NULL, sync_error = NULL, handing_over_to = NULL WHERE id = 1";
    tx.execute(update, vec![]).await?;
    now(tx).await
}

/// Makes an instance in the role `from` a dependent.
async fn depend_as(tx: &mut Tx, key: &HubKey, from: Role, leadership: &Leadership) -> Result<Instance, StoreError> {
    let row = instance::lock(tx).await?;
    require(&row, from)?;
    check(&row, row.cluster()?.ok_or(RoleConflict::OtherCluster)?, leadership)?;
    depend(tx, key, &row, leadership).await?;
    now(tx).await
}

async fn depend(tx: &mut Tx, key: &HubKey, row: &InstanceRow, leadership: &Leadership) -> Result<(), StoreError> {
    if row.role()? == Role::Primary {
        // The last edits that were made here get their versions in the epoch of this primary.
        sync::capture(tx, key, None).await?;
    }
    let known = row.leader()?;
    let same_epoch = row.epoch == leadership.epoch;
    if known.as_ref().is_none_or(|known| known.id != leadership.leader.id) && same_epoch || row.cluster()?.is_none() {
        // Versions of two primaries of one epoch do not follow each other.
        let update = "UPDATE instance SET synced_epoch = 0, synced_version = 0, synced_at = NULL WHERE id = 1";
        tx.execute(update, vec![]).await?;
    } else if row.role()? == Role::Primary {
        let held = row.instance()?.config;
        let update = "UPDATE instance SET synced_epoch = $1, synced_version = $2, synced_at = NULL WHERE id = 1";
        tx.execute(update, args![held.epoch, held.version]).await?;
    }
    let Leadership { epoch, leader, .. } = leadership;
    if row.role()? != Role::Dependent || !same_epoch || known.as_ref().is_none_or(|known| known.id != leader.id) {
        note(tx, format!("dependent of {} ({}), epoch {epoch}", leader.name, leader.id)).await?;
    }
    let same_place = known.is_some_and(|known| known.id == leadership.leader.id && known.url == leadership.leader.url);
    write(tx, Role::Dependent, leadership).await?;
    if !same_place {
        tx.execute("UPDATE instance SET token = NULL WHERE id = 1", vec![]).await?;
    }
    // The row says nothing about edits at a dependent: when it leads, they are allowed.
    tx.execute("UPDATE instance SET accepts_edits = TRUE WHERE id = 1", vec![]).await.map(drop)
}

async fn leave(tx: &mut Tx) -> Result<Instance, StoreError> {
    let row = instance::lock(tx).await?;
    if row.role()? != Role::Standalone {
        let update = "UPDATE instance SET role = 'standalone', cluster_id = NULL, accepts_edits = TRUE, primary_id = NULL, \
                      primary_name = NULL, primary_url = NULL, synced_epoch = 0, synced_version = 0, synced_at = NULL, \
                      sync_error = NULL, token = NULL, forwarded_row = 0, forward_all_to = 0, mirrored = NULL, failover_order = NULL, \
                      named_order = NULL WHERE id = 1";
        tx.execute(update, vec![]).await?;
        note(tx, "standalone".to_owned()).await?;
        set_aside::none(tx).await?;
        sync::forget(tx).await?;
        // The cluster goes on without it, with the id.
        metadata::remove(tx, metadata::OWN_CLUSTER).await?;
        for forget in ["DELETE FROM instances", "DELETE FROM instance_tokens"] {
            tx.execute(forget, vec![]).await?;
        }
    }
    now(tx).await
}

/// Notes another role in the audit log.
async fn note(tx: &mut Tx, became: String) -> Result<(), StoreError> {
    audit::note(tx, Change::of(AuditObject::Role, AuditVerb::Change).detail(became)).await
}

async fn write(tx: &mut Tx, role: Role, leadership: &Leadership) -> Result<(), StoreError> {
    let Leadership { cluster, epoch, leader } = leadership;
    let update = "UPDATE instance SET role = $1, cluster_id = $2, epoch = $3, primary_id = $4, primary_name = $5, \
                  primary_url = $6 WHERE id = 1";
    let url = leader.url.as_deref().map(without_nul);
    let (cluster, id) = (cluster.to_string(), leader.id.to_string());
    tx.execute(update, args![role.as_str(), cluster, *epoch, id, without_nul(&leader.name), url]).await.map(drop)
}

/// The instance after the changes of this transaction.
async fn now(tx: &mut Tx) -> Result<Instance, StoreError> {
    instance::lock(tx).await?.instance()
}

fn require(row: &InstanceRow, role: Role) -> Result<(), StoreError> {
    match row.role()? {
        own if own == role => Ok(()),
        other => Err(RoleConflict::WrongRole(other).into()),
    }
}

/// Whether an instance of this cluster may follow the leadership.
fn check(row: &InstanceRow, cluster: ClusterId, leadership: &Leadership) -> Result<(), StoreError> {
    let named = leadership.epoch;
    if cluster != leadership.cluster {
        return Err(RoleConflict::OtherCluster.into());
    }
    if leadership.leader.id == row.id()? {
        return Err(RoleConflict::OtherPrimary.into());
    }
    if row.cluster()?.is_none() {
        // The epoch of another cluster says nothing about this one.
        return if (1..=MAX_EPOCH).contains(&named) {
            Ok(())
        } else {
            Err(RoleConflict::EpochOutOfRange(named).into())
        };
    }
    if named < row.epoch {
        return Err(RoleConflict::EpochOver { named, known: row.epoch }.into());
    }
    within_reach(row.epoch, named)
}

/// Whether `named` may be right at an instance that knows epoch `known`.
fn within_reach(known: i64, named: i64) -> Result<(), StoreError> {
    match named <= MAX_EPOCH && named <= known.saturating_add(MAX_EPOCH_LEAD) {
        true => Ok(()),
        false => Err(RoleConflict::EpochOutOfRange(named).into()),
    }
}
