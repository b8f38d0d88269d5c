//! Between what instances say to each other and what the store keeps: the configuration. Secrets, contacts and hashes of tokens
//! are sealed for the instance that asked.

mod window;

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use easytier_probe::{CheckMode, PeerUrl, Secret};
use easytier_uptime_store::{
    SealError,
    domain::{
        ClusterId, ConfigVersion, Contacts, Content, ObjectKey, ObjectKind, ObjectState, ObjectVersion, PeerSpec,
        SealingKey, SharedConfig, SyncedChannel, SyncedCredential, SyncedObject, SyncedPeer, SyncedProbe, Timestamp,
    },
    open_sealed, seal_for,
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::wire::{
    Configuration, DeletedObject, Endpoint, NotificationService, ObjectName, SharedCredential, SharedProbe,
    SharedRegion, Version,
};

/// What `check` says of a peer that is checked to the handshake only.
const HANDSHAKE: &str = "handshake";

/// What another instance sent cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A field is not valid.
    #[error("the {kind} '{uid}' has no valid {field}")]
    Invalid {
        /// The kind of object.
        kind: &'static str,
        /// Its uid.
        uid: String,
        /// The field.
        field: &'static str,
    },
    /// A secret cannot be sealed or opened.
    #[error("a secret of '{uid}' cannot be opened: {source}")]
    Sealed {
        /// The uid of its object.
        uid: String,
        /// Why.
        source: SealError,
    },
}

/// The contacts of a peer, as they are sealed.
#[derive(Serialize, Deserialize)]
struct SealedContacts {
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
}

/// Seals for one instance.
struct Sealer<'a> {
    cluster: ClusterId,
    recipient: &'a [u8; 32],
}

impl Sealer<'_> {
    fn seal(&self, uid: &str, secret: &Secret) -> Result<String, ConvertError> {
        let sealed = seal_for(self.recipient, self.cluster, uid, secret);
        sealed
            .map(|sealed| BASE64.encode(&sealed))
            .map_err(|source| ConvertError::Sealed { uid: uid.to_owned(), source })
    }
}

/// Opens what was sealed for this instance.
struct Opener<'a> {
    cluster: ClusterId,
    key: &'a SealingKey,
}

impl Opener<'_> {
    fn open(&self, uid: &str, sealed: &str) -> Result<Secret, ConvertError> {
        let opened = BASE64.decode(sealed.as_bytes()).map_err(|_| SealError);
        let opened = opened.and_then(|sealed| open_sealed(self.key, self.cluster, uid, &sealed));
        opened.map_err(|source| ConvertError::Sealed { uid: uid.to_owned(), source })
    }
}

