//! The hash of the admin's password, and the admin's sessions.

use std::time::Duration;

use uuid::Uuid;

use super::Store;
use crate::{
    db::{args, work},
    domain::Timestamp,
    error::StoreError,
};

/// A session of the admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The random id of the session.
    pub id: Uuid,
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
        Ok(self.db().execute(insert, args![hash, now]).await? > 0)
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
                    tx.execute("DELETE FROM sessions", vec![]).await.map(drop)
                })
            })
            .await
    }

    /// Starts a session. The `id` is derived from its token.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_session(&self, id: Uuid, lifetime: Duration, now: Timestamp) -> Result<Session, StoreError> {
        let session = Session { id, expires_at: now + lifetime };
        let insert = "INSERT INTO sessions (id, created_at, expires_at) VALUES ($1, $2, $3)";
        self.db().execute(insert, args![session.id, now, session.expires_at]).await?;
        Ok(session)
    }

    /// The session of an id, unless it has expired at `now` or was ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn session(&self, id: Uuid, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let select = "SELECT expires_at FROM sessions WHERE id = $1 AND expires_at > $2";
        let row: Option<(Timestamp,)> = self.db().urgent(select, args![id, now]).await?;
        Ok(row.map(|(expires_at,)| Session { id, expires_at }))
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_session(&self, id: Uuid) -> Result<(), StoreError> {
        self.db().execute("DELETE FROM sessions WHERE id = $1", args![id]).await.map(drop)
    }
}
