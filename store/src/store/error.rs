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
    /// The database did not answer in time, or is known to be away. What was asked may have been done.
    #[error("the database does not answer")]
    Unavailable,
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
    #[error("only a probe that is offline can be removed")]
    ProbeThere,
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

    /// Whether nothing is wrong with what was asked, and it may succeed when the database is in order again: it is out
    /// of reach, out of something, or too busy.
    pub fn is_unavailable(&self) -> bool {
        use sqlx::Error::{BeginFailed, Database, Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
        match self {
            Self::Unavailable | Self::Overtaken => true,
            Self::Database(Database(error)) => error.code().is_some_and(|code| is_of_the_moment(&code)),
            Self::Database(error) => {
                matches!(error, Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed)
            }
            _ => false,
        }
    }
}

/// Whether a database's error code says what passes.
fn is_of_the_moment(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's are shorter than PostgreSQL's five characters. Their low byte: busy, locked, I/O error, full.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 13),
        // PostgreSQL: connection lost, out of resources, shut down or starting, another transaction in the way, a lock
        // that is not free, a session that was given up, a standby that a failover has not reached yet.
        _ => {
            ["08", "53", "57P", "40"].iter().any(|class| code.starts_with(class))
                || matches!(code, "55P03" | "25P03" | "25006")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays_wrong() {
        for passing in ["5", "517", "10", "778", "13", "08006", "53300", "57P01", "40001", "25006"] {
            assert!(is_of_the_moment(passing), "{passing}");
        }
        // A constraint, a schema, a corrupt file; a constraint, a syntax error, a missing table, a cancelled statement.
        for lasting in ["19", "2067", "1", "11", "23505", "42601", "42P01", "57014"] {
            assert!(!is_of_the_moment(lasting), "{lasting}");
        }
    }

    #[test]
    fn a_database_out_of_reach_is_unavailable_and_a_wrong_statement_is_not() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for error in [sqlx::Error::Io(io), sqlx::Error::PoolTimedOut] {
            assert!(StoreError::Database(error).is_unavailable());
        }
        assert!(!StoreError::Database(sqlx::Error::RowNotFound).is_unavailable());
        assert!(!StoreError::Corrupt("x".into()).is_unavailable());
    }
}
