//! The peers of a backend, in the local history of a probe.
//!
//! A peer keeps its id here, and so its history, whatever backend it comes from: which peer here is which peer there is
//! in `peer_origins`. What a backend no longer lists is not approved any more; its history stays.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use easytier_probe::{Origin, Peer};

use super::{
    Shared, Store, StoreError,
    engine::{Tx, args, sql},
    peers::{Author, clean},
    settings,
};
use crate::{
    model::{PeerId, PeerRecord, PeerSpec, ProbePeer},
    time::Timestamp,
};

/// What a backend lists.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// By which the backend is known from one run to the next: a base URL of it, see [`Store::known_backend`].
    pub backend: &'a str,
    /// With the backend's own ids.
    pub peers: &'a [Peer],
    /// It lists all it has, so that what is missing is gone. From any other listing a peer may be missing just because
    /// it is offline.
    pub complete: bool,
    /// How long ago a listing that is not complete must have had a peer.
    pub forget_after: Duration,
}

#[derive(sqlx::FromRow)]
struct OriginRow {
    remote_id: i64,
    peer_id: PeerId,
    listed_at: Timestamp,
}

/// What is here before a listing is applied.
struct Here {
    records: BTreeMap<PeerId, PeerRecord>,
    /// By the backend's id.
    origins: HashMap<i64, OriginRow>,
    /// Peers that this backend has not listed, by address and network.
    strangers: HashMap<(String, String), PeerId>,
}

impl Store {
    /// Makes the approved peers those that the backend lists. For the local history of a probe, to whose peers nobody
    /// else adds any. A peer that was here before with the same address and network is taken for the same.
    pub async fn mirror_peers(&self, listing: Listing<'_>, now: Timestamp) -> Result<(), StoreError> {
        let records = self.export_peers().await?;
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        let backend = ensure_backend(&mut tx, listing.backend).await?;
        let mut here = Here::read(&mut tx, backend, records).await?;

        let mut watched = HashSet::with_capacity(listing.peers.len());
        let mut listed = HashSet::with_capacity(listing.peers.len());
        for peer in listing.peers {
            // A listing that changes while its pages are fetched may have a peer twice.
            if !listed.insert(peer.id) {
                continue;
            }
            let spec = PeerSpec::from(peer);
            let known = here.origins.get(&peer.id).map(|origin| origin.peer_id);
            let local = match known.or_else(|| here.strangers.remove(&place(&spec))) {
                Some(local) => {
                    self.shared.bring_up_to_date(&mut tx, &here.records[&local], spec, peer.origin, now).await?;
                    local
                }
                None => self.shared.insert_peer(&mut tx, &spec, author(peer.origin), now).await?,
            };
            if known.is_none() {
                let insert = "INSERT INTO peer_origins (backend_id, remote_id, peer_id, listed_at) \
                              VALUES ($1, $2, $3, $4)";
                tx.execute(insert, args![backend, peer.id, local, now]).await?;
            }
            watched.insert(local);
        }
        if !listing.complete {
            note_listed(&mut tx, backend, listed.into_iter().collect(), now).await?;
            let lately = now - listing.forget_after;
            let remembered = here.origins.values().filter(|origin| origin.listed_at > lately);
            watched.extend(remembered.map(|origin| origin.peer_id));
        }
        watch_only(&mut tx, &watched, now).await?;
        tx.commit().await
    }

    /// The first of a backend's URLs by which it is known here already. A backend that moves keeps what is kept for it
    /// as long as its old URL is among them.
    pub async fn known_backend(&self, urls: &[String]) -> Result<Option<String>, StoreError> {
        let known: Vec<(String,)> = self.db().all("SELECT url FROM backends", vec![]).await?;
        Ok(urls.iter().find(|url| known.iter().any(|(known,)| known == *url)).cloned())
    }

