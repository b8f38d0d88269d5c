//! The channels. Their settings and rules are sealed with the hub's key, because settings have secrets.

use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    crypto::HubKey,
    db::{Tx, args, sql, work},
    domain::{AlertChannel, AuditObject, AuditVerb, ChannelId, ChannelSpec, SyncedChannel, Timestamp},
    error::{Conflict, StoreError},
    store::{Store, audit::Change, edits, rows::without_nul},
};

/// The place to which an encrypted configuration is bound, see [`HubKey::seal`].
pub(in crate::store) const CONFIG_PLACE: &str = "channels.config";

#[derive(sqlx::FromRow)]
pub(super) struct ChannelRow {
    id: ChannelId,
    uid: String,
    name: String,
    kind: String,
    enabled: bool,
    config: Vec<u8>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ChannelRow {
    pub(super) fn into_channel(self, key: &HubKey) -> Result<AlertChannel, StoreError> {
        Ok(AlertChannel {
            id: self.id,
            uid: self.uid.parse().map_err(|_| StoreError::Corrupt(format!("channels.uid of {}", self.id)))?,
            spec: ChannelSpec {
                name: self.name,
                kind: self.kind,
                enabled: self.enabled,
                config: key.open(CONFIG_PLACE, &self.config)?,
            },
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The columns of a [`ChannelRow`] of channels `c`.
macro_rules! channel_columns {
    ($engine:ident) => {
        "c.id, c.uid, c.name, c.kind, c.enabled, c.config, c.created_at, c.updated_at"
    };
}
pub(super) use channel_columns;

impl Store {
    /// All channels, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails, or a configuration cannot be decrypted.
    pub async fn alert_channels(&self) -> Result<Vec<AlertChannel>, StoreError> {
        let select = sql!("SELECT ", (channel_columns), " FROM channels c ORDER BY c.id");
        let rows: Vec<ChannelRow> = self.db().all(select, vec![]).await?;
        rows.into_iter().map(|row| row.into_channel(&self.shared.key)).collect()
    }

    /// Adds a channel.
    ///
    /// # Errors
    ///
    /// [`Conflict::ChannelNamed`] when another one has the name; otherwise when this instance takes no edits or the database
    /// fails.
    pub async fn add_channel(&self, spec: &ChannelSpec, now: Timestamp) -> Result<ChannelId, StoreError> {
        let key = &self.shared.key;
        self.db().transaction(|tx| work(add(tx, key, spec, now))).await
    }

    /// Changes a channel. `edit` runs again when the transaction conflicted with another one.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none; otherwise as [`add_channel`](Self::add_channel).
    pub async fn edit_channel(
        &self,
        id: ChannelId,
        edit: impl Fn(&mut ChannelSpec) + Send + Sync,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (edit, key) = (&edit, &self.shared.key);
        self.db().transaction(|tx| work(edit_seen(tx, key, id, None, edit, now))).await
    }

    /// Removes a channel; its messages that wait are dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none; otherwise when this instance takes no edits or the database fails.
    pub async fn remove_channel(&self, id: ChannelId, now: Timestamp) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(remove(tx, id, now))).await
    }
}

/// Adds a channel, and notes it.
pub(in crate::store) async fn add(
    tx: &mut Tx,
    key: &HubKey,
    spec: &ChannelSpec,
    now: Timestamp,
) -> Result<ChannelId, StoreError> {
    let edit = edits::allow(tx).await?;
    let (name, kind) = (without_nul(&spec.name), without_nul(&spec.kind));
    refuse_taken(tx, &name, None).await?;
    let insert = "INSERT INTO channels (uid, name, kind, enabled, config, created_at, updated_at) \
                                  VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id";
    let config = key.seal(CONFIG_PLACE, &spec.config);
    let parameters = args![Uuid::new_v4().to_string(), name.as_str(), kind, spec.enabled, config, now];
    let (id,): (ChannelId,) = tx.one(insert, parameters).await?;
    edit.note(tx, change(AuditVerb::Add, id, &name)).await?;
    Ok(id)
}

/// Changes a channel, if nobody changed it since `seen`, and notes it.
pub(in crate::store) async fn edit_seen(
    tx: &mut Tx,
    key: &HubKey,
    id: ChannelId,
    seen: Option<Timestamp>,
    edit: &(impl Fn(&mut ChannelSpec) + Send + Sync),
    now: Timestamp,
) -> Result<(), StoreError> {
    let allowed = edits::allow(tx).await?;
    let AlertChannel { mut spec, updated_at, .. } = load(tx, key, id).await?;
    if seen.is_some_and(|seen| seen != updated_at) {
        return Err(Conflict::ChannelChanged.into());
    }
    edit(&mut spec);
    let name = without_nul(&spec.name);
    refuse_taken(tx, &name, Some(id)).await?;
    write(tx, key, id, &spec, now).await?;
    allowed.note(tx, change(AuditVerb::Change, id, &name)).await
}

/// Removes a channel, and notes it.
pub(in crate::store) async fn remove(tx: &mut Tx, id: ChannelId, now: Timestamp) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    let delete = "DELETE FROM channels WHERE id = $1 RETURNING name";
    let row: Option<(String,)> = tx.optional(delete, args![id]).await?;
    let (name,) = row.ok_or(StoreError::NotFound("channel"))?;
    let drop_waiting = "UPDATE alert_deliveries SET state = 'dropped', done_at = $2, leased_by = NULL \
                                        WHERE channel_id = $1 AND state = 'waiting'";
    tx.execute(drop_waiting, args![id, now]).await?;
    edit.note(tx, change(AuditVerb::Remove, id, &name)).await
}

/// Changes the configurations of all channels as JSON, where `edit` says that it did. One that cannot be read stays.
pub(in crate::store) async fn edit_configs(
    tx: &mut Tx,
    key: &HubKey,
    now: Timestamp,
    edit: impl Fn(&mut Json) -> bool + Send + Sync,
) -> Result<(), StoreError> {
    let select = sql!("SELECT ", (channel_columns), " FROM channels c ORDER BY c.id", ["" | " FOR UPDATE"]);
    for row in tx.all::<ChannelRow>(select, vec![]).await? {
        let channel = row.into_channel(key)?;
        let Ok(mut config) = serde_json::from_str(channel.spec.config.expose()) else { continue };
        if edit(&mut config) {
            write(tx, key, channel.id, &ChannelSpec { config: config.to_string().into(), ..channel.spec }, now).await?;
        }
    }
    Ok(())
}

/// Writes a channel. It is later than before, so that who looks at the newest change notices this one.
async fn write(tx: &mut Tx, key: &HubKey, id: ChannelId, spec: &ChannelSpec, now: Timestamp) -> Result<(), StoreError> {
    let update = sql!(
        "UPDATE channels SET name = $2, kind = $3, enabled = $4, config = $5, updated_at = ",
        ["max" | "greatest"],
        "(updated_at + 1, $6) WHERE id = $1"
    );
    let config = key.seal(CONFIG_PLACE, &spec.config);
    let values = args![id, without_nul(&spec.name), without_nul(&spec.kind), spec.enabled, config, now];
    tx.execute(update, values).await.map(drop)
}

fn change(verb: AuditVerb, id: ChannelId, name: &str) -> Change {
    Change::of(AuditObject::Channel, verb).id(id).named(name)
}

/// What is shared of each channel, with its uid as it is stored.
pub(in crate::store) async fn shared(tx: &mut Tx, key: &HubKey) -> Result<Vec<(String, SyncedChannel)>, StoreError> {
    let select = sql!("SELECT ", (channel_columns), " FROM channels c");
    let rows: Vec<ChannelRow> = tx.all(select, vec![]).await?;
    let shared = |row: ChannelRow| {
        let uid = row.uid.clone();
        let AlertChannel { id, spec, created_at, updated_at, .. } = row.into_channel(key)?;
        let ChannelSpec { name, kind, enabled, config } = spec;
        Ok((uid, SyncedChannel { id: id.0, name, kind, enabled, config, created_at, updated_at }))
    };
    rows.into_iter().map(shared).collect()
}

/// Refuses the name of another channel.
async fn refuse_taken(tx: &mut Tx, name: &str, own: Option<ChannelId>) -> Result<(), StoreError> {
    let ids: Vec<(ChannelId,)> = tx.all("SELECT id FROM channels WHERE name = $1", args![name]).await?;
    match ids.iter().any(|(id,)| Some(*id) != own) {
        true => Err(Conflict::ChannelNamed.into()),
        false => Ok(()),
    }
}

/// One channel, locked until the end of the transaction.
async fn load(tx: &mut Tx, key: &HubKey, id: ChannelId) -> Result<AlertChannel, StoreError> {
    let select = sql!("SELECT ", (channel_columns), " FROM channels c WHERE c.id = $1", ["" | " FOR UPDATE"]);
    let row: Option<ChannelRow> = tx.optional(select, args![id]).await?;
    row.ok_or(StoreError::NotFound("channel"))?.into_channel(key)
}
