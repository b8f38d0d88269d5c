//! Tokens and keys: issuing, authenticating, listing, revoking.

use std::collections::BTreeSet;

use super::{
    Store,
    audit::Change,
    edits, regions,
    rows::{self, without_nul},
};
use crate::{
    db::{Tx, args, sql, work},
    domain::{
        AuditObject, AuditVerb, Caller, Credential, CredentialId, CredentialKind, EnrollmentKey, EnrollmentLimits,
        IssuedToken, Lapsed, NodeToken, ProbeId, ProbeIdentity, Region, RegionId, Scope, Timestamp, scope,
    },
    error::{Conflict, StoreError},
    token::{self, TokenHash},
};

#[derive(sqlx::FromRow)]
struct CredentialRow {
    id: CredentialId,
    kind: String,
    name: String,
    hash: Vec<u8>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    max_uses: Option<i64>,
    uses: i64,
    scopes: String,
    probe_id: Option<ProbeId>,
    server_id: Option<String>,
    region_id: Option<RegionId>,
    region: Option<String>,
}

/// The columns of a [`CredentialRow`] and their tables.
macro_rules! credential_columns {
    ($engine:ident) => {
        "c.id, c.kind, c.name, c.hash, c.created_at, c.revoked_at, c.expires_at, c.last_used_at, c.max_uses, c.uses, c.scopes, \
         c.probe_id, b.server_id, r.id AS region_id, r.name AS region FROM credentials c LEFT JOIN probes b ON b.id = c.probe_id \
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
            CredentialKind::Api => Caller::Api { scopes: scope::of_text(&self.scopes), name: self.name },
            CredentialKind::Enrollment => Caller::Enrollment(EnrollmentKey { id: self.id, region: self.region() }),
            CredentialKind::Node => Caller::Probe(ProbeIdentity {
                probe: self.probe_id.ok_or_else(corrupt)?,
                region_id: self.region_id.ok_or_else(corrupt)?,
                region: self.region().ok_or_else(corrupt)?,
                server_id: self.server_id.ok_or_else(|| StoreError::Corrupt("probes.server_id".into()))?,
            }),
        })
    }

    fn credential(&self) -> Result<Credential, StoreError> {
        Ok(Credential {
            id: self.id,
            scopes: match self.kind()? {
                CredentialKind::Api => scope::of_text(&self.scopes),
                CredentialKind::Node | CredentialKind::Enrollment => BTreeSet::new(),
            },
            kind: self.kind()?,
            region: self.region(),
            name: self.name.clone(),
            server_id: self.server_id.clone(),
            created_at: self.created_at,
            revoked_at: self.revoked_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            max_uses: self.max_uses.map(rows::count),
            uses: rows::count(self.uses),
        })
    }
}