    /// The peers that [`Store::mirror_peers`] left to watch, with their secrets and the ids that they have here.
    pub async fn mirrored_peers(&self, backend: &str) -> Result<Vec<ProbePeer>, StoreError> {
        let select = "SELECT o.peer_id FROM peer_origins o JOIN backends b ON b.id = o.backend_id WHERE b.url = $1 \
                      ORDER BY o.peer_id";
        let ids: Vec<(PeerId,)> = self.db().all(select, args![backend]).await?;
        self.probe_peers_by_id(&ids.into_iter().map(|(id,)| id).collect::<Vec<_>>()).await
    }
}

impl Here {
    async fn read(tx: &mut Tx, backend: i64, records: Vec<PeerRecord>) -> Result<Self, StoreError> {
        let select = "SELECT remote_id, peer_id, listed_at FROM peer_origins WHERE backend_id = $1";
        let origins: Vec<OriginRow> = tx.all(select, args![backend]).await?;
        let from_here: HashSet<PeerId> = origins.iter().map(|origin| origin.peer_id).collect();
        let strangers = records.iter().filter(|record| !from_here.contains(&record.id));
        let strangers = strangers.map(|record| (place(&record.spec), record.id)).collect();
        Ok(Self {
            strangers,
            records: records.into_iter().map(|record| (record.id, record)).collect(),
            origins: origins.into_iter().map(|origin| (origin.remote_id, origin)).collect(),
        })
    }
}

impl Shared {
    /// Writes what the backend says about a peer that is here, if that is news.
    async fn bring_up_to_date(
        &self,
        tx: &mut Tx,
        record: &PeerRecord,
        spec: PeerSpec,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Of these a listing says nothing. It is for this probe, so that the peer is watched from wherever that stands.
        let known = &record.spec;
        let spec = PeerSpec {
            description: known.description.clone(),
            max_connections: known.max_connections,
            contacts: known.contacts.clone(),
            ..spec
        };
        if spec != *known {
            self.write_peer(tx, record.id, &spec, now).await?;
        }
        let submitted = author(origin) == Author::Stranger;
        if submitted != record.submitted {
            tx.execute("UPDATE peers SET submitted = $2 WHERE id = $1", args![record.id, submitted]).await?;
        }
        Ok(())
    }
}

fn author(origin: Origin) -> Author {
    match origin {
        Origin::Submitted => Author::Stranger,
        Origin::Local | Origin::Remote => Author::Operator,
    }
}

/// Where a peer is, and in which network: by this it is known again.
fn place(spec: &PeerSpec) -> (String, String) {
    (spec.url.to_string(), clean(spec.network_name.as_deref().unwrap_or_default()))
}

async fn ensure_backend(tx: &mut Tx, url: &str) -> Result<i64, StoreError> {
    tx.execute("INSERT INTO backends (url) VALUES ($1) ON CONFLICT (url) DO NOTHING", args![url]).await?;
    let (id,): (i64,) = tx.one("SELECT id FROM backends WHERE url = $1", args![url]).await?;
    Ok(id)
}

async fn note_listed(tx: &mut Tx, backend: i64, remote_ids: Vec<i64>, now: Timestamp) -> Result<(), StoreError> {
    let update = sql!(
        "UPDATE peer_origins SET listed_at = $3 WHERE backend_id = $1 AND remote_id ",
        ["IN (SELECT value FROM json_each($2))" | "= ANY($2)"]
    );
    tx.execute(update, args![backend, remote_ids, now]).await.map(drop)
}

async fn watch_only(tx: &mut Tx, watched: &HashSet<PeerId>, now: Timestamp) -> Result<(), StoreError> {
    let watched: Vec<i64> = watched.iter().map(|id| id.0).collect();
    let update = sql!(
        "UPDATE peers SET approved = NOT approved, updated_at = $2 WHERE approved <> (id ",
        ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
        ")"
    );
    tx.execute(update, args![watched, now]).await.map(drop)
}