/// The configuration as it is sent to the instance with the key `recipient`.
///
/// # Errors
///
/// When `recipient` is no X25519 key.
pub fn configuration(
    config: &SharedConfig,
    cluster: ClusterId,
    recipient: &[u8; 32],
) -> Result<Configuration, ConvertError> {
    let sealer = Sealer { cluster, recipient };
    let mut sent = Configuration {
        endpoints: Vec::new(),
        notification_services: Vec::new(),
        global_settings: Map::new(),
        deleted: Vec::new(),
        last_modified: config.last_modified.map(Into::into),
        config_version: config.version.version,
        epoch: config.version.epoch,
        cluster_id: cluster,
        instance_id: config.instance,
        own: config
            .own
            .iter()
            .map(|key| ObjectName { kind: key.kind.as_str().to_owned(), uid: key.uid.clone() })
            .collect(),
        seen: config.seen.clone(),
        more: config.more,
        highest_peer_id: config.highest_peer_id,
        setting_versions: BTreeMap::new(),
        regions: Vec::new(),
        probes: Vec::new(),
        credentials: Vec::new(),
        maintenance_windows: Vec::new(),
    };
    for SyncedObject { key: ObjectKey { kind, uid }, version, state } in &config.objects {
        let version = Version::from(*version);
        match state {
            ObjectState::Deleted(at) => sent.deleted.push(DeletedObject {
                kind: kind.as_str().to_owned(),
                uid: uid.clone(),
                deleted_at: (*at).into(),
                version,
            }),
            ObjectState::Present(Content::Peer(peer)) => sent.endpoints.push(endpoint(&sealer, uid, peer, version)?),
            ObjectState::Present(Content::Region) => sent.regions.push(SharedRegion { name: uid.clone(), version }),
            ObjectState::Present(Content::Setting(value)) => {
                sent.global_settings.insert(uid.clone(), (*value).into());
                sent.setting_versions.insert(uid.clone(), version);
            }
            ObjectState::Present(Content::Probe(probe)) => sent.probes.push(SharedProbe {
                server_id: uid.clone(),
                region: probe.region.clone(),
                named: probe.named,
                created_at: probe.created_at.into(),
                version,
            }),
            ObjectState::Present(Content::Credential(credential)) => {
                sent.credentials.push(shared_credential(&sealer, uid, credential, version)?);
            }
            ObjectState::Present(Content::Channel(channel)) => {
                let service = notification_service(&sealer, uid, channel, version)?;
                sent.notification_services.extend(serde_json::to_value(service).ok());
            }
            ObjectState::Present(Content::Maintenance(of_uid)) => {
                sent.maintenance_windows.push(window::shared(uid, of_uid, version));
            }
        }
    }
    Ok(sent)
}

/// The peer with this id as it is sent to the instance with the key `recipient`; `None` when there is none.
///
/// # Errors
///
/// When `recipient` is no X25519 key.
pub fn one_endpoint(
    config: &SharedConfig,
    cluster: ClusterId,
    recipient: &[u8; 32],
    id: i64,
) -> Result<Option<Endpoint>, ConvertError> {
    let sealer = Sealer { cluster, recipient };
    let found = config.objects.iter().find_map(|object| match &object.state {
        ObjectState::Present(Content::Peer(peer)) if peer.id == id => Some((object, peer)),
        _ => None,
    });
    found.map(|(object, peer)| endpoint(&sealer, &object.key.uid, peer, object.version.into())).transpose()
}

fn endpoint(sealer: &Sealer<'_>, uid: &str, peer: &SyncedPeer, version: Version) -> Result<Endpoint, ConvertError> {
    let spec = &peer.spec;
    let Contacts { qq_number, wechat, mail } = spec.contacts.clone();
    let contacts = match spec.contacts == Contacts::default() {
        true => None,
        false => serde_json::to_string(&SealedContacts { qq_number, wechat, mail }).ok(),
    };
    let (url, full) = (spec.url.to_string(), spec.url.full());
    let url_sealed = (full != url).then(|| sealer.seal(uid, &full.into())).transpose()?;
    Ok(Endpoint {
        id: peer.id,
        uid: uid.to_owned(),
        name: spec.name.clone(),
        host: spec.url.host_text(),
        port: spec.url.port().unwrap_or_default(),
        protocol: spec.url.protocol().to_owned(),
        url,
        url_sealed,
        description: spec.description.clone(),
        network_name: spec.network_name.clone(),
        network_secret_sealed: spec.network_secret.as_ref().map(|secret| sealer.seal(uid, secret)).transpose()?,
        check: (spec.mode == CheckMode::Handshake).then(|| HANDSHAKE.to_owned()),
        timeout_ms: spec.timeout.map(|timeout| timeout.as_millis() as u64),
        allow_relay: spec.allow_relay,
        max_connections: spec.max_connections,
        tags: spec.tags.iter().map(ToString::to_string).collect(),
        regions: spec.regions.iter().map(ToString::to_string).collect(),
        approved: peer.approved,
        submitted: peer.submitted,
        contacts_sealed: contacts.map(|contacts| sealer.seal(uid, &contacts.into())).transpose()?,
        created_at: Some(peer.created_at.into()),
        updated_at: peer.updated_at.into(),
        target_since: Some(peer.target_since.into()),
        target_version: peer.target_version,
        version,
    })
}

