//! Writing peers within a transaction.

use std::collections::{BTreeSet, HashMap};

use easytier_probe::CheckMode;

use super::{
    change::{self, Change},
    identity::Identity,
    row::SECRET_PLACE,
    settle::settle,
};
use crate::{
    crypto::HubKey,
    db::{Bulk, Column, Tx, Value, args, sql},
    domain::{Contacts, NewPeer, PeerId, PeerSpec, Region, RegionId, Timestamp, millis},
    error::{Conflict, StoreError},
    store::{certificates, outages, regions, relays, rows::without_nul, shared::Shared, subscriptions, verdict_times},
};

/// The columns from `name` to `max_connections` are those of [`columns_of`], the contacts those of [`contacts_of`].
static PEERS: Bulk = Bulk::new(
    "peers",
    &[
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
    ],
    "RETURNING id, url, coalesce(network_name, '')",
);

static TAGS: Bulk = Bulk::new("peer_tags", &[("peer_id", Column::Int), ("tag", Column::Text)], "");

static REGIONS: Bulk = Bulk::new("peer_regions", &[("peer_id", Column::Int), ("region_id", Column::Int)], "");

/// Inserts a peer as [`insert`] does, unless one is listed with its URL and network.
pub(in crate::store) async fn insert_new(
    tx: &mut Tx,
    key: &HubKey,
    peer: &NewPeer,
    now: Timestamp,
) -> Result<PeerId, StoreError> {
    if is_listed(tx, &peer.spec, None).await? {
        return Err(Conflict::PeerListed.into());
    }
    insert(tx, key, &[peer], now).await?.first().copied().ok_or(StoreError::Overtaken)
}

/// Inserts peers, of which no two have the same URL and network, with their tags, regions and empty states; removes the
/// submissions with their URLs and networks. Returns their ids in the same order.
pub(in crate::store) async fn insert(
    tx: &mut Tx,
    key: &HubKey,
    peers: &[&NewPeer],
    now: Timestamp,
) -> Result<Vec<PeerId>, StoreError> {
    let mut values = Vec::new();
    for peer in peers {
        values.extend(columns_of(&peer.spec, key));
        values.extend(args![peer.approved, peer.submitted, now, now]);
    }
    let inserted: Vec<(PeerId, String, String)> = PEERS.returning(tx, values).await?;
    // Neither engine promises the order of the returned rows.
    let by_identity: HashMap<Identity, PeerId> =
        inserted.into_iter().map(|(id, url, network)| (Identity { url, network }, id)).collect();
    let ids = peers.iter().map(|peer| by_identity.get(&Identity::of(&peer.spec)).copied());
    let ids: Vec<PeerId> = ids.collect::<Option<_>>().ok_or(StoreError::Overtaken)?;
    let labelled: Vec<(PeerId, &PeerSpec)> = ids.iter().copied().zip(peers.iter().map(|peer| &peer.spec)).collect();
    insert_labels(tx, &labelled).await?;
    insert_states(tx, ids.iter().map(|id| id.0).collect()).await?;
    let specs: Vec<&PeerSpec> = peers.iter().map(|peer| &peer.spec).collect();
    settle(tx, &specs).await?;
    Ok(ids)
}

/// Inserts the empty states of new peers.
pub(in crate::store) async fn insert_states(tx: &mut Tx, ids: Vec<i64>) -> Result<(), StoreError> {
    let states = sql!(
        "INSERT INTO peer_states (peer_id, verdict, since, held_sessions, quarter, quarter_checks, quarter_healthy, \
         evidence) SELECT id, 0, created_at, 0, 0, 0, 0, '[]' FROM peers WHERE id ",
        (in 1)
    );
    tx.execute(states, args![ids]).await.map(drop)
}

/// Replaces the description `known` of a peer, and what is known about the peer if it is another one then. The transaction has
/// bumped the config version.
pub(in crate::store) async fn update(
    tx: &mut Tx,
    shared: &Shared,
    id: PeerId,
    known: &PeerSpec,
    spec: &PeerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = "UPDATE peers SET name = $2, url = $3, description = $4, network_name = $5, network_secret = $6, \
                      handshake_only = $7, timeout_ms = $8, allow_relay = $9, max_connections = $10, qq_number = $11, \
                      wechat = $12, mail = $13, updated_at = $14 WHERE id = $1";
    let mut parameters = args![id];
    parameters.extend(columns_of(spec, &shared.key));
    parameters.extend(args![now]);
    tx.execute(update, parameters).await?;
    replace_labels(tx, &[(id, spec)]).await?;
    change::apply(tx, Change { id, known, changed: spec }, &shared.policy(), now).await
}

