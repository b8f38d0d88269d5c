//! Peers: the operator's list, submissions, and the listing for probes.

use std::collections::HashMap;

use easytier_probe::{CheckMode, Secret};

use super::{
    Conflict, Shared, Store, StoreError,
    engine::{Sql, Tx, Value, args, sql},
    regions,
    rows::{self, like_1},
    settings,
};
use crate::{
    crypto::HubKey,
    model::{
        Contacts, Imported, Page, PageRequest, PeerFilter, PeerId, PeerRecord, PeerScope, PeerSpec, ProbePeer,
        ProbePeers, RegionId,
    },
    time::{Timestamp, millis},
};

/// What a sealed `network_secret` is bound to.
const SECRET: &str = "peers.network_secret";

/// The columns of [`PeerRow`].
macro_rules! peer_columns {
    ($engine:ident) => {
        "p.id, p.name, p.url, p.description, p.network_name, p.network_secret, p.handshake_only, p.timeout_ms, \
         p.allow_relay, p.max_connections, p.approved, p.submitted, p.qq_number, p.wechat, p.mail, p.created_at, \
         p.updated_at, s.verdict, s.response_us, \
         (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags, \
         (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id \
          WHERE pr.peer_id = p.id) AS regions"
    };
}

/// Peers that are like the pattern `$1`, and approved or not where `$2` says so.
macro_rules! like_1_approved_2 {
    ($engine:ident) => {
        concat!(
            " FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
            like_1!($engine),
            " AND ($2 IS NULL OR p.approved = $2)"
        )
    };
}

/// Whether a peer `p` is watched from the region `$1`.
macro_rules! watched_from_1 {
    ($engine:ident) => {
        "p.approved AND (NOT EXISTS (SELECT 1 FROM peer_regions pr WHERE pr.peer_id = p.id) \
         OR EXISTS (SELECT 1 FROM peer_regions pr WHERE pr.peer_id = p.id AND pr.region_id = $1))"
    };
}
pub(super) use watched_from_1;

#[derive(sqlx::FromRow)]
struct PeerRow {
    id: PeerId,
    name: String,
    url: String,
    description: String,
    network_name: Option<String>,
    network_secret: Option<Vec<u8>>,
    handshake_only: bool,
    timeout_ms: Option<i64>,
    allow_relay: bool,
    max_connections: i64,
    approved: bool,
    submitted: bool,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    verdict: i64,
    response_us: Option<i64>,
    tags: Option<String>,
    regions: Option<String>,
}

impl PeerRow {
    fn secret(&self, key: &HubKey) -> Result<Option<Secret>, StoreError> {
        Ok(self.network_secret.as_deref().map(|sealed| key.open(SECRET, sealed)).transpose()?)
    }

    fn mode(&self) -> CheckMode {
        if self.handshake_only { CheckMode::Handshake } else { CheckMode::Full }
    }

    fn into_record(self, key: &HubKey) -> Result<PeerRecord, StoreError> {
        Ok(PeerRecord {
            id: self.id,
            approved: self.approved,
            submitted: self.submitted,
            verdict: rows::verdict(self.verdict)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            spec: PeerSpec {
                network_secret: self.secret(key)?,
                mode: self.mode(),
                url: rows::url(&self.url)?,
                name: self.name,
                description: self.description,
                network_name: self.network_name,
                timeout: rows::duration(self.timeout_ms),
                allow_relay: self.allow_relay,
                max_connections: rows::count(self.max_connections),
                tags: rows::labels(self.tags),
                regions: rows::labels(self.regions),
                contacts: Contacts { qq_number: self.qq_number, wechat: self.wechat, mail: self.mail },
            },
        })
    }

    /// `key`: given when the caller may have the secret.
    fn into_probe_peer(self, key: Option<&HubKey>) -> Result<ProbePeer, StoreError> {
        Ok(ProbePeer {
            id: self.id,
            network_secret: key.map(|key| self.secret(key)).transpose()?.flatten(),
            mode: self.mode(),
            url: rows::url(&self.url)?,
            name: self.name,
            network_name: self.network_name,
            timeout: rows::duration(self.timeout_ms),
            allow_relay: self.allow_relay,
            tags: rows::labels(self.tags),
            submitted: self.submitted,
            verdict: rows::verdict(self.verdict)?,
            response_us: self.response_us,
        })
    }
}

