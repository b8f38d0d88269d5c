//! The row of a peer.

use easytier_probe::{CheckMode, Secret};

use crate::{
    crypto::HubKey,
    domain::{Contacts, PeerId, PeerRecord, PeerSpec, ProbePeer, Timestamp},
    error::StoreError,
    store::rows,
};

/// The place to which encrypted network secrets are bound, see [`HubKey::seal`]. It is the same for submissions, so that a
/// secret can move from one table to the other.
pub(in crate::store) const SECRET_PLACE: &str = "peers.network_secret";

/// The columns of a [`SpecRow`] that a table `p` of peers or of submissions has itself.
macro_rules! spec_columns {
    ($engine:ident) => {
        "p.name, p.url, p.description, p.network_name, p.network_secret, p.handshake_only, p.timeout_ms, \
         p.allow_relay, p.max_connections, p.qq_number, p.wechat, p.mail"
    };
}
pub(in crate::store) use spec_columns;

/// The columns of a [`PeerRow`] and their tables.
macro_rules! peer_columns {
    ($engine:ident) => {
        concat!(
            $crate::store::peers::spec_columns!($engine),
            ", p.id, p.approved, p.set_aside, p.submitted, p.created_at, p.updated_at, s.verdict, s.response_us, \
             (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags, \
             (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id \
              WHERE pr.peer_id = p.id) AS regions FROM peers p JOIN peer_states s ON s.peer_id = p.id"
        )
    };
}
pub(super) use peer_columns;

/// The description of a peer or of a submission.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct SpecRow {
    name: String,
    url: String,
    description: String,
    network_name: Option<String>,
    network_secret: Option<Vec<u8>>,
    handshake_only: bool,
    timeout_ms: Option<i64>,
    allow_relay: bool,
    max_connections: i64,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    tags: Option<String>,
    regions: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct PeerRow {
    pub(super) id: PeerId,
    approved: bool,
    set_aside: bool,
    submitted: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    verdict: i64,
    response_us: Option<i64>,
    #[sqlx(flatten)]
    spec: SpecRow,
}

impl SpecRow {
    fn secret(&self, key: &HubKey) -> Result<Option<Secret>, StoreError> {
        Ok(self.network_secret.as_deref().map(|sealed| key.open(SECRET_PLACE, sealed)).transpose()?)
    }

    fn mode(&self) -> CheckMode {
        if self.handshake_only { CheckMode::Handshake } else { CheckMode::Full }
    }

    pub(in crate::store) fn into_spec(self, key: &HubKey) -> Result<PeerSpec, StoreError> {
        Ok(PeerSpec {
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
        })
    }
}

impl PeerRow {
    pub(super) fn into_record(self, key: &HubKey) -> Result<PeerRecord, StoreError> {
        Ok(PeerRecord {
            id: self.id,
            approved: self.approved,
            set_aside: self.set_aside,
            submitted: self.submitted,
            verdict: rows::verdict(self.verdict)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            spec: self.spec.into_spec(key)?,
        })
    }

    /// Decodes the row; the secret is included only when a `key` is given.
    pub(super) fn into_probe_peer(self, key: Option<&HubKey>) -> Result<ProbePeer, StoreError> {
        let spec = self.spec;
        Ok(ProbePeer {
            id: self.id,
            network_secret: key.map(|key| spec.secret(key)).transpose()?.flatten(),
            mode: spec.mode(),
            url: rows::url(&spec.url)?,
            name: spec.name,
            network_name: spec.network_name,
            timeout: rows::duration(spec.timeout_ms),
            allow_relay: spec.allow_relay,
            tags: rows::labels(spec.tags),
            submitted: self.submitted,
            verdict: rows::verdict(self.verdict)?,
            response_us: self.response_us,
        })
    }
}
