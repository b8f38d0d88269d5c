//! The other instances of the cluster: the table `instances`.

use serde_json::Value as Json;

use super::{
    Store,
    audit::{self, Change},
    rows::without_nul,
};
use crate::{
    db::{Tx, Value, args, sql, work},
    domain::{AuditObject, AuditVerb, ConfigVersion, InstanceHealth, InstanceId, Member, MemberBeat, Role, Timestamp},
    error::StoreError,
};

const NOT_FOUND: StoreError = StoreError::NotFound("instance");

#[derive(sqlx::FromRow)]
struct MemberRow {
    instance_id: String,
    name: String,
    location: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    version: String,
    capabilities: String,
    failover_order: i64,
    public_endpoint: Option<String>,
    called_back_at: Option<Timestamp>,
    public_key: Option<String>,
    system_info: Option<String>,
    system_metrics: Option<String>,
    connection: Option<String>,
    health: Option<String>,
    role: String,
    epoch: i64,
    registered_at: Timestamp,
    last_heartbeat: Option<Timestamp>,
    synced_epoch: i64,
    synced_version: i64,
    synced_at: Option<Timestamp>,
    sync_error: Option<String>,
    config_hash: Option<String>,
}

/// The columns of a [`MemberRow`], in the order of [`columns_of`].
macro_rules! member_columns {
    ($engine:ident) => {
        "instance_id, name, location, latitude, longitude, version, capabilities, failover_order, public_endpoint, \
         called_back_at, public_key, system_info, system_metrics, connection, health, role, epoch, registered_at, \
         last_heartbeat, synced_epoch, synced_version, synced_at, sync_error, config_hash"
    };
}

impl MemberRow {
    fn into_member(self) -> Result<Member, StoreError> {
        let corrupt = |column: &str| StoreError::Corrupt(format!("instances.{column} of {}", self.instance_id));
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let public_key = self.public_key.as_ref().map(|key| {
            let bytes = data_encoding::HEXLOWER.decode(key.as_bytes()).ok();
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| corrupt("public_key"))
        });
        Ok(Member {
            id: self.instance_id.parse().map_err(|_| corrupt("instance_id"))?,
            role: Role::from_name(&self.role).ok_or_else(|| corrupt("role"))?,
            capabilities: serde_json::from_str(&self.capabilities).map_err(|_| corrupt("capabilities"))?,
            public_key: public_key.transpose()?,
            name: self.name,
            location: self.location,
            coordinates: self.latitude.zip(self.longitude),
            version: self.version,
            failover_order: self.failover_order,
            public_endpoint: self.public_endpoint,
            called_back_at: self.called_back_at,
            system_info: json(self.system_info),
            system_metrics: json(self.system_metrics),
            connection: json(self.connection),
            health: self.health.as_deref().and_then(InstanceHealth::from_name),
            epoch: self.epoch,
            registered_at: self.registered_at,
            last_heartbeat: self.last_heartbeat,
            config: ConfigVersion { epoch: self.synced_epoch, version: self.synced_version },
            synced_at: self.synced_at,
            sync_error: self.sync_error,
            config_hash: self.config_hash,
        })
    }
}