fn shared_credential(
    sealer: &Sealer<'_>,
    uid: &str,
    credential: &SyncedCredential,
    version: Version,
) -> Result<SharedCredential, ConvertError> {
    Ok(SharedCredential {
        uid: uid.to_owned(),
        kind: credential.kind.clone(),
        name: credential.name.clone(),
        hash_sealed: sealer.seal(uid, &credential.hash)?,
        server_id: credential.server_id.clone(),
        region: credential.region.clone(),
        created_at: credential.created_at.into(),
        revoked_at: credential.revoked_at.map(Into::into),
        expires_at: credential.expires_at.map(Into::into),
        max_uses: credential.max_uses,
        uses: credential.uses,
        enrolled_by: credential.enrolled_by.clone(),
        scopes: credential.scopes.split(',').map(str::to_owned).collect(),
        version,
    })
}

fn notification_service(
    sealer: &Sealer<'_>,
    uid: &str,
    channel: &SyncedChannel,
    version: Version,
) -> Result<NotificationService, ConvertError> {
    Ok(NotificationService {
        id: channel.id,
        uid: uid.to_owned(),
        name: channel.name.clone(),
        kind: channel.kind.clone(),
        enabled: channel.enabled,
        config_sealed: sealer.seal(uid, &channel.config)?,
        created_at: channel.created_at.into(),
        updated_at: channel.updated_at.into(),
        version,
    })
}

/// The configuration that another instance sent to the one with this key.
///
/// # Errors
///
/// When a field is not valid, or a secret was sealed for another instance.
pub fn shared_config(sent: &Configuration, key: &SealingKey) -> Result<SharedConfig, ConvertError> {
    let opener = Opener { cluster: sent.cluster_id, key };
    let mut objects = Vec::new();
    let mut add = |kind: ObjectKind, uid: &str, version: Version, state: ObjectState| {
        objects.push(SyncedObject { key: ObjectKey { kind, uid: uid.to_owned() }, version: version.into(), state });
    };
    for deleted in &sent.deleted {
        // A kind of a later version is left to instances that know it.
        let Some(kind) = ObjectKind::from_name(&deleted.kind) else { continue };
        add(kind, &deleted.uid, deleted.version, ObjectState::Deleted(deleted.deleted_at.into()));
    }
    for region in &sent.regions {
        add(ObjectKind::Region, &region.name, region.version, ObjectState::Present(Content::Region));
    }
    for (name, value) in &sent.global_settings {
        // Settings of a later version may be no numbers.
        let Some(value) = value.as_i64() else { continue };
        let version = sent.setting_versions.get(name).copied().unwrap_or(ObjectVersion::default().into());
        add(ObjectKind::Setting, name, version, ObjectState::Present(Content::Setting(value)));
    }
    for peer in &sent.endpoints {
        let content = Content::Peer(Box::new(synced_peer(&opener, peer)?));
        add(ObjectKind::Peer, &peer.uid, peer.version, ObjectState::Present(content));
    }
    for probe in &sent.probes {
        let content =
            SyncedProbe { region: probe.region.clone(), named: probe.named, created_at: probe.created_at.into() };
        add(ObjectKind::Probe, &probe.server_id, probe.version, ObjectState::Present(Content::Probe(content)));
    }
    for credential in &sent.credentials {
        let content = SyncedCredential {
            kind: credential.kind.clone(),
            name: credential.name.clone(),
            hash: opener.open(&credential.uid, &credential.hash_sealed)?,
            server_id: credential.server_id.clone(),
            region: credential.region.clone(),
            created_at: credential.created_at.into(),
            revoked_at: credential.revoked_at.map(Timestamp::from),
            expires_at: credential.expires_at.map(Timestamp::from),
            max_uses: credential.max_uses,
            uses: credential.uses,
            enrolled_by: credential.enrolled_by.clone(),
            scopes: credential.scopes.join(","),
        };
        let state = ObjectState::Present(Content::Credential(Box::new(content)));
        add(ObjectKind::Credential, &credential.uid, credential.version, state);
    }
    for service in &sent.notification_services {
        // Those of another program are no channels of this one.
        let Ok(service) = NotificationService::deserialize(service) else { continue };
        let content = SyncedChannel {
            id: service.id,
            name: service.name,
            kind: service.kind,
            enabled: service.enabled,
            config: opener.open(&service.uid, &service.config_sealed)?,
            created_at: service.created_at.into(),
            updated_at: service.updated_at.into(),
        };
        let state = ObjectState::Present(Content::Channel(Box::new(content)));
        add(ObjectKind::Channel, &service.uid, service.version, state);
    }
    for sent in &sent.maintenance_windows {
        let Some(content) = window::synced(sent)? else { continue };
        let state = ObjectState::Present(Content::Maintenance(Box::new(content)));
        add(ObjectKind::Maintenance, &sent.uid, sent.version, state);
    }
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(SharedConfig {
        version: ConfigVersion { epoch: sent.epoch, version: sent.config_version },
        instance: sent.instance_id,
        own: sent.own.iter().filter_map(own_key).collect(),
        last_modified: sent.last_modified.map(Timestamp::from),
        highest_peer_id: sent.highest_peer_id,
        seen: sent.seen.clone(),
        more: sent.more,
        objects,
    })
}

