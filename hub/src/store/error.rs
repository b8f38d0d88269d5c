//! What can go wrong in the store.

use crate::crypto::{HubKeyError, Unsealable};

/// A failure of the store. Details are for the log: none of them is text for a client, except what [`Conflict`] and
/// [`NotFound`] say.
///
/// [`Conflict`]: StoreError::Conflict
/// [`NotFound`]: StoreError::NotFound
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing, or the caller may not know of it.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// What is asked contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error("the database has another hub's key: {0}")]
    WrongHubKey(#[from] Unsealable),
    #[error(transparent)]
    HubKey(#[from] HubKeyError),
    #[error("the database cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("file {path}: {source}")]
    File { path: String, source: std::io::Error },
    /// Something in the database that this program did not write.
    #[error("unreadable data in the database: {0}")]
    Corrupt(String),
    /// Another transaction changed what this one had read.
    #[error("overtaken by another transaction")]
    Overtaken,
    /// The store was closed before it could do this; nothing was changed.
    #[error("the store is closed")]
    Closed,
    #[error("{0} is for SQLite only")]
    SqliteOnly(&'static str),
}

/// Why something stored forbids what is asked; each is final for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("a peer with this address and network is listed already")]
    PeerListed,
    #[error("this server_id is registered already; only its own token can register it again")]
    ServerIdTaken,
    #[error("the token belongs to another server_id")]
    OtherProbe,
    #[error("the token belongs to another region")]
    OtherRegion,
    #[error("a probe with this server_id stands in another region")]
    ProbeElsewhere,
}

impl StoreError {
    /// Whether a row was there already.
    pub(super) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether the same attempt may succeed a moment later: another transaction was in the way.
    pub(super) fn is_transient(&self) -> bool {
        let error = match self {
            Self::Overtaken => return true,
            Self::Database(sqlx::Error::Database(error)) => error,
            _ => return false,
        };
        // PostgreSQL: serialization failure, deadlock. SQLite: busy (5) and its extended codes.
        error.code().is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "5" | "261" | "517"))
    }
}
