//! The admin's password and sessions.

use std::time::Duration;

use easytier_probe::Secret;
use uuid::Uuid;

use super::{Store, StoreError, engine::args};
use crate::{password, time::Timestamp};

/// A login that lasts until it expires or is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: Uuid,
    pub expires_at: Timestamp,
}

impl Store {
    /// Makes a password when there is none, and gives it, this once. Of two hubs that start at the same time one
    /// gives it.
    pub async fn first_admin_password(&self, now: Timestamp) -> Result<Option<Secret>, StoreError> {
        if self.admin_hash().await?.is_some() {
            return Ok(None);
        }
        let made = password::generate();
        let hash = hashed(made.clone()).await?;
        let insert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
        let inserted = self.db().execute(insert, args![hash, now]).await?;
        Ok((inserted > 0).then_some(made))
    }

    /// Sets the password and ends all sessions; nothing happens when it is the password already.
    pub async fn set_admin_password(&self, password: &Secret, now: Timestamp) -> Result<(), StoreError> {
        if self.is_admin_password(password).await? {
            return Ok(());
        }
        let hash = hashed(password.clone()).await?;
        let mut tx = self.db().begin().await?;
        let upsert = "INSERT INTO admin (id, password_hash, changed_at) VALUES (1, $1, $2) \
                      ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash, \
                      changed_at = excluded.changed_at";
        tx.execute(upsert, args![hash, now]).await?;
        tx.execute("DELETE FROM sessions", vec![]).await?;
        tx.commit().await
    }

    /// Whether this is the admin's password. Costs tens of milliseconds of CPU: limit how often strangers may ask.
    pub async fn is_admin_password(&self, password: &Secret) -> Result<bool, StoreError> {
        let Some(kept) = self.admin_hash().await? else { return Ok(false) };
        let password = password.clone();
        off_the_runtime(move || password::verify(&password, &kept)).await
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

    async fn admin_hash(&self) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.db().optional("SELECT password_hash FROM admin", vec![]).await?;
        Ok(row.map(|(hash,)| hash))
    }
}

async fn hashed(password: Secret) -> Result<String, StoreError> {
    off_the_runtime(move || password::hash(&password)).await
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}
