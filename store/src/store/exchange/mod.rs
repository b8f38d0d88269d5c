//! Results between instances: what one reads to send it, and what another takes in.

mod read;
mod take;
mod verdicts;

use std::collections::{BTreeSet, HashMap};

use super::{Store, metadata};
use crate::{
    db::{Tx, args, sql},
    domain::{ConfigVersion, PeerId, Role},
    error::StoreError,
};

/// Notes that results after `row` are to be passed on again.
pub(super) async fn pass_on_again(tx: &mut Tx, row: i64) -> Result<(), StoreError> {
    let update = "UPDATE instance SET forwarded_row = $1 WHERE forwarded_row > $1";
    tx.execute(update, args![row]).await.map(drop)
}

/// Has the results passed on again that the primary refused because it did not know their peers, as far as it has the peers now.
pub(super) async fn pass_on_refused(tx: &mut Tx, present: &BTreeSet<&str>) -> Result<(), StoreError> {
    let select = "SELECT uid, refused_row FROM synced_objects WHERE kind = 'peer' AND refused_row IS NOT NULL";
    let refused: Vec<(String, i64)> = tx.all(select, vec![]).await?;
    let known: Vec<(String, i64)> = refused.into_iter().filter(|(uid, _)| present.contains(uid.as_str())).collect();
    let Some(first) = known.iter().map(|(_, row)| *row).min() else { return Ok(()) };
    pass_on_again(tx, first).await?;
    let forget = sql!("UPDATE synced_objects SET refused_row = NULL WHERE kind = 'peer' AND uid ", (in 1));
    let uids: Vec<String> = known.into_iter().map(|(uid, _)| uid).collect();
    tx.execute(forget, args![uids]).await.map(drop)
}

impl Store {
    /// The row up to which results are at the primary; 0 when none are. A row that no result of this database has had is one of the
    /// time before a backup was restored, and says nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forwarded_row(&self) -> Result<i64, StoreError> {
        let (row,): (i64,) = self.db().one("SELECT forwarded_row FROM instance", vec![]).await?;
        Ok(if row > self.newest_result().await? { 0 } else { row })
    }

    /// Notes that results up to `row` are at the primary.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_forwarded_row(&self, row: i64) -> Result<(), StoreError> {
        self.db().execute("UPDATE instance SET forwarded_row = $1", args![row]).await.map(drop)
    }

    /// Notes that the primary does not know the peers with these uids, and refused results of theirs that are after `row`. They are
    /// passed on again once the primary's configuration, as this instance adopts it, has the peers.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_refused(&self, uids: BTreeSet<String>, row: i64) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE synced_objects SET refused_row = $1 WHERE kind = 'peer' AND (refused_row IS NULL OR refused_row > $1) AND uid ",
            (in 2)
        );
        self.db().execute(update, args![row, Vec::from_iter(uids)]).await.map(drop)
    }

    /// Notes that results up to `to` are at the primary, unless they are passed on from another row than `from` meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn advance_forwarded_row(&self, from: i64, to: i64) -> Result<(), StoreError> {
        let update = "UPDATE instance SET forwarded_row = $2 \
                      WHERE CASE WHEN forwarded_row > $3 THEN 0 ELSE forwarded_row END = $1";
        self.db().execute(update, args![from, to, self.newest_result().await?]).await.map(drop)
    }

    /// Notes that the primary was restored from a backup, and may have none of the results that are here: all are passed on again,
    /// also those that came from it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forward_again(&self) -> Result<(), StoreError> {
        let newest = self.newest_result().await?;
        let update = "UPDATE instance SET forwarded_row = 0, forward_all_to = $1";
        self.db().execute(update, args![newest]).await.map(drop)
    }

    /// Whether results after `row` are passed on although they came from the primary.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forwards_all(&self, row: i64) -> Result<bool, StoreError> {
        let (to,): (i64,) = self.db().one("SELECT forward_all_to FROM instance", vec![]).await?;
        Ok(row < to)
    }

    /// The position in the results of the primary up to which they are mirrored here, as [`Store::put_mirror_position`]
    /// stored it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirror_position(&self) -> Result<Option<String>, StoreError> {
        let (position,) = self.db().one("SELECT mirrored FROM instance", vec![]).await?;
        Ok(position)
    }

    /// Stores the position up to which results of the primary are mirrored here, in a format of the caller; `None` for a new
    /// beginning.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_mirror_position(&self, position: Option<&str>) -> Result<(), StoreError> {
        self.db().execute("UPDATE instance SET mirrored = $1", args![position]).await.map(drop)
    }

    /// The version of the configuration that this instance holds: what its listings name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn held_config(&self) -> Result<ConfigVersion, StoreError> {
        metadata::held_config(self.db()).await.map(|(held, _)| held)
    }

    /// Whether somebody who names this version knows a newer configuration than this instance, so that what is unknown here
    /// may be known soon. A dependent is behind a newer version, a primary behind a later epoch, and a standalone instance
    /// never.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_behind(&self, named: ConfigVersion) -> Result<bool, StoreError> {
        let (held, role) = metadata::held_config(self.db()).await?;
        Ok(match role {
            Role::Dependent => held < named,
            Role::Primary => held.epoch < named.epoch,
            Role::Standalone => false,
        })
    }

    /// The peers with these uids that exist here.
    async fn peers_by_uid(&self, uids: BTreeSet<String>) -> Result<HashMap<String, PeerId>, StoreError> {
        let select = sql!(
            "SELECT o.uid, p.id FROM synced_objects o JOIN peers p ON CAST(p.id AS TEXT) = o.local_key \
             WHERE o.kind = 'peer' AND o.uid ",
            (in 1)
        );
        let peers: Vec<(String, PeerId)> = self.db().all(select, args![Vec::from_iter(uids)]).await?;
        Ok(peers.into_iter().collect())
    }

    /// The uids of peers by their ids, as far as they are shared.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peer_uids(&self) -> Result<HashMap<i64, String>, StoreError> {
        let select = "SELECT local_key, uid FROM synced_objects WHERE kind = 'peer' AND local_key IS NOT NULL";
        let rows: Vec<(String, String)> = self.db().all(select, vec![]).await?;
        Ok(rows.into_iter().filter_map(|(id, uid)| Some((id.parse().ok()?, uid))).collect())
    }
}
