//! Writing to the rows what another instance changed.

use std::collections::{BTreeMap, HashMap};

use data_encoding::HEXLOWER;

use super::capture::Held;
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{
        Content, LiveSetting, MergePartner, ObjectKind, ObjectState, PeerId, PeerSpec, ProbeId, Region, RegionId,
        SyncedChannel, SyncedCredential, SyncedMaintenance, SyncedObject, SyncedPeer, SyncedProbe, Timestamp,
    },
    error::{Conflict, StoreError},
    store::{alerts, exchange, live_settings, maintenance, peers, probes, regions, rows::without_nul, shared::Shared},
};

/// The columns from `name` to `mail` are those of [`peers::columns_of`].
static PEERS: Bulk = Bulk::new(
    "peers",
    &[
        ("id", Column::Int),
        ("name", Column::Text),
        ("url", Column::Text),
        ("description", Column::Text),
        ("network_name", Column::Text),
        ("network_secret", Column::Bytes),
        ("handshake_only", Column::Bool),
        ("timeout_ms", Column::Int),
        ("allow_relay", Column::Bool),
        ("max_connections", Column::Int),
        ("qq_number", Column::Text),
        ("wechat", Column::Text),
        ("mail", Column::Text),
        ("approved", Column::Bool),
        ("submitted", Column::Bool),
        ("created_at", Column::Int),
        ("updated_at", Column::Int),
        ("target_since", Column::Int),
        ("target_version", Column::Int),
        ("from_primary", Column::Bool),
    ],
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url, description = excluded.description, \
     network_name = excluded.network_name, network_secret = excluded.network_secret, \
     handshake_only = excluded.handshake_only, timeout_ms = excluded.timeout_ms, allow_relay = excluded.allow_relay, \
     max_connections = excluded.max_connections, qq_number = excluded.qq_number, wechat = excluded.wechat, \
     mail = excluded.mail, approved = excluded.approved, submitted = excluded.submitted, \
     created_at = excluded.created_at, updated_at = excluded.updated_at, target_since = excluded.target_since, \
     target_version = excluded.target_version, from_primary = peers.from_primary OR excluded.from_primary",
);

static PROBES: Bulk = Bulk::new(
    "probes",
    &[
        ("server_id", Column::Text),
        ("named", Column::Bool),
        ("region_id", Column::Int),
        ("created_at", Column::Int),
        ("holds_sessions", Column::Bool),
        ("sends_heartbeats", Column::Bool),
        ("live", Column::Bool),
    ],
    "ON CONFLICT (server_id) DO UPDATE SET named = excluded.named, region_id = excluded.region_id, \
     created_at = excluded.created_at",
);

static CREDENTIALS: Bulk = Bulk::new(
    "credentials",
    &[
        ("kind", Column::Text),
        ("name", Column::Text),
        ("lookup", Column::Text),
        ("hash", Column::Bytes),
        ("probe_id", Column::Int),
        ("region_id", Column::Int),
        ("created_at", Column::Int),
        ("revoked_at", Column::Int),
        ("expires_at", Column::Int),
        ("max_uses", Column::Int),
        ("uses", Column::Int),
        ("scopes", Column::Text),
    ],
    "ON CONFLICT (lookup) DO UPDATE SET kind = excluded.kind, name = excluded.name, hash = excluded.hash, \
     probe_id = excluded.probe_id, region_id = excluded.region_id, created_at = excluded.created_at, \
     revoked_at = excluded.revoked_at, expires_at = excluded.expires_at, max_uses = excluded.max_uses, \
     uses = excluded.uses, scopes = excluded.scopes",
);

static CHANNELS: Bulk = Bulk::new(
    "channels",
    &[
        ("uid", Column::Text),
        ("name", Column::Text),
        ("kind", Column::Text),
        ("enabled", Column::Bool),
        ("config", Column::Bytes),
        ("created_at", Column::Int),
        ("updated_at", Column::Int),
    ],
    "ON CONFLICT (uid) DO UPDATE SET name = excluded.name, kind = excluded.kind, enabled = excluded.enabled, \
     config = excluded.config, created_at = excluded.created_at, updated_at = excluded.updated_at",
);

/// An object that another instance changed, and what it was here.
pub(super) struct Change<'a> {
    pub object: &'a SyncedObject,
    pub was: Option<&'a Held>,
}

/// What applies to all changes of one adoption.
pub(super) struct Adoption {
    pub from: MergePartner,
    /// The version of the list of peers after it.
    pub version: i64,
    pub now: Timestamp,
}

