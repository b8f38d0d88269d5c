//! Errors of the store.

use crate::{
    crypto::{HubKeyError, Unsealable},
    domain::{ConfigVersion, Lapsed, Leader, Role},
    refusal::Refusal,
};

/// An error of the store. The messages are for the log; only those of [`StoreError::Conflict`], [`StoreError::Lapsed`],
/// [`StoreError::NotFound`], [`StoreError::NotPrimary`], [`StoreError::NoRegistrations`], [`StoreError::HandingOver`] and
/// [`StoreError::Role`] are fit for clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such row, or the caller may not know about it. Names the kind of row.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The request contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The caller's token or key was issued, but is no longer accepted.
    #[error(transparent)]
    Lapsed(#[from] Lapsed),
    /// An edit at a dependent; the primary takes it. Nothing was changed.
    #[error("This instance is a dependent of {}. Make the change there{}", .0.name, address(.0))]
    NotPrimary(Box<Leader>),
    /// A probe asked a dependent to enroll or register it, which only the primary does. Nothing was changed.
    #[error("This instance is a dependent of {}, which registers probes; try again later, or there{}", .0.name, address(.0))]
    NoRegistrations(Box<Leader>),
    /// An edit at a primary that hands over to another instance. Nothing was changed.
    #[error("another instance becomes the primary now; make the change in a minute")]
    HandingOver,
    /// What was asked contradicts the role, the cluster or the epoch of this instance. Nothing was changed.
    #[error(transparent)]
    Role(#[from] RoleConflict),
    /// The secrets in the database were encrypted with another key.
    #[error("the database has another hub's key: {0}")]
    WrongHubKey(#[from] Unsealable),
    /// A value that is encrypted with another key than the others, or damaged. Names its column and its row.
    #[error("{0} cannot be decrypted: it is damaged")]
    Undecryptable(String),
    /// The hub's key cannot be read.
    #[error(transparent)]
    HubKey(#[from] HubKeyError),
    /// A migration failed.
    #[error("the database cannot be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database is not opened, although it can be reached.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database reported an error, or cannot be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A file cannot be read or written.
    #[error("file {path}: {source}")]
    File {
        /// The path of the file.
        path: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The database holds a value that this program cannot have written.
    #[error("unreadable data in the database: {0}")]
    Corrupt(String),
    /// Another transaction changed what this one had read.
    #[error("overtaken by another transaction")]
    Overtaken,
    /// Another hub has taken over a piece of work that one hub does at a time. Names the duty. Nothing was changed.
    #[error("another hub has taken over the duty {0}")]
    DutyLost(String),
    /// The database did not respond in time. The change may have been made or not.
    #[error("the database does not respond")]
    Unavailable,
    /// A piece of work panicked, which is a defect. What it had not committed is rolled back.
    #[error("the work ended in a panic")]
    Panicked,
    /// The store was closed first. Nothing was changed.
    #[error("the store is closed")]
    Closed,
    /// The request names a newer configuration than this instance holds. It may succeed after the next synchronisation.
    #[error("this instance does not hold the configuration {0} yet")]
    Behind(ConfigVersion),
    /// The operation needs a SQLite database.
    #[error("{0} is for SQLite only")]
    SqliteOnly(&'static str),
}

/// Why a request contradicts what is stored. Repeating the request gives the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Another peer has the same URL and network name.
    #[error("a peer with this address and network is listed already")]
    PeerListed,
    /// Another probe has this `server_id`.
    #[error("this server_id is registered already; only its own token can register it again")]
    ServerIdTaken,
    /// Another token begins like the one that a probe made.
    #[error("another token begins with the same 16 digits; make a new node_token")]
    TokenTaken,
    /// A request names another `server_id` than that of its token.
    #[error("the token belongs to another server_id")]
    OtherProbe,
    /// A request names another region than that of its key.
    #[error("the token belongs to another region")]
    OtherRegion,
    /// The probe exists in another region.
    #[error("a probe with this server_id exists in another region")]
    ProbeInOtherRegion,
    /// The peer was changed since the caller read it.
    #[error("somebody changed this node meanwhile; read it again")]
    PeerChanged,
    /// A setting was changed since the caller read it.
    #[error("somebody changed these settings meanwhile; read them again")]
    SettingsChanged,
    /// The configuration that a dependent should adopt is older than the one it holds.
    #[error("this configuration is older than the one that this instance holds")]
    OlderConfiguration,
    /// Only a dependent adopts the configuration of a primary.
    #[error("this instance is not a dependent")]
    NotDependent,
    /// No instance can have made a configuration, because of its versions, ids, names or hashes.
    #[error("this is no configuration of an instance")]
    ImpossibleConfiguration,
    /// The probe is not offline.
    #[error("only a probe that is offline can be removed")]
    ProbeNotOffline,
    /// Another channel for alerts has the name.
    #[error("another channel has this name")]
    ChannelNamed,
    /// The channel was changed since the caller read it.
    #[error("somebody changed this channel meanwhile; read it again")]
    ChannelChanged,
    /// The maintenance window was changed since the caller read it.
    #[error("somebody changed this maintenance window meanwhile; read it again")]
    MaintenanceChanged,
    /// There are as many maintenance windows as there may be.
    #[error("there are too many maintenance windows; remove some that are over")]
    TooManyWindows,
    /// The maintenance window does not take place at this moment, so it cannot be ended.
    #[error("the maintenance window does not take place now")]
    NotInMaintenance,
    /// There are as many sources as there may be.
    #[error("there are too many sources; remove some")]
    TooManySources,
    /// Another source has the URL.
    #[error("this list is followed already")]
    SourceListed,
    /// There are as many managed probes as there may be.
    #[error("there are too many managed probes; remove some")]
    TooManyManaged,
    /// The probe is managed already.
    #[error("this probe is managed already")]
    ProbeManaged,
    /// The probe has a backend, which is not this hub.
    #[error(
        "this probe reports to another hub; remove BACKEND_BASE_URL from its configuration, or let it report to this one"
    )]
    ProbeElsewhere,
    /// An address was checked by request a moment ago.
    #[error("an address of this node was checked by request in the last ten seconds; try again in ten seconds")]
    CheckedJustNow,
    /// Another region has the name.
    #[error("another region has this name; move its probes instead, or remove it first")]
    RegionNamed,
    /// Instances of a cluster know regions by their names.
    #[error("the instances of a cluster know a region by its name, so that it can be neither renamed nor removed")]
    RegionShared,
    /// A probe of the region is not offline.
    #[error("a probe of this region is not offline; stop it first")]
    RegionHasProbes,
    /// A node token or an enrollment key of the region is valid.
    #[error("node tokens or enrollment keys of this region are valid; revoke them first")]
    RegionHasTokens,
    /// Peers name the region among those that check them.
    #[error("nodes name this region among those that check them; change them first")]
    RegionHasPeers,
    /// The timeline of the incident has as many texts of the operator as it may have.
    #[error("this incident has too many texts")]
    IncidentFull,
}

/// Why a request contradicts the role, the cluster or the epoch of this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleConflict {
    /// An instance in this role does not do that.
    #[error("this instance is {}", .0.as_str())]
    WrongRole(Role),
    /// The other instance belongs to another cluster.
    #[error("that instance belongs to another cluster than this one")]
    OtherCluster,
    /// The other instance names an epoch, or a configuration of an epoch, that is over.
    #[error("epoch {named} is over: this instance knows epoch {known}")]
    EpochOver {
        /// What it names.
        named: i64,
        /// What this instance knows.
        known: i64,
    },
    /// The epoch is not the one that the caller expects.
    #[error("the epoch is {known}, not {expected}")]
    OtherEpoch {
        /// What the caller expects.
        expected: i64,
        /// What it is.
        known: i64,
    },
    /// The epoch is less than 1, or too far ahead to be right.
    #[error("epoch {0} is out of range")]
    EpochOutOfRange(i64),
    /// The configuration is older than the one that this instance holds, or of an epoch that it does not know yet.
    #[error("configuration {named} does not follow {known}")]
    OtherConfig {
        /// What was named.
        named: ConfigVersion,
        /// What this instance holds.
        known: ConfigVersion,
    },
    /// The token is of another primary than the present one.
    #[error("another instance is the primary now")]
    OtherPrimary,
}

/// The end of a sentence that says where the primary is.
fn address(leader: &Leader) -> String {
    leader.url.as_ref().map_or_else(|| ".".to_owned(), |url| format!(": {url}"))
}

impl StoreError {
    /// Whether a row with the same key exists.
    pub(crate) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether a retry may succeed at once, because the transaction only met another one.
    pub(crate) fn is_transient(&self) -> bool {
        let error = match self {
            Self::Overtaken => return true,
            Self::Database(sqlx::Error::Database(error)) => error,
            _ => return false,
        };
        // PostgreSQL: serialization failure, deadlock, lock timeout. SQLite: busy (5) and its extended codes.
        error.code().is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "55P03" | "5" | "261" | "517"))
    }

    /// Whether PostgreSQL ended a statement because it waited too long for a lock, or took too long.
    pub(crate) fn is_timeout(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| matches!(code.as_ref(), "55P03" | "57014"))
    }

    /// Whether the request was right and may succeed later: the database is out of reach, out of a resource, or too
    /// busy, or another instance has to take the request.
    pub fn is_unavailable(&self) -> bool {
        use sqlx::Error::{BeginFailed, Database, Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
        match self {
            Self::Unavailable | Self::Overtaken | Self::HandingOver | Self::NoRegistrations(_) | Self::Behind(_) => {
                true
            }
            Self::Database(Database(error)) => error.code().is_some_and(|code| is_temporary(&code)),
            Self::Database(error) => {
                matches!(error, Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed)
            }
            _ => false,
        }
    }
}