impl Store {
    /// The other instances of the cluster, in the order of failover, and then of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn members(&self) -> Result<Vec<Member>, StoreError> {
        let select = sql!("SELECT ", (member_columns), " FROM instances ORDER BY failover_order, instance_id");
        let rows: Vec<MemberRow> = self.db().all(select, vec![]).await?;
        rows.into_iter().map(MemberRow::into_member).collect()
    }

    /// Another instance of the cluster; `None` when it is unknown.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn member(&self, id: InstanceId) -> Result<Option<Member>, StoreError> {
        let select = sql!("SELECT ", (member_columns), " FROM instances WHERE instance_id = $1");
        let row: Option<MemberRow> = self.db().optional(select, args![id.to_string()]).await?;
        row.map(MemberRow::into_member).transpose()
    }

    /// Stores another instance, or everything about one that is known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_member(&self, member: &Member) -> Result<(), StoreError> {
        let upsert = sql!(
            "INSERT INTO instances (",
            (member_columns),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
             $22, $23, $24) ON CONFLICT (instance_id) DO UPDATE SET name = excluded.name, \
             location = excluded.location, latitude = excluded.latitude, longitude = excluded.longitude, \
             version = excluded.version, capabilities = excluded.capabilities, \
             failover_order = excluded.failover_order, public_endpoint = excluded.public_endpoint, \
             called_back_at = excluded.called_back_at, public_key = excluded.public_key, \
             system_info = excluded.system_info, system_metrics = excluded.system_metrics, \
             connection = excluded.connection, health = excluded.health, role = excluded.role, \
             epoch = excluded.epoch, registered_at = excluded.registered_at, \
             last_heartbeat = excluded.last_heartbeat, synced_epoch = excluded.synced_epoch, \
             synced_version = excluded.synced_version, synced_at = excluded.synced_at, \
             sync_error = excluded.sync_error, config_hash = excluded.config_hash"
        );
        self.db().execute(upsert, columns_of(member)).await.map(drop)
    }

    /// Stores what the heartbeat of another instance says.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is unknown: it has to register; otherwise when the database fails.
    pub async fn note_member_beat(&self, id: InstanceId, beat: &MemberBeat) -> Result<(), StoreError> {
        let update = "UPDATE instances SET last_heartbeat = $2, health = $3, role = $4, epoch = $5, synced_epoch = $6, \
                      synced_version = $7, config_hash = coalesce($8, config_hash), synced_at = $9, sync_error = $10, \
                      system_metrics = coalesce($11, system_metrics), connection = coalesce($12, connection) \
                      WHERE instance_id = $1";
        let MemberBeat { at, health, role, epoch, config, config_hash, synced_at, sync_error, .. } = beat;
        let parameters = args![
            id.to_string(),
            *at,
            health.as_str(),
            role.as_str(),
            *epoch,
            config.epoch,
            config.version,
            text(config_hash),
            *synced_at,
            text(sync_error),
            json_text(&beat.system_metrics),
            json_text(&beat.connection),
        ];
        self.change_member(update, parameters).await
    }

    /// Gives another instance its place in the order of failover; the lowest comes first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is unknown; otherwise when the database fails.
    pub async fn set_failover_order(&self, id: InstanceId, order: i64) -> Result<(), StoreError> {
        let update = "UPDATE instances SET failover_order = $2 WHERE instance_id = $1";
        let change = Change::of(AuditObject::Instance, AuditVerb::Change).id(id).detail(format!("order {order}"));
        audit::change_one(self.db(), update, args![id.to_string(), order], "instance", change).await
    }

    /// Notes the place in the order of failover that another instance names itself. It counts when the instance names another one
    /// than before; otherwise the place that it was given stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is unknown; otherwise when the database fails.
    pub async fn note_named_order(&self, id: InstanceId, named: i64) -> Result<(), StoreError> {
        let update = "UPDATE instances SET named_order = $2, failover_order = CASE WHEN coalesce(named_order, $2) = $2 \
                      THEN failover_order ELSE $2 END WHERE instance_id = $1";
        self.change_member(update, args![id.to_string(), named]).await
    }

    /// Notes when the endpoint of another instance last answered a call; `None` when it does not.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is unknown; otherwise when the database fails.
    pub async fn note_called_back(&self, id: InstanceId, at: Option<Timestamp>) -> Result<(), StoreError> {
        let update = "UPDATE instances SET called_back_at = $2 WHERE instance_id = $1";
        self.change_member(update, args![id.to_string(), at]).await
    }

    /// Removes another instance and its tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is unknown; otherwise when the database fails.
    pub async fn remove_member(&self, id: InstanceId) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    lock(tx, id).await?;
                    let id = id.to_string();
                    tx.execute("DELETE FROM instance_tokens WHERE instance_id = $1", args![id.as_str()]).await?;
                    let delete = "DELETE FROM instances WHERE instance_id = $1 RETURNING name";
                    let (name,): (String,) = tx.one(delete, args![id.as_str()]).await?;
                    audit::note(tx, Change::of(AuditObject::Instance, AuditVerb::Remove).id(id).named(name)).await
                })
            })
            .await
    }

    async fn change_member(&self, update: &'static str, parameters: Vec<Value>) -> Result<(), StoreError> {
        match self.db().execute(update, parameters).await? {
            0 => Err(NOT_FOUND),
            _ => Ok(()),
        }
    }
}

/// Keeps another instance as it is until the end of the transaction.
pub(super) async fn lock(tx: &mut Tx, id: InstanceId) -> Result<(), StoreError> {
    let lock = sql!("SELECT instance_id FROM instances WHERE instance_id = $1", ["" | " FOR UPDATE"]);
    tx.optional::<(String,)>(lock, args![id.to_string()]).await?.map(drop).ok_or(NOT_FOUND)
}

fn columns_of(member: &Member) -> Vec<Value> {
    let (latitude, longitude) = member.coordinates.unzip();
    args![
        member.id.to_string(),
        without_nul(&member.name),
        text(&member.location),
        latitude,
        longitude,
        without_nul(&member.version),
        Json::from(member.capabilities.clone()).to_string(),
        member.failover_order,
        text(&member.public_endpoint),
        member.called_back_at,
        member.public_key.map(|key| data_encoding::HEXLOWER.encode(&key)),
        json_text(&member.system_info),
        json_text(&member.system_metrics),
        json_text(&member.connection),
        member.health.map(InstanceHealth::as_str),
        member.role.as_str(),
        member.epoch,
        member.registered_at,
        member.last_heartbeat,
        member.config.epoch,
        member.config.version,
        member.synced_at,
        text(&member.sync_error),
        text(&member.config_hash),
    ]
}

fn text(text: &Option<String>) -> Option<String> {
    text.as_deref().map(without_nul)
}

/// JSON escapes NUL characters, so PostgreSQL can store its text.
fn json_text(json: &Option<Json>) -> Option<String> {
    json.as_ref().map(ToString::to_string)
}
