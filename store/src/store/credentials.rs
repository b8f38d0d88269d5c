//! Tokens and keys: issuing, authenticating, listing, revoking.

use super::{Store, regions, rows::without_nul};
use crate::{
    db::{Tx, args, sql, work},
    domain::{
        Caller, Credential, CredentialId, CredentialKind, IssuedToken, ProbeId, ProbeIdentity, Region, RegionId,
        Timestamp,
    },
    error::StoreError,
    token,
};

#[derive(sqlx::FromRow)]
struct CredentialRow {
    id: CredentialId,
    kind: String,
    name: String,
    hash: Vec<u8>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    probe_id: Option<ProbeId>,
    server_id: Option<String>,
    region_id: Option<RegionId>,
    region: Option<String>,
}

/// The columns of a [`CredentialRow`] and their tables.
macro_rules! credential_columns {
    ($engine:ident) => {
        "c.id, c.kind, c.name, c.hash, c.created_at, c.revoked_at, c.probe_id, b.server_id, r.id AS region_id, \
         r.name AS region FROM credentials c LEFT JOIN probes b ON b.id = c.probe_id \
         LEFT JOIN regions r ON r.id = coalesce(b.region_id, c.region_id)"
    };
}

impl CredentialRow {
    fn kind(&self) -> Result<CredentialKind, StoreError> {
        CredentialKind::from_name(&self.kind)
            .ok_or_else(|| StoreError::Corrupt(format!("credentials.kind of {}", self.id)))
    }

    fn region(&self) -> Option<Region> {
        self.region.as_deref().and_then(|name| name.parse().ok())
    }

    fn into_caller(self) -> Result<Caller, StoreError> {
        let corrupt = || StoreError::Corrupt(format!("credentials: node token {} has no probe", self.id));
        Ok(match self.kind()? {
            CredentialKind::Api => Caller::Api { name: self.name },
            CredentialKind::Enrollment => Caller::Enrollment { region: self.region() },
            CredentialKind::Node => Caller::Probe(ProbeIdentity {
                probe: self.probe_id.ok_or_else(corrupt)?,
                region_id: self.region_id.ok_or_else(corrupt)?,
                region: self.region().ok_or_else(corrupt)?,
                server_id: self.server_id.ok_or_else(|| StoreError::Corrupt("probes.server_id".into()))?,
            }),
        })
    }

    fn into_credential(self) -> Result<Credential, StoreError> {
        Ok(Credential {
            id: self.id,
            kind: self.kind()?,
            region: self.region(),
            name: self.name,
            server_id: self.server_id,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
        })
    }
}

impl Store {
    /// Issues a key that lists peers without their secrets.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_api_key(&self, name: &str, now: Timestamp) -> Result<IssuedToken, StoreError> {
        self.db()
            .transaction(|tx| work(async move { issue(tx, CredentialKind::Api, name, None, None, now).await }))
            .await
    }

    /// Issues a key with which new probes get a token, in any region or only in `region`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_enrollment_key(
        &self,
        name: &str,
        region: Option<&Region>,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    let region_id = match region {
                        Some(region) => Some(regions::ensure(tx, region).await?),
                        None => None,
                    };
                    issue(tx, CredentialKind::Enrollment, name, None, region_id, now).await
                })
            })
            .await
    }

    /// The owner of a presented token or key; `None` when it is unknown or revoked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Caller>, StoreError> {
        let Some(lookup) = token::lookup(presented) else { return Ok(None) };
        let select = sql!("SELECT ", (credential_columns), " WHERE c.lookup = $1 AND c.revoked_at IS NULL");
        let row: Option<CredentialRow> = self.db().urgent(select, args![lookup]).await?;
        row.filter(|row| token::matches(presented, &row.hash)).map(CredentialRow::into_caller).transpose()
    }

    /// All tokens or keys of a kind, also the revoked ones, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self, kind: CredentialKind) -> Result<Vec<Credential>, StoreError> {
        let select = sql!("SELECT ", (credential_columns), " WHERE c.kind = $1 ORDER BY c.id");
        let rows: Vec<CredentialRow> = self.db().all(select, args![kind.as_str()]).await?;
        rows.into_iter().map(CredentialRow::into_credential).collect()
    }

    /// Revokes a token or key, at once and for ever.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such credential or it is revoked already; otherwise when the database
    /// fails.
    pub async fn revoke_credential(
        &self,
        kind: CredentialKind,
        id: CredentialId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE credentials SET revoked_at = $3 WHERE id = $1 AND kind = $2 AND revoked_at IS NULL";
        match self.db().execute(update, args![id, kind.as_str(), now]).await? {
            0 => Err(StoreError::NotFound("credential")),
            _ => Ok(()),
        }
    }
}

/// Issues a token within a transaction.
pub(super) async fn issue(
    tx: &mut Tx,
    kind: CredentialKind,
    name: &str,
    probe: Option<ProbeId>,
    region: Option<RegionId>,
    now: Timestamp,
) -> Result<IssuedToken, StoreError> {
    let (token, token::TokenHash { lookup, hash }) = token::issue(kind);
    let insert = "INSERT INTO credentials (kind, name, lookup, hash, probe_id, region_id, created_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let parameters = args![kind.as_str(), without_nul(name), lookup, hash.as_ref().to_vec(), probe, region, now];
    let (id,) = tx.one(insert, parameters).await?;
    Ok(IssuedToken { id, token })
}