/// Who named a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// It is approved at once.
    Operator,
    /// It waits for approval.
    Stranger,
}

impl Store {
    /// Adds a peer that the operator named; it is approved at once.
    pub async fn add_peer(&self, spec: &PeerSpec, now: Timestamp) -> Result<PeerId, StoreError> {
        self.add_unlisted(spec, Author::Operator, now).await
    }

    /// Puts a stranger's peer into the approval queue.
    pub async fn submit_peer(&self, spec: &PeerSpec, now: Timestamp) -> Result<PeerId, StoreError> {
        self.add_unlisted(spec, Author::Stranger, now).await
    }

    async fn add_unlisted(&self, spec: &PeerSpec, author: Author, now: Timestamp) -> Result<PeerId, StoreError> {
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        if is_listed(&mut tx, spec, None).await? {
            return Err(Conflict::PeerListed.into());
        }
        let id = self.shared.insert_peer(&mut tx, spec, author, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Adds the operator's peers, all or none; those that are listed already stay as they are.
    pub async fn import_peers(&self, specs: &[PeerSpec], now: Timestamp) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        for spec in specs {
            if is_listed(&mut tx, spec, None).await? {
                imported.known += 1;
            } else {
                self.shared.insert_peer(&mut tx, spec, Author::Operator, now).await?;
                imported.added += 1;
            }
        }
        tx.commit().await?;
        Ok(imported)
    }

    pub async fn peer(&self, id: PeerId) -> Result<PeerRecord, StoreError> {
        let select =
            sql!("SELECT ", (peer_columns), " FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE p.id = $1");
        let row: Option<PeerRow> = self.db().optional(select, args![id]).await?;
        row.ok_or(StoreError::NotFound("peer"))?.into_record(&self.shared.key)
    }

    /// The operator's list.
    pub async fn peers(&self, filter: &PeerFilter, page: PageRequest) -> Result<Page<PeerRecord>, StoreError> {
        let search = filter.search.as_deref().map(rows::contains);
        let count = sql!("SELECT count(*)", (like_1_approved_2));
        let (total,): (i64,) = self.db().one(count, args![search.clone(), filter.approved]).await?;
        let select = if filter.oldest_first {
            sql!("SELECT ", (peer_columns), (like_1_approved_2), " ORDER BY p.id LIMIT $3 OFFSET $4")
        } else {
            sql!("SELECT ", (peer_columns), (like_1_approved_2), " ORDER BY p.id DESC LIMIT $3 OFFSET $4")
        };
        let parameters = args![search, filter.approved, page.limit(), page.offset()];
        let items = self.records(select, parameters).await?;
        Ok(Page { items, total: rows::count(total) })
    }

    /// Every peer with its secret, in the order of ids.
    pub async fn export_peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        let select =
            sql!("SELECT ", (peer_columns), " FROM peers p JOIN peer_states s ON s.peer_id = p.id ORDER BY p.id");
        self.records(select, vec![]).await
    }

    async fn records(&self, select: Sql, args: Vec<Value>) -> Result<Vec<PeerRecord>, StoreError> {
        let rows: Vec<PeerRow> = self.db().all(select, args).await?;
        rows.into_iter().map(|row| row.into_record(&self.shared.key)).collect()
    }

    /// Changes a peer: `edit` gets what is stored and leaves what is to be stored.
    pub async fn edit_peer(
        &self,
        id: PeerId,
        edit: impl FnOnce(&mut PeerSpec) + Send,
        now: Timestamp,
    ) -> Result<PeerRecord, StoreError> {
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        let select =
            sql!("SELECT ", (peer_columns), " FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE p.id = $1");
        let row: Option<PeerRow> = tx.optional(select, args![id]).await?;
        let mut record = row.ok_or(StoreError::NotFound("peer"))?.into_record(&self.shared.key)?;
        edit(&mut record.spec);
        if is_listed(&mut tx, &record.spec, Some(id)).await? {
            return Err(Conflict::PeerListed.into());
        }
        self.shared.write_peer(&mut tx, id, &record.spec, now).await?;
        tx.commit().await?;
        record.updated_at = now;
        Ok(record)
    }