/// The columns from `name` to `mail`, which peers and submissions have in this order.
pub(in crate::store) fn columns_of(spec: &PeerSpec, key: &HubKey) -> Vec<Value> {
    let Contacts { qq_number, wechat, mail } = &spec.contacts;
    let text = |text: &Option<String>| text.as_deref().map(without_nul);
    args![
        without_nul(&spec.name),
        spec.url.full(),
        without_nul(&spec.description),
        text(&spec.network_name),
        spec.network_secret.as_ref().map(|secret| key.seal(SECRET_PLACE, secret)),
        spec.mode == CheckMode::Handshake,
        spec.timeout.map(millis),
        spec.allow_relay,
        spec.max_connections,
        text(qq_number),
        text(wechat),
        text(mail),
    ]
}

/// Whether a peer other than `except` has this URL and network, and is not set aside. Every transaction that writes peers first bumps the config
/// version and so holds its lock: no other transaction adds the same peer in between.
pub(in crate::store) async fn is_listed(
    tx: &mut Tx,
    spec: &PeerSpec,
    except: Option<PeerId>,
) -> Result<bool, StoreError> {
    let select = "SELECT id FROM peers WHERE url = $1 AND coalesce(network_name, '') = $2 AND ($3 IS NULL OR id <> $3) \
                  AND NOT set_aside";
    let Identity { url, network } = Identity::of(spec);
    Ok(tx.optional::<(PeerId,)>(select, args![url, network, except]).await?.is_some())
}

/// Replaces the tags and regions of peers.
pub(in crate::store) async fn replace_labels(tx: &mut Tx, peers: &[(PeerId, &PeerSpec)]) -> Result<(), StoreError> {
    let ids: Vec<i64> = peers.iter().map(|(id, _)| id.0).collect();
    tx.execute(sql!("DELETE FROM peer_tags WHERE peer_id ", (in 1)), args![ids.clone()]).await?;
    tx.execute(sql!("DELETE FROM peer_regions WHERE peer_id ", (in 1)), args![ids]).await?;
    insert_labels(tx, peers).await
}

/// Inserts the tags and regions of peers that have none.
async fn insert_labels(tx: &mut Tx, peers: &[(PeerId, &PeerSpec)]) -> Result<(), StoreError> {
    let names: BTreeSet<&Region> = peers.iter().flat_map(|(_, spec)| &spec.regions).collect();
    let mut region_ids: HashMap<&Region, RegionId> = HashMap::new();
    for name in names {
        region_ids.insert(name, regions::ensure(tx, name).await?);
    }
    let (mut tags, mut regions) = (Vec::new(), Vec::new());
    for (id, spec) in peers {
        tags.extend(spec.tags.iter().flat_map(|tag| args![*id, tag.as_str()]));
        regions.extend(spec.regions.iter().filter_map(|name| region_ids.get(name)).flat_map(|of| args![*id, *of]));
    }
    TAGS.execute(tx, tags).await?;
    REGIONS.execute(tx, regions).await?;
    Ok(())
}

/// Deletes peers; returns how many existed. Their history is left to the sweep.
pub(in crate::store) async fn delete(tx: &mut Tx, ids: Vec<i64>, now: Timestamp) -> Result<u64, StoreError> {
    // In the order in which the fold locks rows. What it adds to `latest` in between is left to the sweep.
    let latest = sql!("DELETE FROM latest WHERE probe_id IN (SELECT id FROM probes) AND peer_id ", (in 1));
    tx.execute(latest, args![ids.clone()]).await?;
    tx.execute(sql!("DELETE FROM peer_states WHERE peer_id ", (in 1)), args![ids.clone()]).await?;
    let remember = sql!("INSERT INTO deleted_peers (peer_id, deleted_at) SELECT id, CAST($2 AS BIGINT) FROM peers WHERE id ", (in 1));
    tx.execute(remember, args![ids.clone(), now]).await?;
    let deleted = tx.execute(sql!("DELETE FROM peers WHERE id ", (in 1)), args![ids.clone()]).await?;
    let leases = sql!("DELETE FROM leases WHERE region_id IN (SELECT id FROM regions) AND peer_id ", (in 1));
    tx.execute(leases, args![ids.clone()]).await?;
    verdict_times::forget(tx, ids.clone()).await?;
    outages::forget(tx, ids.clone()).await?;
    certificates::forget(tx, ids.clone()).await?;
    relays::forget(tx, ids.clone()).await?;
    subscriptions::forget(tx, ids).await?;
    Ok(deleted)
}
