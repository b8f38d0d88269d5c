//! Writing peers within a transaction.

use easytier_probe::CheckMode;

use super::row::SECRET_PLACE;
use crate::{
    crypto::HubKey,
    db::{Tx, Value, args},
    domain::{Contacts, PeerId, PeerSpec, RegionId, Timestamp, millis},
    error::StoreError,
    store::{regions, rows::without_nul},
};

/// Who added a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Author {
    /// The peer is approved at once.
    Operator,
    /// The peer waits for approval.
    Stranger,
}

/// Inserts a peer, its tags and regions, and its empty state.
pub(in crate::store) async fn insert(
    tx: &mut Tx,
    key: &HubKey,
    spec: &PeerSpec,
    author: Author,
    now: Timestamp,
) -> Result<PeerId, StoreError> {
    let insert = "INSERT INTO peers (name, url, description, network_name, network_secret, handshake_only, timeout_ms, \
                      allow_relay, max_connections, approved, submitted, qq_number, wechat, mail, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15) RETURNING id";
    let mut parameters = columns_of(spec, key);
    parameters.extend(args![author == Author::Operator, author == Author::Stranger]);
    parameters.extend(contacts_of(spec));
    parameters.extend(args![now]);
    let (id,): (PeerId,) = tx.one(insert, parameters).await?;
    insert_labels(tx, id, spec).await?;
    let state = "INSERT INTO peer_states (peer_id, verdict, since, held_sessions, quarter, quarter_checks, \
                     quarter_healthy, evidence) VALUES ($1, 0, $2, 0, 0, 0, 0, '[]')";
    tx.execute(state, args![id, now]).await?;
    Ok(id)
}

/// Replaces the description of a peer.
pub(in crate::store) async fn update(
    tx: &mut Tx,
    key: &HubKey,
    id: PeerId,
    spec: &PeerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = "UPDATE peers SET name = $2, url = $3, description = $4, network_name = $5, network_secret = $6, \
                      handshake_only = $7, timeout_ms = $8, allow_relay = $9, max_connections = $10, qq_number = $11, \
                      wechat = $12, mail = $13, updated_at = $14 WHERE id = $1";
    let mut parameters = args![id];
    parameters.extend(columns_of(spec, key));
    parameters.extend(contacts_of(spec));
    parameters.extend(args![now]);
    tx.execute(update, parameters).await?;
    tx.execute("DELETE FROM peer_tags WHERE peer_id = $1", args![id]).await?;
    tx.execute("DELETE FROM peer_regions WHERE peer_id = $1", args![id]).await?;
    insert_labels(tx, id, spec).await
}

/// The columns from `name` to `max_connections`.
fn columns_of(spec: &PeerSpec, key: &HubKey) -> Vec<Value> {
    args![
        without_nul(&spec.name),
        spec.url.full(),
        without_nul(&spec.description),
        spec.network_name.as_deref().map(without_nul),
        spec.network_secret.as_ref().map(|secret| key.seal(SECRET_PLACE, secret)),
        spec.mode == CheckMode::Handshake,
        spec.timeout.map(millis),
        spec.allow_relay,
        spec.max_connections,
    ]
}

fn contacts_of(spec: &PeerSpec) -> Vec<Value> {
    let Contacts { qq_number, wechat, mail } = &spec.contacts;
    args![qq_number.as_deref().map(without_nul), wechat.as_deref().map(without_nul), mail.as_deref().map(without_nul)]
}

/// Whether a peer other than `except` has this URL and network. Every transaction that writes peers first bumps the config
/// version and so holds its lock: no other transaction adds the same peer in between.
pub(super) async fn is_listed(tx: &mut Tx, spec: &PeerSpec, except: Option<PeerId>) -> Result<bool, StoreError> {
    let select = "SELECT id FROM peers WHERE url = $1 AND coalesce(network_name, '') = $2 AND ($3 IS NULL OR id <> $3)";
    let network = without_nul(spec.network_name.as_deref().unwrap_or_default());
    Ok(tx.optional::<(PeerId,)>(select, args![spec.url.full(), network, except]).await?.is_some())
}

async fn insert_labels(tx: &mut Tx, id: PeerId, spec: &PeerSpec) -> Result<(), StoreError> {
    for tag in &spec.tags {
        tx.execute("INSERT INTO peer_tags (peer_id, tag) VALUES ($1, $2)", args![id, tag.as_str()]).await?;
    }
    for region in &spec.regions {
        let region: RegionId = regions::ensure(tx, region).await?;
        tx.execute("INSERT INTO peer_regions (peer_id, region_id) VALUES ($1, $2)", args![id, region]).await?;
    }
    Ok(())
}

/// Deletes a peer; returns whether it existed. Its history is left to the sweep.
pub(super) async fn delete(tx: &mut Tx, id: PeerId, now: Timestamp) -> Result<bool, StoreError> {
    // The state first: this waits for a transaction that applies results of the peer, and keeps the order of locks.
    tx.execute("DELETE FROM peer_states WHERE peer_id = $1", args![id]).await?;
    if tx.execute("DELETE FROM peers WHERE id = $1", args![id]).await? == 0 {
        return Ok(false);
    }
    let latest = "DELETE FROM latest WHERE peer_id = $1 AND probe_id IN (SELECT id FROM probes)";
    tx.execute(latest, args![id]).await?;
    let leases = "DELETE FROM leases WHERE peer_id = $1 AND region_id IN (SELECT id FROM regions)";
    tx.execute(leases, args![id]).await?;
    tx.execute("INSERT INTO deleted_peers (peer_id, deleted_at) VALUES ($1, $2)", args![id, now]).await?;
    Ok(true)
}
