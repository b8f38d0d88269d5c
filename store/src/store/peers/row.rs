//! The row of a peer.

use easytier_probe::{CheckMode, Secret};

use crate::{
    crypto::HubKey,
    domain::{Contacts, PeerId, PeerRecord, PeerSpec, ProbePeer, Timestamp},
    error::StoreError,
    store::rows,
};

/// The place to which encrypted network secrets are bound, see [`HubKey::seal`].
pub(super) const SECRET_PLACE: &str = "peers.network_secret";

/// The columns of a [`PeerRow`] and their tables.
macro_rules! peer_columns {
    ($engine:ident) => {
        "p.id, p.name, p.url, p.description, p.network_name, p.network_secret, p.handshake_only, p.timeout_ms, \
         p.allow_relay, p.max_connections, p.approved, p.submitted, p.qq_number, p.wechat, p.mail, p.created_at, \
         p.updated_at, s.verdict, s.response_us, \
         (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags, \
         (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id \
          WHERE pr.peer_id = p.id) AS regions FROM peers p JOIN peer_states s ON s.peer_id = p.id"
    };
}
pub(super) use peer_columns;

#[derive(sqlx::FromRow)]
pub(super) struct PeerRow {
    pub(super) id: PeerId,
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
        Ok(self.network_secret.as_deref().map(|sealed| key.open(SECRET_PLACE, sealed)).transpose()?)
    }

    fn mode(&self) -> CheckMode {
        if self.handshake_only { CheckMode::Handshake } else { CheckMode::Full }
    }

    pub(super) fn into_record(self, key: &HubKey) -> Result<PeerRecord, StoreError> {
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

    /// Decodes the row; the secret is included only when a `key` is given.
    pub(super) fn into_probe_peer(self, key: Option<&HubKey>) -> Result<ProbePeer, StoreError> {
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
