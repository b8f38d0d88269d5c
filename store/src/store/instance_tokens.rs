//! The tokens with which the other instances of the cluster come to this one.

use std::time::Duration;

use easytier_probe::Secret;

use super::{
    Store,
    audit::{self, Change},
    members,
};
use crate::{
    db::{Tx, args, work},
    domain::{AuditObject, AuditVerb, InstanceId, Timestamp},
    error::StoreError,
    token::{self, TokenHash},
};

/// How old the stored time of the last use is at least before another use is stored.
const PRECISION: Duration = Duration::from_secs(5 * 60);

impl Store {
    /// Issues a token for an instance, which stays secret: only its hash is stored. The token that the instance uses ends when
    /// the new one is first used; one that it never used ends at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the instance is no [`member`](Self::member); otherwise when the database fails.
    pub async fn issue_instance_token(&self, id: InstanceId, now: Timestamp) -> Result<Secret, StoreError> {
        let (token, TokenHash { lookup, hash }) = &token::issue_for_instance();
        let member = &id.to_string();
        self.db()
            .transaction(|tx| {
                work(async move {
                    members::lock(tx, id).await?;
                    let unused = "DELETE FROM instance_tokens WHERE instance_id = $1 AND last_used_at IS NULL";
                    tx.execute(unused, args![member.as_str()]).await?;
                    let insert = "INSERT INTO instance_tokens (lookup, hash, instance_id, created_at) \
                                  VALUES ($1, $2, $3, $4)";
                    let parameters = args![lookup.as_str(), hash.as_ref().to_vec(), member.as_str(), now];
                    tx.execute(insert, parameters).await?;
                    audit::note(tx, Change::of(AuditObject::Instance, AuditVerb::Add).id(id)).await
                })
            })
            .await?;
        Ok(token.clone())
    }

    /// The instance that a presented token belongs to; `None` when it is unknown.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn authenticate_instance(
        &self,
        presented: &str,
        now: Timestamp,
    ) -> Result<Option<InstanceId>, StoreError> {
        let Some(lookup) = token::instance_lookup(presented) else { return Ok(None) };
        let select = "SELECT instance_id, hash, last_used_at FROM instance_tokens WHERE lookup = $1";
        let row: Option<(String, Vec<u8>, Option<Timestamp>)> = self.db().urgent(select, args![lookup]).await?;
        let Some((member, _, last_used)) = row.filter(|(_, hash, _)| token::matches(presented, hash)) else {
            return Ok(None);
        };
        if last_used.is_none_or(|last| now.since(last) >= PRECISION) {
            let member = &member;
            let used = self.db().transaction(|tx| work(note_use(tx, lookup, member, last_used.is_none(), now))).await?;
            if !used {
                return Ok(None);
            }
        }
        member.parse().map(Some).map_err(|_| StoreError::Corrupt("instance_tokens.instance_id".into()))
    }
}

/// Stores a use of a token; the first one ends the other tokens of the instance. Returns whether the token still exists.
async fn note_use(tx: &mut Tx, lookup: &str, member: &str, is_first: bool, now: Timestamp) -> Result<bool, StoreError> {
    let update = "UPDATE instance_tokens SET last_used_at = $2 WHERE lookup = $1";
    if tx.execute(update, args![lookup, now]).await? == 0 {
        return Ok(false);
    }
    if is_first {
        let others = "DELETE FROM instance_tokens WHERE instance_id = $1 AND lookup <> $2";
        tx.execute(others, args![member, lookup]).await?;
    }
    Ok(true)
}