/// Writes changes to the rows. Every peer that exists has its id already.
pub(super) async fn apply(
    tx: &mut Tx,
    shared: &Shared,
    changes: &[Change<'_>],
    adoption: &Adoption,
) -> Result<(), StoreError> {
    let windows: Vec<_> = changes.iter().filter_map(|change| present_window(change.object)).collect();
    maintenance::adopt(tx, &windows, deleted(changes, ObjectKind::Maintenance)).await?;
    delete_registered(tx, changes).await?;
    let (mut of_probes, mut of_peers, mut of_credentials) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_channels = Vec::new();
    for Change { object, was } in changes {
        let ObjectState::Present(content) = &object.state else { continue };
        match content {
            Content::Region => drop(regions::ensure_present(tx, &region(&object.key.uid)?).await?),
            Content::Setting(value) => put_setting(tx, &object.key.uid, *value, adoption.now).await?,
            Content::Probe(probe) => of_probes.push((object.key.uid.as_str(), probe)),
            Content::Peer(peer) => of_peers.push((&**peer, was.and_then(|was| present_peer(&was.object)))),
            Content::Credential(credential) => of_credentials.push((object.key.uid.as_str(), &**credential)),
            Content::Channel(channel) => of_channels.push((object.key.uid.as_str(), &**channel)),
            Content::Maintenance(_) => {}
        }
    }
    put_probes(tx, &of_probes).await?;
    let gone = changes.iter().filter(|change| matches!(change.object.state, ObjectState::Deleted(_)));
    let gone = gone.filter_map(|change| change.was.and_then(|was| present_peer(&was.object))).map(|peer| peer.id);
    peers::delete(tx, gone.collect(), adoption.now).await?;
    put_peers(tx, shared, &of_peers, adoption).await?;
    put_credentials(tx, &of_credentials).await?;
    put_channels(tx, shared, &of_channels).await
}

/// The peer of an object, if it exists.
pub(super) fn present_peer(object: &SyncedObject) -> Option<&SyncedPeer> {
    match &object.state {
        ObjectState::Present(Content::Peer(peer)) => Some(peer),
        _ => None,
    }
}

/// The uid and the window of an object, if it is one that exists.
fn present_window(object: &SyncedObject) -> Option<(&str, &SyncedMaintenance)> {
    match &object.state {
        ObjectState::Present(Content::Maintenance(window)) => Some((&object.key.uid, window)),
        _ => None,
    }
}

/// The uids of the deleted objects of a kind.
fn deleted(changes: &[Change<'_>], kind: ObjectKind) -> Vec<String> {
    let of_kind = changes.iter().map(|change| change.object).filter(|object| object.key.kind == kind);
    let gone = of_kind.filter(|object| matches!(object.state, ObjectState::Deleted(_)));
    gone.map(|object| object.key.uid.clone()).collect()
}

fn region(name: &str) -> Result<Region, StoreError> {
    name.parse().map_err(|_| Conflict::ImpossibleConfiguration.into())
}

/// Deletes credentials, channels, probes and settings.
async fn delete_registered(tx: &mut Tx, changes: &[Change<'_>]) -> Result<(), StoreError> {
    let deleted = |kind| deleted(changes, kind);
    let credentials = sql!("DELETE FROM credentials WHERE lookup ", (in 1));
    tx.execute(credentials, args![deleted(ObjectKind::Credential)]).await?;
    let channels = deleted(ObjectKind::Channel);
    if !channels.is_empty() {
        tx.execute(sql!("DELETE FROM channels WHERE uid ", (in 1)), args![channels]).await?;
        tx.execute(DROP_MESSAGES, vec![]).await?;
    }
    for server_id in deleted(ObjectKind::Probe) {
        if probes::find(tx, &server_id).await?.is_some() {
            let probe = probes::lock(tx, &server_id).await?;
            probes::remove(tx, probe).await?;
        }
    }
    tx.execute(sql!("DELETE FROM tuning WHERE name ", (in 1)), args![deleted(ObjectKind::Setting)]).await.map(drop)
}

/// Messages to channels that are gone.
const DROP_MESSAGES: &str = "UPDATE alert_deliveries SET state = 'dropped', done_at = created_at, leased_by = NULL \
                             WHERE state = 'waiting' AND channel_id NOT IN (SELECT id FROM channels)";

async fn put_channels(tx: &mut Tx, shared: &Shared, channels: &[(&str, &SyncedChannel)]) -> Result<(), StoreError> {
    let mut values = Vec::new();
    for (uid, channel) in channels {
        let config = shared.key.seal(alerts::CONFIG_PLACE, &channel.config);
        values.extend(args![*uid, without_nul(&channel.name), without_nul(&channel.kind), channel.enabled, config]);
        values.extend(args![channel.created_at, channel.updated_at]);
    }
    CHANNELS.execute(tx, values).await.map(drop)
}

async fn put_setting(tx: &mut Tx, name: &str, value: i64, now: Timestamp) -> Result<(), StoreError> {
    let text = LiveSetting::from_name(name).and_then(|setting| live_settings::text_of_shared(setting, value));
    let Some(text) = text else { return Ok(()) };
    tracing::info!(name, value = text, "another instance changed a setting");
    tx.execute(live_settings::UPSERT, args![name, text, now]).await.map(drop)
}

async fn put_probes(tx: &mut Tx, probes: &[(&str, &SyncedProbe)]) -> Result<(), StoreError> {
    let mut values = Vec::new();
    for (server_id, probe) in probes {
        let region = regions::ensure_present(tx, &region(&probe.region)?).await?;
        values.extend(args![*server_id, probe.named, region, probe.created_at, false, false, false]);
    }
    PROBES.execute(tx, values).await.map(drop)
}

/// Writes peers, each with what it was here, if it was.
async fn put_peers(
    tx: &mut Tx,
    shared: &Shared,
    peers: &[(&SyncedPeer, Option<&SyncedPeer>)],
    adoption: &Adoption,
) -> Result<(), StoreError> {
    if peers.is_empty() {
        return Ok(());
    }
    let from_primary = adoption.from == MergePartner::Primary;
    // Another instance counts its versions for itself.
    let target_version = |peer: &SyncedPeer| if from_primary { peer.target_version } else { adoption.version };
    let mut values = Vec::new();
    for (peer, _) in peers {
        values.extend(args![PeerId(peer.id)]);
        values.extend(peers::columns_of(&peer.spec, &shared.key));
        values.extend(args![peer.approved, peer.submitted, peer.created_at, peer.updated_at]);
        values.extend(args![peer.target_since, target_version(peer), from_primary]);
    }
    PEERS.execute(tx, values).await?;
    let labelled: Vec<(PeerId, &PeerSpec)> = peers.iter().map(|(peer, _)| (PeerId(peer.id), &peer.spec)).collect();
    peers::replace_labels(tx, &labelled).await?;

    let new: Vec<&SyncedPeer> = peers.iter().filter(|(_, was)| was.is_none()).map(|(peer, _)| *peer).collect();
    let ids: Vec<i64> = new.iter().map(|peer| peer.id).collect();
    peers::insert_states(tx, ids.clone()).await?;
    let back: Vec<(i64,)> =
        tx.all(sql!("DELETE FROM deleted_peers WHERE peer_id ", (in 1), " RETURNING peer_id"), args![ids]).await?;
    pass_on_results(tx, back.into_iter().map(|(id,)| id).collect()).await?;
    peers::settle(tx, &new.iter().map(|peer| &peer.spec).collect::<Vec<_>>()).await?;

    let changes: Vec<peers::Change<'_>> = peers
        .iter()
        .filter_map(|(peer, was)| {
            Some(peers::Change { id: PeerId(peer.id), known: &was.as_ref()?.spec, changed: &peer.spec })
        })
        .collect();
    peers::apply_to_states(tx, &changes, &shared.policy(), adoption.now).await
}

/// Has the results of peers passed on again that were deleted here, and come back: while they were deleted, their results were nobody's.
/// Two sides of a split disagreed about them, so that this is rare, and may read much.
async fn pass_on_results(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    if peers.is_empty() {
        return Ok(());
    }
    let first = sql!("SELECT min(id) FROM results WHERE peer_id ", (in 1));
    let (first,): (Option<i64>,) = tx.one(first, args![peers]).await?;
    let Some(first) = first else { return Ok(()) };
    exchange::pass_on_again(tx, first - 1).await
}

async fn put_credentials(tx: &mut Tx, credentials: &[(&str, &SyncedCredential)]) -> Result<(), StoreError> {
    if credentials.is_empty() {
        return Ok(());
    }
    let probes: Vec<(String, ProbeId)> = tx.all("SELECT server_id, id FROM probes", vec![]).await?;
    let probes: HashMap<String, ProbeId> = probes.into_iter().collect();
    let mut values = Vec::new();
    for (lookup, credential) in credentials {
        let probe = credential.server_id.as_ref().map(|server_id| probes.get(server_id).copied());
        // Its probe was deleted: then it is deleted too.
        let Some(probe) = probe.map_or(Some(None), |probe| probe.map(Some)) else { continue };
        let region: Option<RegionId> = match &credential.region {
            Some(name) => Some(regions::ensure_present(tx, &region(name)?).await?),
            None => None,
        };
        let hash = HEXLOWER.decode(credential.hash.expose().as_bytes());
        let hash = hash.map_err(|_| Conflict::ImpossibleConfiguration)?;
        values.extend(args![credential.kind.as_str(), credential.name.as_str(), *lookup, hash, probe, region]);
        values.extend(args![credential.created_at, credential.revoked_at, credential.expires_at]);
        values.extend(args![credential.max_uses, credential.uses, credential.scopes.as_str()]);
    }
    CREDENTIALS.execute(tx, values).await?;
    put_enrolled(tx, credentials).await
}

/// Writes with which key the probes of node tokens enrolled, when all keys are there.
async fn put_enrolled(tx: &mut Tx, credentials: &[(&str, &SyncedCredential)]) -> Result<(), StoreError> {
    let mut by_key: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (lookup, credential) in credentials {
        if let Some(key) = &credential.enrolled_by {
            by_key.entry(key).or_default().push((*lookup).to_owned());
        }
    }
    let update = sql!("UPDATE credentials SET enrolled_by = (SELECT k.id FROM credentials k WHERE k.lookup = $1) WHERE lookup ", (in 2));
    for (key, lookups) in by_key {
        tx.execute(update, args![key, lookups]).await?;
    }
    Ok(())
}
