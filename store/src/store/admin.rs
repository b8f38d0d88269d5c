//! The hash of the admin's password, and the admin's sessions.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use uuid::Uuid;

use super::{
    Store,
    audit::{self, Change},
};
use crate::{
    db::{args, work},
    domain::{AuditObject, AuditVerb, Timestamp},
    error::StoreError,
};

/// What the database holds of a session's token: its SHA-256. A reader of the table cannot derive a token from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// The id of the session with this token.
    pub fn of(token: &str) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(id)
    }

    /// The primary key: the first half.
    fn key(self) -> Uuid {
        let mut key = [0; 16];
        key.copy_from_slice(&self.0[..16]);
        Uuid::from_bytes(key)
    }

    /// The beginning of the hash, which tells sessions apart in the audit log.
    pub fn short(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..4])
    }

    fn hash(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.key())
    }
}

/// A session of the admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The hash of its token.
    pub id: SessionId,
    /// When it ends, unless it is ended earlier.
    pub expires_at: Timestamp,
}

impl Store {
    /// The hash of the admin's password; `None` before the first password is set.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn admin_password_hash(&self) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.db().urgent("SELECT password_hash FROM admin", vec![]).await?;
        Ok(row.map(|(hash,)| hash))
    }

    /// Stores the hash of the first password and returns true; returns false when a password is set already.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_first_admin_password_hash(&self, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        let insert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
        self.db()
            .transaction(|tx| {
                work(async move {
                    let is_first = tx.execute(insert, args![hash, now]).await? > 0;
                    if is_first {
                        audit::note(tx, Change::of(AuditObject::Password, AuditVerb::Add)).await?;
                    }
                    Ok(is_first)
                })
            })
            .await
    }

    /// Replaces the hash of the password and ends all sessions.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_admin_password_hash(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let upsert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) \
                      ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash, \
                      changed_at = excluded.changed_at";
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.execute(upsert, args![hash, now]).await?;
                    tx.execute("DELETE FROM sessions", vec![]).await?;
                    audit::note(tx, Change::of(AuditObject::Password, AuditVerb::Change)).await
                })
            })
            .await
    }

    /// Starts a session.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_session(
        &self,
        id: SessionId,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let session = Session { id, expires_at: now + lifetime };
        let insert = "INSERT INTO sessions (id, hash, created_at, expires_at) VALUES ($1, $2, $3, $4)";
        let parameters = &args![id.key(), id.hash(), now, session.expires_at];
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.execute(insert, parameters.clone()).await?;
                    audit::note(tx, Change::of(AuditObject::Session, AuditVerb::Start).id(id.short())).await
                })
            })
            .await?;
        Ok(session)
    }

    /// The session of an id, unless it has expired at `now` or was ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn session(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        // A session that an older hub on this database began has no hash.
        let select =
            "SELECT expires_at FROM sessions WHERE id = $1 AND (hash IS NULL OR hash = $2) AND expires_at > $3";
        let row: Option<(Timestamp,)> = self.db().urgent(select, args![id.key(), id.hash(), now]).await?;
        Ok(row.map(|(expires_at,)| Session { id, expires_at }))
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_session(&self, id: SessionId) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    match tx.execute("DELETE FROM sessions WHERE id = $1", args![id.key()]).await? {
                        0 => Ok(()),
                        _ => audit::note(tx, Change::of(AuditObject::Session, AuditVerb::End).id(id.short())).await,
                    }
                })
            })
            .await
    }
}
