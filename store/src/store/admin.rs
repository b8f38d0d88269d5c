//! The hash of the admin's password, and sessions.

use std::time::Duration;

use uuid::Uuid;

use super::{Store, StoreError, engine::args};
use crate::time::Timestamp;

/// A login that lasts until it expires or is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: Uuid,
    pub expires_at: Timestamp,
}

impl Store {
    /// The hash of the admin's password; `None` before there is a password.
    pub async fn admin_password_hash(&self) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.db().optional("SELECT password_hash FROM admin", vec![]).await?;
        Ok(row.map(|(hash,)| hash))
    }

    /// Keeps the hash of the first password and returns true, unless there is a password already.
    pub async fn put_first_admin_password_hash(&self, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        let insert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
        Ok(self.db().execute(insert, args![hash, now]).await? > 0)
    }

    /// Replaces the hash of the password and ends all sessions.
    pub async fn set_admin_password_hash(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        let upsert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) \
                      ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash, \
                      changed_at = excluded.changed_at";
        tx.execute(upsert, args![hash, now]).await?;
        tx.execute("DELETE FROM sessions", vec![]).await?;
        tx.commit().await
    }

    pub async fn start_session(&self, lifetime: Duration, now: Timestamp) -> Result<Session, StoreError> {
        let session = Session { id: Uuid::new_v4(), expires_at: now + lifetime };
        let insert = "INSERT INTO sessions (id, created_at, expires_at) VALUES ($1, $2, $3)";
        self.db().execute(insert, args![session.id, now, session.expires_at]).await?;
        Ok(session)
    }

    /// Whether a session lasts at `now`.
    pub async fn session_lasts(&self, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        let select = "SELECT expires_at FROM sessions WHERE id = $1 AND expires_at > $2";
        Ok(self.db().optional::<(Timestamp,)>(select, args![id, now]).await?.is_some())
    }

    pub async fn end_session(&self, id: Uuid) -> Result<(), StoreError> {
        self.db().execute("DELETE FROM sessions WHERE id = $1", args![id]).await.map(drop)
    }
}