impl Store {
    /// Issues a key that lists peers without their secrets, until `expires_at`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_api_key(
        &self,
        name: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        self.create_scoped_api_key(name, &[Scope::Read].into(), expires_at, now).await
    }

    /// Issues a key that may do what `scopes` permit, until `expires_at`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_scoped_api_key(
        &self,
        name: &str,
        scopes: &BTreeSet<Scope>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        let new = &NewCredential { scopes: Some(scopes), expires_at, ..NewCredential::of(CredentialKind::Api, name) };
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    let key = issue(tx, new, now).await?;
                    edit.note(tx, issued(new, key.id)).await?;
                    Ok(key)
                })
            })
            .await
    }

    /// Issues a key with which new probes get a token.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn create_enrollment_key(
        &self,
        name: &str,
        limits: &EnrollmentLimits,
        now: Timestamp,
    ) -> Result<IssuedToken, StoreError> {
        let &EnrollmentLimits { ref region, max_uses, expires_at } = limits;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    let region = match region {
                        Some(region) => Some(regions::ensure(tx, region).await?),
                        None => None,
                    };
                    let of_kind = NewCredential::of(CredentialKind::Enrollment, name);
                    let new = NewCredential { region, max_uses, expires_at, ..of_kind };
                    let key = issue(tx, &new, now).await?;
                    edit.note(tx, issued(&new, key.id)).await?;
                    Ok(key)
                })
            })
            .await
    }

    /// The owner of a presented token or key; `None` when it is unknown. A use is noted, and stored later by
    /// [`store_last_uses`](Self::store_last_uses). Whether an enrollment key is used up is not asked here, because a probe may
    /// repeat its enrollment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Lapsed`] when it was revoked or has expired; otherwise when the database fails.
    pub async fn authenticate(&self, presented: &str, now: Timestamp) -> Result<Option<Caller>, StoreError> {
        let Some(lookup) = token::lookup(presented) else { return Ok(None) };
        let select = sql!("SELECT ", (credential_columns), " WHERE c.lookup = $1");
        let row: Option<CredentialRow> = self.db().urgent(select, args![lookup]).await?;
        let Some(row) = row.filter(|row| token::matches(presented, &row.hash)) else { return Ok(None) };
        match row.credential()?.lapsed(now) {
            Some(lapsed @ (Lapsed::Revoked { .. } | Lapsed::Expired { .. })) => return Err(lapsed.into()),
            Some(Lapsed::UsedUp { .. }) | None => {}
        }
        self.shared.last_uses.note(row.id, row.last_used_at, now);
        row.into_caller().map(Some)
    }

    /// All tokens or keys of a kind, also the revoked ones, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self, kind: CredentialKind) -> Result<Vec<Credential>, StoreError> {
        let select = sql!("SELECT ", (credential_columns), " WHERE c.kind = $1 ORDER BY c.id");
        let rows: Vec<CredentialRow> = self.db().all(select, args![kind.as_str()]).await?;
        rows.iter().map(CredentialRow::credential).collect()
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
        let update = "UPDATE credentials SET revoked_at = $3 WHERE id = $1 AND kind = $2 AND revoked_at IS NULL \
                      RETURNING name";
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    let row: Option<(String,)> = tx.optional(update, args![id, kind.as_str(), now]).await?;
                    let (name,) = row.ok_or(StoreError::NotFound("credential"))?;
                    edit.note(tx, Change::of(audited(kind), AuditVerb::Revoke).id(id).named(name)).await
                })
            })
            .await
    }
}

/// What a token or key of this kind is in the audit log.
fn audited(kind: CredentialKind) -> AuditObject {
    match kind {
        CredentialKind::Node => AuditObject::NodeToken,
        CredentialKind::Api => AuditObject::ApiKey,
        CredentialKind::Enrollment => AuditObject::EnrollmentKey,
    }
}

/// A new token or key, for the audit log.
pub(super) fn issued(new: &NewCredential<'_>, id: CredentialId) -> Change {
    let scopes = new.scopes.map(scope::text_of).unwrap_or_default();
    Change::of(audited(new.kind), AuditVerb::Add).id(id).named(new.name).detail(scopes)
}

/// A token or key to issue.
pub(super) struct NewCredential<'a> {
    pub kind: CredentialKind,
    pub name: &'a str,
    pub probe: Option<ProbeId>,
    pub region: Option<RegionId>,
    pub expires_at: Option<Timestamp>,
    pub max_uses: Option<u32>,
    /// What an API key may do.
    pub scopes: Option<&'a BTreeSet<Scope>>,
    /// The enrollment key with which it is issued.
    pub enrolled_by: Option<CredentialId>,
}

impl<'a> NewCredential<'a> {
    /// One without limits.
    pub fn of(kind: CredentialKind, name: &'a str) -> Self {
        Self {
            kind,
            name,
            probe: None,
            region: None,
            expires_at: None,
            max_uses: None,
            scopes: None,
            enrolled_by: None,
        }
    }
}

/// Issues a token within a transaction.
pub(super) async fn issue(tx: &mut Tx, new: &NewCredential<'_>, now: Timestamp) -> Result<IssuedToken, StoreError> {
    let (token, hash) = token::issue(new.kind);
    let id = insert(tx, new, &hash, now).await?;
    Ok(IssuedToken { id, token })
}