    /// Lists a peer, or takes it off the list without forgetting it.
    pub async fn set_approved(&self, id: PeerId, approved: bool, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        let update = "UPDATE peers SET approved = $2, updated_at = $3 WHERE id = $1";
        if tx.execute(update, args![id, approved, now]).await? == 0 {
            return Err(StoreError::NotFound("peer"));
        }
        tx.commit().await
    }

    /// Forgets a peer. Its raw results and rollups go with the retention; its id is never given again.
    pub async fn delete_peer(&self, id: PeerId) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        settings::bump_config_version(&mut tx).await?;
        if !delete_peer(&mut tx, id).await? {
            return Err(StoreError::NotFound("peer"));
        }
        tx.commit().await
    }

    /// One page of what probes are to check: approved peers in the order of their ids, from after `cursor`.
    pub async fn probe_peers(
        &self,
        scope: &PeerScope,
        cursor: Option<PeerId>,
        count: u32,
    ) -> Result<ProbePeers, StoreError> {
        // Before the peers: a change in between is seen by the next fetch.
        let config_version = self.config_version().await?;
        let region = match &scope.region {
            None => None,
            // A region that nobody named yet has the peers for all regions.
            Some(region) => Some(regions::find(self.db(), region).await?.unwrap_or(RegionId(0))),
        };
        let after = cursor.unwrap_or(PeerId(0));
        let limit = i64::from(count.max(1));
        // With one row more than asked for one knows whether there is another page.
        let (select, total) = match region {
            None => (
                sql!(
                    "SELECT ",
                    (peer_columns),
                    " FROM peers p JOIN peer_states s ON s.peer_id = p.id \
                     WHERE p.approved AND p.id > $1 ORDER BY p.id LIMIT $2"
                ),
                sql!("SELECT count(*) FROM peers p WHERE p.approved"),
            ),
            Some(_) => (
                sql!(
                    "SELECT ",
                    (peer_columns),
                    " FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
                    (watched_from_1),
                    " AND p.id > $2 ORDER BY p.id LIMIT $3"
                ),
                sql!("SELECT count(*) FROM peers p WHERE ", (watched_from_1)),
            ),
        };
        let (parameters, of_total) = match region {
            None => (args![after, limit + 1], vec![]),
            Some(region) => (args![region, after, limit + 1], args![region]),
        };
        let mut found: Vec<PeerRow> = self.db().all(select, parameters).await?;
        let (total,): (i64,) = self.db().one(total, of_total).await?;
        let more = found.len() as i64 > limit;
        found.truncate(limit as usize);
        let next_cursor = if more { found.last().map(|row| row.id) } else { None };
        let key = scope.with_secrets.then_some(&self.shared.key);
        let peers = found.into_iter().map(|row| row.into_probe_peer(key)).collect::<Result<_, _>>()?;
        Ok(ProbePeers { peers, total: rows::count(total), next_cursor, config_version })
    }

    /// Approved peers by id, with secrets, in the order asked for.
    pub(super) async fn probe_peers_by_id(&self, ids: &[PeerId]) -> Result<Vec<ProbePeer>, StoreError> {
        let select = sql!(
            "SELECT ",
            (peer_columns),
            " FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE p.approved AND p.id ",
            ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"]
        );
        let list: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let found: Vec<PeerRow> = self.db().all(select, args![list]).await?;
        let place: HashMap<PeerId, usize> = ids.iter().enumerate().map(|(nth, id)| (*id, nth)).collect();
        let mut peers: Vec<ProbePeer> =
            found.into_iter().map(|row| row.into_probe_peer(Some(&self.shared.key))).collect::<Result<_, _>>()?;
        peers.sort_by_key(|peer| place.get(&peer.id).copied());
        Ok(peers)
    }
}

