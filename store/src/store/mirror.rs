//! The peers of a backend, mirrored in the local history of a probe.
//!
//! A peer keeps its local id, and so its history, whatever backend it comes from; the table `peer_origins` maps the ids of a
//! backend to local ids. A peer that the backend no longer lists is not approved any more; its history stays.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use easytier_probe::{ListingVersion, Origin, Peer};

use super::{Store, metadata, peers, rows::without_nul, shared::Shared};
use crate::{
    db::{Tx, args, sql, work},
    domain::{NewPeer, PeerId, PeerRecord, PeerSpec, ProbePeer, Timestamp},
    error::StoreError,
};

/// The peers that a backend lists.
#[derive(Debug, Clone, Copy)]
pub struct PeerListing<'a> {
    /// The base URL under which the backend is stored, see [`Store::known_backend`].
    pub backend: &'a str,
    /// The peers, with the ids of the backend.
    pub peers: &'a [Peer],
    /// Whether the backend lists all its peers, so that a missing one was deleted. From any other list a peer may be
    /// missing only because it is offline.
    pub complete: bool,
    /// How long a peer that is missing from an incomplete list stays approved.
    pub forget_after: Duration,
    /// The version of the list, if the backend sends one.
    pub version: Option<ListingVersion>,
}

#[derive(sqlx::FromRow)]
struct OriginRow {
    remote_id: i64,
    peer_id: PeerId,
    listed_at: Timestamp,
}

/// The local peers before a listing is applied.
struct LocalPeers<'a> {
    records: BTreeMap<PeerId, &'a PeerRecord>,
    /// By the id of the backend.
    origins: HashMap<i64, OriginRow>,
    /// The peers that the backend never listed, by URL and network.
    unlisted: HashMap<(String, String), PeerId>,
}

impl Store {
    /// Approves exactly the peers that the backend lists. It is meant for the local history of a probe, where peers
    /// come from nowhere else. A local peer with the same URL and network is taken for the same peer.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirror_peers(&self, listing: PeerListing<'_>, now: Timestamp) -> Result<(), StoreError> {
        let records = &self.export_peers().await?;
        self.db().transaction(|tx| work(apply(tx, &self.shared, listing, records, now))).await
    }

    /// The version of the list that [`mirror_peers`](Self::mirror_peers) applied last, if it had one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirrored_version(&self, backend: &str) -> Result<Option<ListingVersion>, StoreError> {
        self.db().transaction(|tx| work(version_in(tx, backend))).await
    }

    /// The first of a backend's URLs under which it is stored. A backend that moves keeps its peers and its spool as long
    /// as its old URL is among `urls`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn known_backend(&self, urls: &[String]) -> Result<Option<String>, StoreError> {
        let known: Vec<(String,)> = self.db().all("SELECT url FROM backends", vec![]).await?;
        Ok(urls.iter().find(|url| known.iter().any(|(known,)| known == *url)).cloned())
    }

    /// The ids at the backend of the peers that it lists or listed, by their local ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn remote_ids(&self, backend: &str) -> Result<HashMap<PeerId, i64>, StoreError> {
        let select = "SELECT o.peer_id, o.remote_id FROM peer_origins o JOIN backends b ON b.id = o.backend_id \
                      WHERE b.url = $1";
        let ids: Vec<(PeerId, i64)> = self.db().all(select, args![backend]).await?;
        Ok(ids.into_iter().collect())
    }

    /// The approved peers of a backend, with their secrets and local ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirrored_peers(&self, backend: &str) -> Result<Vec<ProbePeer>, StoreError> {
        let select = "SELECT o.peer_id FROM peer_origins o JOIN backends b ON b.id = o.backend_id WHERE b.url = $1 \
                      ORDER BY o.peer_id";
        let ids: Vec<(PeerId,)> = self.db().all(select, args![backend]).await?;
        self.probe_peers_by_id(&ids.into_iter().map(|(id,)| id).collect::<Vec<_>>()).await
    }
}

/// The version of the list of a backend that was applied last.
pub(super) async fn version_in(tx: &mut Tx, backend: &str) -> Result<Option<ListingVersion>, StoreError> {
    metadata::json(tx, &version_name(backend)).await
}

/// Forgets the versions of the lists of all backends.
pub(super) async fn forget_versions(tx: &mut Tx) -> Result<(), StoreError> {
    let delete = "DELETE FROM settings WHERE key LIKE $1";
    tx.execute(delete, args![version_name("%")]).await.map(drop)
}

