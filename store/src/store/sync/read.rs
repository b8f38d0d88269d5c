//! What this instance shares, as its rows say it.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use crate::{
    crypto::HubKey,
    db::{Tx, sql},
    domain::{Content, LiveSetting, ObjectKind, SyncedCredential, SyncedPeer, SyncedProbe, Timestamp},
    error::StoreError,
    store::{
        alerts, live_settings, maintenance,
        peers::{SpecRow, spec_columns},
    },
};

/// The contents by kind and local key: the id of a peer, the uid of everything else.
pub(super) type Rows = BTreeMap<(ObjectKind, String), Content>;

#[derive(sqlx::FromRow)]
struct PeerRow {
    id: i64,
    approved: bool,
    submitted: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    target_since: Timestamp,
    target_version: i64,
    #[sqlx(flatten)]
    spec: SpecRow,
}

#[derive(sqlx::FromRow)]
struct ProbeRow {
    server_id: String,
    region: String,
    named: bool,
    created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct CredentialRow {
    lookup: String,
    kind: String,
    name: String,
    hash: Vec<u8>,
    server_id: Option<String>,
    region: Option<String>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    max_uses: Option<i64>,
    uses: i64,
    enrolled_by: Option<String>,
    scopes: String,
}

/// Reads everything that is shared. Peers that are set aside are not.
pub(super) async fn rows(tx: &mut Tx, key: &HubKey) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    let mut put = |content: Content, local_key: String| drop(rows.insert((content.kind(), local_key), content));
    for (name,) in tx.all::<(String,)>("SELECT name FROM regions", vec![]).await? {
        put(Content::Region, name);
    }
    for (name, text) in tx.all::<(String, String)>("SELECT name, value FROM tuning", vec![]).await? {
        // A newer hub on this database may know more settings and values.
        let value = LiveSetting::from_name(&name).and_then(|setting| live_settings::shared_value(setting, &text));
        if let Some(value) = value {
            put(Content::Setting(value), name);
        }
    }
    let peers = sql!(
        "SELECT ",
        (spec_columns),
        ", p.id, p.approved, p.submitted, p.created_at, p.updated_at, p.target_since, p.target_version, \
         (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags, \
         (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id \
          WHERE pr.peer_id = p.id) AS regions FROM peers p WHERE NOT p.set_aside"
    );
    for row in tx.all::<PeerRow>(peers, vec![]).await? {
        let local_key = row.id.to_string();
        put(Content::Peer(Box::new(row.into_peer(key)?)), local_key);
    }
    let probes = "SELECT b.server_id, r.name AS region, b.named, b.created_at FROM probes b JOIN regions r ON r.id = b.region_id";
    for ProbeRow { server_id, region, named, created_at } in tx.all(probes, vec![]).await? {
        put(Content::Probe(SyncedProbe { region, named, created_at }), server_id);
    }
    let credentials = "SELECT c.lookup, c.kind, c.name, c.hash, b.server_id, r.name AS region, c.created_at, c.revoked_at, \
                       c.expires_at, c.max_uses, c.uses, c.scopes, k.lookup AS enrolled_by FROM credentials c \
                       LEFT JOIN probes b ON b.id = c.probe_id LEFT JOIN regions r ON r.id = c.region_id \
                       LEFT JOIN credentials k ON k.id = c.enrolled_by";
    for row in tx.all::<CredentialRow>(credentials, vec![]).await? {
        let lookup = row.lookup.clone();
        put(Content::Credential(Box::new(row.into_credential())), lookup);
    }
    for (uid, channel) in alerts::shared(tx, key).await? {
        put(Content::Channel(Box::new(channel)), uid);
    }
    for (uid, window) in maintenance::shared(tx).await? {
        put(Content::Maintenance(Box::new(window)), uid);
    }
    Ok(rows)
}

impl PeerRow {
    fn into_peer(self, key: &HubKey) -> Result<SyncedPeer, StoreError> {
        Ok(SyncedPeer {
            id: self.id,
            spec: self.spec.into_spec(key)?,
            approved: self.approved,
            submitted: self.submitted,
            created_at: self.created_at,
            updated_at: self.updated_at,
            target_since: self.target_since,
            target_version: self.target_version,
        })
    }
}

impl CredentialRow {
    fn into_credential(self) -> SyncedCredential {
        SyncedCredential {
            kind: self.kind,
            name: self.name,
            hash: HEXLOWER.encode(&self.hash).into(),
            server_id: self.server_id,
            region: self.region,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
            expires_at: self.expires_at,
            max_uses: self.max_uses,
            uses: self.uses,
            enrolled_by: self.enrolled_by,
            scopes: self.scopes,
        }
    }
}