fn synced_peer(opener: &Opener<'_>, sent: &Endpoint) -> Result<SyncedPeer, ConvertError> {
    let invalid = |field| ConvertError::Invalid { kind: "peer", uid: sent.uid.clone(), field };
    let open = |sealed: &String| opener.open(&sent.uid, sealed);
    let whole = sent.url_sealed.as_ref().map(open).transpose()?;
    let url: PeerUrl = whole.as_ref().map_or(sent.url.as_str(), Secret::expose).parse().map_err(|_| invalid("url"))?;
    let contacts = match sent.contacts_sealed.as_ref().map(open).transpose()? {
        None => Contacts::default(),
        Some(contacts) => {
            let SealedContacts { qq_number, wechat, mail } =
                serde_json::from_str(contacts.expose()).map_err(|_| invalid("contacts"))?;
            Contacts { qq_number, wechat, mail }
        }
    };
    let tags = labels(&sent.tags).ok_or_else(|| invalid("tags"))?;
    let regions = labels(&sent.regions).ok_or_else(|| invalid("regions"))?;
    let updated_at = Timestamp::from(sent.updated_at);
    Ok(SyncedPeer {
        id: sent.id,
        spec: PeerSpec {
            name: sent.name.clone(),
            description: sent.description.clone(),
            network_name: sent.network_name.clone(),
            network_secret: sent.network_secret_sealed.as_ref().map(open).transpose()?,
            mode: match sent.check.as_deref() {
                Some(HANDSHAKE) => CheckMode::Handshake,
                _ => CheckMode::Full,
            },
            timeout: sent.timeout_ms.map(std::time::Duration::from_millis),
            allow_relay: sent.allow_relay,
            max_connections: sent.max_connections,
            tags,
            regions,
            contacts,
            ..PeerSpec::new(url)
        },
        approved: sent.approved,
        submitted: sent.submitted,
        created_at: sent.created_at.map_or(updated_at, Timestamp::from),
        updated_at,
        target_since: sent.target_since.map_or(Timestamp::default(), Timestamp::from),
        target_version: sent.target_version,
    })
}

/// Objects of a kind that only a later version knows are left to instances that know it.
fn own_key(own: &ObjectName) -> Option<ObjectKey> {
    Some(ObjectKey { kind: ObjectKind::from_name(&own.kind)?, uid: own.uid.clone() })
}

/// The labels of these names; `None` when one is not valid.
fn labels<T: std::str::FromStr + Ord>(names: &[String]) -> Option<BTreeSet<T>> {
    names.iter().map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