/// Takes the node token that a probe made, or issues one.
pub(super) async fn issue_or_take(
    tx: &mut Tx,
    new: &NewCredential<'_>,
    own: Option<&NodeToken>,
    now: Timestamp,
) -> Result<IssuedToken, StoreError> {
    let Some(token) = own else { return issue(tx, new, now).await };
    let id = insert(tx, new, &token::hash_of(token), now).await?;
    Ok(IssuedToken { id, token: token.secret().clone() })
}

/// Stores a token of which the hash is known; [`Conflict::TokenTaken`] when another one has the same public part.
async fn insert(
    tx: &mut Tx,
    new: &NewCredential<'_>,
    TokenHash { lookup, hash }: &TokenHash,
    now: Timestamp,
) -> Result<CredentialId, StoreError> {
    let insert = "INSERT INTO credentials (kind, name, lookup, hash, probe_id, region_id, expires_at, max_uses, \
                  enrolled_by, created_at, scopes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                  ON CONFLICT (lookup) DO NOTHING RETURNING id";
    let parameters = args![
        new.kind.as_str(),
        without_nul(new.name),
        lookup.as_str(),
        hash.as_ref().to_vec(),
        new.probe,
        new.region,
        new.expires_at,
        new.max_uses,
        new.enrolled_by,
        now,
        // Of the other kinds it says nothing.
        new.scopes.map_or_else(|| Scope::Read.as_str().to_owned(), scope::text_of),
    ];
    let row: Option<(CredentialId,)> = tx.optional(insert, parameters).await?;
    row.map(|(id,)| id).ok_or(Conflict::TokenTaken.into())
}

/// Reads an enrollment key and keeps it as it is until the end of the transaction: other enrollments with it wait.
pub(super) async fn lock_enrollment_key(tx: &mut Tx, id: CredentialId) -> Result<Credential, StoreError> {
    let select =
        sql!("SELECT ", (credential_columns), " WHERE c.id = $1 AND c.kind = 'enrollment'", ["" | " FOR UPDATE OF c"]);
    let row: Option<CredentialRow> = tx.optional(select, args![id]).await?;
    row.ok_or(StoreError::NotFound("enrollment key"))?.credential()
}

/// Counts one use of an enrollment key that is locked.
pub(super) async fn count_use(tx: &mut Tx, id: CredentialId, now: Timestamp) -> Result<(), StoreError> {
    let update = "UPDATE credentials SET uses = uses + 1, last_used_at = $2 WHERE id = $1";
    tx.execute(update, args![id, now]).await.map(drop)
}

/// The id of a valid node token of the probe, if this enrollment key issued it.
pub(super) async fn enrolled_token(
    tx: &mut Tx,
    probe: ProbeId,
    key: CredentialId,
    token: &NodeToken,
) -> Result<Option<CredentialId>, StoreError> {
    let TokenHash { lookup, hash } = token::hash_of(token);
    let select = "SELECT id, hash FROM credentials WHERE lookup = $1 AND probe_id = $2 AND enrolled_by = $3 \
                  AND revoked_at IS NULL";
    let row: Option<(CredentialId, Vec<u8>)> = tx.optional(select, args![lookup, probe, key]).await?;
    Ok(row.filter(|(_, stored)| token::equal(hash.as_ref(), stored)).map(|(id, _)| id))
}

/// Whether the probe had tokens, and all of them were revoked or have expired.
pub(super) async fn have_ended(tx: &mut Tx, probe: ProbeId, now: Timestamp) -> Result<bool, StoreError> {
    let select = "SELECT count(*), count(CASE WHEN revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) THEN 1 END) \
                  FROM credentials WHERE probe_id = $1";
    let (issued, valid): (i64, i64) = tx.one(select, args![probe, now]).await?;
    Ok(issued > 0 && valid == 0)
}