impl Shared {
    /// Inserts a peer, its lists and its empty state.
    pub(super) async fn insert_peer(
        &self,
        tx: &mut Tx,
        spec: &PeerSpec,
        author: Author,
        now: Timestamp,
    ) -> Result<PeerId, StoreError> {
        let insert = "INSERT INTO peers (name, url, description, network_name, network_secret, handshake_only, timeout_ms, \
                      allow_relay, max_connections, approved, submitted, qq_number, wechat, mail, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15) RETURNING id";
        let mut parameters = self.columns_of(spec);
        parameters.extend(args![author == Author::Operator, author == Author::Stranger]);
        parameters.extend(contacts_of(spec));
        parameters.extend(args![now]);
        let (id,): (PeerId,) = tx.one(insert, parameters).await?;
        write_lists(tx, id, spec).await?;
        let state = "INSERT INTO peer_states (peer_id, verdict, since, held_sessions, quarter, quarter_checks, \
                     quarter_healthy, evidence) VALUES ($1, 0, $2, 0, 0, 0, 0, '[]')";
        tx.execute(state, args![id, now]).await?;
        Ok(id)
    }

    pub(super) async fn write_peer(
        &self,
        tx: &mut Tx,
        id: PeerId,
        spec: &PeerSpec,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE peers SET name = $2, url = $3, description = $4, network_name = $5, network_secret = $6, \
                      handshake_only = $7, timeout_ms = $8, allow_relay = $9, max_connections = $10, qq_number = $11, \
                      wechat = $12, mail = $13, updated_at = $14 WHERE id = $1";
        let mut parameters = args![id];
        parameters.extend(self.columns_of(spec));
        parameters.extend(contacts_of(spec));
        parameters.extend(args![now]);
        tx.execute(update, parameters).await?;
        tx.execute("DELETE FROM peer_tags WHERE peer_id = $1", args![id]).await?;
        tx.execute("DELETE FROM peer_regions WHERE peer_id = $1", args![id]).await?;
        write_lists(tx, id, spec).await
    }

    /// The columns from `name` to `max_connections`.
    fn columns_of(&self, spec: &PeerSpec) -> Vec<Value> {
        args![
            clean(&spec.name),
            spec.url.to_string(),
            clean(&spec.description),
            spec.network_name.as_deref().map(clean),
            spec.network_secret.as_ref().map(|secret| self.key.seal(SECRET, secret)),
            spec.mode == CheckMode::Handshake,
            spec.timeout.map(millis),
            spec.allow_relay,
            spec.max_connections,
        ]
    }
}

fn contacts_of(spec: &PeerSpec) -> Vec<Value> {
    let Contacts { qq_number, wechat, mail } = &spec.contacts;
    args![qq_number.as_deref().map(clean), wechat.as_deref().map(clean), mail.as_deref().map(clean)]
}

/// Text without the one character that PostgreSQL cannot store.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Whether another peer than `except` has this address and network. Every transaction that writes peers first bumps the
/// config version, and so holds its row: nobody adds the same peer in between.
async fn is_listed(tx: &mut Tx, spec: &PeerSpec, except: Option<PeerId>) -> Result<bool, StoreError> {
    let select = "SELECT id FROM peers WHERE url = $1 AND coalesce(network_name, '') = $2 AND ($3 IS NULL OR id <> $3)";
    let network = clean(spec.network_name.as_deref().unwrap_or_default());
    Ok(tx.optional::<(PeerId,)>(select, args![spec.url.to_string(), network, except]).await?.is_some())
}

async fn write_lists(tx: &mut Tx, id: PeerId, spec: &PeerSpec) -> Result<(), StoreError> {
    for tag in &spec.tags {
        tx.execute("INSERT INTO peer_tags (peer_id, tag) VALUES ($1, $2)", args![id, tag.as_str()]).await?;
    }
    for region in &spec.regions {
        let region: RegionId = regions::ensure(tx, region).await?;
        tx.execute("INSERT INTO peer_regions (peer_id, region_id) VALUES ($1, $2)", args![id, region]).await?;
    }
    Ok(())
}

/// Whether there was such a peer.
async fn delete_peer(tx: &mut Tx, id: PeerId) -> Result<bool, StoreError> {
    // First the peer: it waits for a commit of results that is under way, and what that wrote goes next.
    if tx.execute("DELETE FROM peers WHERE id = $1", args![id]).await? == 0 {
        return Ok(false);
    }
    let latest = "DELETE FROM latest WHERE peer_id = $1 AND probe_id IN (SELECT id FROM probes)";
    tx.execute(latest, args![id]).await?;
    let leases = "DELETE FROM leases WHERE peer_id = $1 AND region_id IN (SELECT id FROM regions)";
    tx.execute(leases, args![id]).await?;
    Ok(true)
}
