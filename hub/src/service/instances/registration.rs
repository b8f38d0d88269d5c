//! How an instance registers.

use data_encoding::BASE64;
use easytier_uptime_store::{
    RoleConflict,
    domain::{ClusterId, Member, Role, Timestamp},
    seal_for,
};
use url::Url;

use super::{Instances, MAX_TEXT, SyncRefusal};
use crate::{
    instance::{
        position,
        wire::{Register, Registered},
    },
    server_id::ServerId,
};

/// The most capabilities of an instance.
const MAX_CAPABILITIES: usize = 64;
/// The longest facts about a machine, in bytes of JSON.
const MAX_SYSTEM_INFO: usize = 16 << 10;
/// The greatest place in the order of failover.
pub(super) const MAX_ORDER: i64 = 1_000_000;

impl Instances {
    /// Registers another instance, for the first time or again.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the instance belongs to another cluster, or this one is no primary.
    pub async fn register(&self, register: &Register) -> Result<Registered, SyncRefusal> {
        let (instance, cluster) = self.primary().await?;
        let id = register.instance_id;
        if id == instance.id {
            return Err(SyncRefusal::conflict(
                "same_instance",
                "this is the database of the primary itself, or a copy of it",
            ));
        }
        if register.cluster_id.is_some_and(|theirs| theirs != cluster) {
            return Err(RoleConflict::OtherCluster.into());
        }
        let member = member_of(register, cluster, self.store.member(id).await?)?;
        self.store.put_member(&member).await?;
        self.store.note_named_order(id, register.failover_order).await?;
        let token = self.store.issue_instance_token(id, Timestamp::now()).await?;
        let mirrored = self.store.mirror_position().await?;
        Ok(Registered {
            instance_id: id,
            token: token.expose().to_owned(),
            expires_at: None,
            role: Role::Dependent,
            cluster_id: cluster,
            epoch: instance.epoch,
            heartbeat_interval: millis(self.own.options.heartbeat_interval),
            sync_interval: millis(self.own.options.sync_interval),
            primary_id: Some(instance.id),
            primary_name: Some(self.own.options.name.clone()),
            public_key: Some(BASE64.encode(&self.store.sealing_key().await?.public)),
            mirrored: mirrored.filter(|position| position::row_of(Some(position), id).is_some()),
        })
    }
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// The instance that registers, with what was known about it.
fn member_of(register: &Register, cluster: ClusterId, known: Option<Member>) -> Result<Member, SyncRefusal> {
    let invalid = |field: &str, what: &str| SyncRefusal::bad_request(format!("{field}: {what}"));
    let check = |field: &str, is_valid: bool, what: &str| if is_valid { Ok(()) } else { Err(invalid(field, what)) };

    // Results that name no probe are those of a probe with the name of the instance.
    ServerId::try_from(register.instance_name.clone()).map_err(|_| {
        invalid("instanceName", "write 1 to 255 characters, without slashes, backslashes and control characters")
    })?;
    let line = "write 1 to 255 characters in one line";
    check("location", register.location.as_deref().is_none_or(is_text), line)?;
    check("version", is_text(&register.version), line)?;
    let capabilities = &register.capabilities;
    let are_short = capabilities.len() <= MAX_CAPABILITIES && capabilities.iter().all(|one| is_text(one));
    check("capabilities", are_short, "write at most 64 short texts")?;
    check("failoverOrder", (0..=MAX_ORDER).contains(&register.failover_order), "write a number from 0 to 1000000")?;
    let is_url = register.public_endpoint.as_deref().is_none_or(is_web_address);
    check("publicEndpoint", is_url, "write an http or https URL")?;
    let facts = register.system_info.to_string();
    check("systemInfo", facts.len() <= MAX_SYSTEM_INFO, "write at most 16 KiB")?;
    let in_range = |degrees: Option<f64>, most: f64| degrees.is_none_or(|degrees| degrees.abs() <= most);
    check("latitude", in_range(register.latitude, 90.0), "write degrees from -90 to 90")?;
    check("longitude", in_range(register.longitude, 180.0), "write degrees from -180 to 180")?;

    let key = BASE64.decode(register.public_key.as_bytes()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    // Some keys of the right length cannot be sealed for.
    let key = key.filter(|key| seal_for(key, cluster, "", &"".into()).is_ok());
    let key = key.ok_or_else(|| invalid("publicKey", "write an X25519 key, 32 bytes in base64"))?;

    let now = Timestamp::now();
    // A place that it was given stays.
    let failover_order = known.as_ref().map_or(register.failover_order, |known| known.failover_order);
    let known = known.unwrap_or_else(|| Member::registering(register.instance_id, now));
    Ok(Member {
        name: register.instance_name.clone(),
        location: register.location.clone(),
        coordinates: register.latitude.zip(register.longitude),
        version: register.version.clone(),
        capabilities: register.capabilities.clone(),
        failover_order,
        // Another address has to be called back anew.
        called_back_at: known.called_back_at.filter(|_| known.public_endpoint == register.public_endpoint),
        public_endpoint: register.public_endpoint.clone(),
        public_key: Some(key),
        system_info: Some(register.system_info.clone()),
        registered_at: now,
        last_heartbeat: Some(now),
        ..known
    })
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.contains(char::is_control)
}

fn is_web_address(text: &str) -> bool {
    let is_web =
        |url: Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    text.chars().count() <= MAX_TEXT && text.parse().is_ok_and(is_web)
}
