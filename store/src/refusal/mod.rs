//! Why a database is not opened, although it can be reached.

mod foreign;

use std::{fmt, path::PathBuf};

pub use self::foreign::Foreign;

/// The version of this program.
pub(crate) const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// Why a database is not opened. Nothing in it was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The file or database is another program's.
    #[error("{0}")]
    Foreign(Foreign),
    /// Another process serves the SQLite file.
    #[error("{0}")]
    InUse(InUse),
    /// The database and this program are of different versions.
    #[error("{0}")]
    Version(VersionMismatch),
    /// Hubs run on the database that its upgrade to the version of this program would break.
    #[error("hubs of older versions use the database, and cannot run beside easytier-uptime {PROGRAM}: {}", list(.0))]
    OlderHubs(Vec<OtherHub>),
    /// Hubs run on the database, which has to be nobody's for what is to be done.
    #[error("hubs use the database: {}", list(.0))]
    HubsRun(Vec<OtherHub>),
}

/// Another process serves the SQLite file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InUse {
    /// The file with the lock.
    pub lock: PathBuf,
    /// The process, its host and its version, in words; `None` if it has not noted them yet.
    pub holder: Option<String>,
    /// Whether it is this process.
    pub is_this_process: bool,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = self.holder.as_deref().unwrap_or("another process");
        write!(f, "{holder} uses it, and holds the lock '{}'", self.lock.display())
    }
}

/// The database and this program are of different versions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionMismatch {
    /// The newest migration of the database.
    pub database: i64,
    /// The newest migration that this program knows.
    pub program: i64,
    /// Whether the database is the newer one.
    pub is_newer: bool,
    /// The version of the program that last upgraded the database, if it noted it.
    pub upgraded_by: Option<String>,
}

impl VersionMismatch {
    /// A database of a schema, and a program of another one.
    pub fn of(database: i64, program: i64, is_newer: bool) -> Self {
        Self { database, program, is_newer, upgraded_by: None }
    }
}

impl fmt::Display for VersionMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, program, .. } = self;
        if !self.is_newer {
            return write!(
                f,
                "it has schema {database}, and this program (easytier-uptime {PROGRAM}) needs schema {program}"
            );
        }
        let by = self.upgraded_by.as_deref().unwrap_or("of a newer version");
        write!(
            f,
            "it was upgraded to schema {database} by easytier-uptime {by}, and this program (easytier-uptime {PROGRAM}) \
             knows schema {program} at most"
        )
    }
}

/// A hub that runs on the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherHub {
    /// The version of its program; `None` if it is too old to register.
    pub version: Option<String>,
    /// The newest migration that it knows; 0 if it is connected and has not told it for a while.
    pub schema: i64,
}

impl OtherHub {
    /// Whether it is connected, and has not told for a while that it runs.
    pub fn is_silent(&self) -> bool {
        self.schema == 0
    }
}

impl fmt::Display for OtherHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) if self.is_silent() => write!(f, "easytier-uptime {version}, which does not respond"),
            Some(version) => write!(f, "easytier-uptime {version} (schema {})", self.schema),
            None => write!(f, "a hub of schema {} at most", self.schema),
        }
    }
}

fn list(hubs: &[OtherHub]) -> String {
    hubs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