/// Applies a listing to the local peers.
pub(super) async fn apply(
    tx: &mut Tx,
    shared: &Shared,
    listing: PeerListing<'_>,
    records: &[PeerRecord],
    now: Timestamp,
) -> Result<(), StoreError> {
    metadata::bump_config_version(tx).await?;
    let backend = ensure_backend(tx, listing.backend).await?;
    metadata::put_json(tx, &version_name(listing.backend), &listing.version).await?;
    let mut local = LocalPeers::read(tx, backend, records).await?;

    let mut approved = HashSet::with_capacity(listing.peers.len());
    let mut listed = HashSet::with_capacity(listing.peers.len());
    for peer in listing.peers {
        // A list that changes while its pages are fetched may contain a peer twice.
        if !listed.insert(peer.id) {
            continue;
        }
        let spec = PeerSpec::from(peer);
        let known = local.origins.get(&peer.id).map(|origin| origin.peer_id);
        let same = known.or_else(|| local.unlisted.remove(&identity(&spec)));
        let id = match same.and_then(|id| local.records.get(&id)) {
            Some(record) => {
                update(tx, shared, record, spec, peer.origin, now).await?;
                record.id
            }
            None => {
                let new = NewPeer { spec, approved: true, submitted: peer.origin == Origin::Submitted };
                let ids = peers::insert(tx, &shared.key, &[&new], now).await?;
                ids.first().copied().ok_or(StoreError::Overtaken)?
            }
        };
        if known.is_none() {
            let insert = "INSERT INTO peer_origins (backend_id, remote_id, peer_id, listed_at) \
                              VALUES ($1, $2, $3, $4)";
            tx.execute(insert, args![backend, peer.id, id, now]).await?;
        }
        approved.insert(id);
    }
    if !listing.complete {
        note_listed(tx, backend, listed.into_iter().collect(), now).await?;
        let kept_since = now - listing.forget_after;
        let kept = local.origins.values().filter(|origin| origin.listed_at > kept_since);
        approved.extend(kept.map(|origin| origin.peer_id));
    }
    approve_only(tx, &approved, now).await
}

impl<'a> LocalPeers<'a> {
    async fn read(tx: &mut Tx, backend: i64, records: &'a [PeerRecord]) -> Result<Self, StoreError> {
        let select = "SELECT remote_id, peer_id, listed_at FROM peer_origins WHERE backend_id = $1";
        let origins: Vec<OriginRow> = tx.all(select, args![backend]).await?;
        let listed: HashSet<PeerId> = origins.iter().map(|origin| origin.peer_id).collect();
        let unlisted = records.iter().filter(|record| !listed.contains(&record.id));
        let unlisted = unlisted.map(|record| (identity(&record.spec), record.id)).collect();
        Ok(Self {
            unlisted,
            records: records.iter().map(|record| (record.id, record)).collect(),
            origins: origins.into_iter().map(|origin| (origin.remote_id, origin)).collect(),
        })
    }
}

/// Updates a local peer to the backend's description, if they differ.
async fn update(
    tx: &mut Tx,
    shared: &Shared,
    record: &PeerRecord,
    spec: PeerSpec,
    origin: Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A list has none of these. It is made for this probe, so its peers are checked from the region of the probe.
    let known = &record.spec;
    let spec = PeerSpec {
        description: known.description.clone(),
        max_connections: known.max_connections,
        contacts: known.contacts.clone(),
        ..spec
    };
    if spec != *known {
        peers::update(tx, shared, record.id, known, &spec, now).await?;
    }
    let submitted = origin == Origin::Submitted;
    if submitted != record.submitted {
        tx.execute("UPDATE peers SET submitted = $2 WHERE id = $1", args![record.id, submitted]).await?;
    }
    Ok(())
}

/// The URL and the network of a peer, by which it is recognised.
fn identity(spec: &PeerSpec) -> (String, String) {
    (spec.url.full(), without_nul(spec.network_name.as_deref().unwrap_or_default()))
}

async fn ensure_backend(tx: &mut Tx, url: &str) -> Result<i64, StoreError> {
    tx.execute("INSERT INTO backends (url) VALUES ($1) ON CONFLICT (url) DO NOTHING", args![url]).await?;
    let (id,): (i64,) = tx.one("SELECT id FROM backends WHERE url = $1", args![url]).await?;
    Ok(id)
}

/// The name in `settings` of the version of a backend's list.
fn version_name(backend: &str) -> String {
    format!("listing_version of {backend}")
}

async fn note_listed(tx: &mut Tx, backend: i64, remote_ids: Vec<i64>, now: Timestamp) -> Result<(), StoreError> {
    let update = sql!(
        "UPDATE peer_origins SET listed_at = $3 WHERE backend_id = $1 AND remote_id ",
        (in 2)
    );
    tx.execute(update, args![backend, remote_ids, now]).await.map(drop)
}

async fn approve_only(tx: &mut Tx, approved: &HashSet<PeerId>, now: Timestamp) -> Result<(), StoreError> {
    let approved: Vec<i64> = approved.iter().map(|id| id.0).collect();
    let update = sql!(
        "UPDATE peers SET approved = NOT approved, updated_at = $2 WHERE approved <> (id ",
        (in 1),
        ")"
    );
    tx.execute(update, args![approved, now]).await.map(drop)
}