/// Whether an error code of a database stands for a temporary condition.
fn is_temporary(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's codes are shorter than PostgreSQL's, which have five characters. Their low byte: busy, locked, I/O
        // error, full.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 13),
        // PostgreSQL: connection lost, out of resources, shutting down or starting, conflict with another transaction,
        // lock not available, statement that took too long, idle session ended, standby that is not promoted yet.
        _ => {
            ["08", "53", "57P", "40"].iter().any(|class| code.starts_with(class))
                || matches!(code, "55P03" | "57014" | "25P03" | "25006")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_conditions_differ_from_lasting_errors() {
        for temporary in ["5", "517", "10", "778", "13", "08006", "53300", "57P01", "40001", "25006", "57014"] {
            assert!(is_temporary(temporary), "{temporary}");
        }
        // A constraint, a schema, a corrupt file; a constraint, a syntax error, a missing table.
        for lasting in ["19", "2067", "1", "11", "23505", "42601", "42P01"] {
            assert!(!is_temporary(lasting), "{lasting}");
        }
    }

    #[test]
    fn an_unreachable_database_is_unavailable_and_a_wrong_statement_is_not() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for error in [sqlx::Error::Io(io), sqlx::Error::PoolTimedOut] {
            assert!(StoreError::Database(error).is_unavailable());
        }
        assert!(!StoreError::Database(sqlx::Error::RowNotFound).is_unavailable());
        assert!(!StoreError::Corrupt("x".into()).is_unavailable());
    }
}
