//! Options of a store.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use easytier_probe::Secret;

use crate::{
    crypto::HubKey,
    db::contents,
    domain::{Intervals, LiveSetting, LiveSettings, Policy, Retention},
    error::StoreError,
};

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file, which is created when it does not exist.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret),
}

impl Location {
    /// Checks that a SQLite file does not exist, is empty, or is this program's, in any version. Nothing is changed, and no
    /// file is made.
    ///
    /// # Errors
    ///
    /// [`Refusal::Foreign`](crate::Refusal::Foreign) if it is another program's; otherwise when it cannot be read.
    pub async fn refuse_foreign_file(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(path) => contents::of_sqlite(path).await.map(drop),
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// What a process opens a database for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To serve it, as a hub or a daemon. The database is created or upgraded. A SQLite file is served by one process.
    Serve,
    /// To change it by a command, beside the hub. The database must exist and have the version of this program.
    Change,
    /// To read it by a command, beside the hub. It needs no lock, and nothing can be changed.
    Read,
}

/// The default of [`StoreOptions::cache_mebibytes`], for a hub to which many probes report.
pub const DEFAULT_CACHE_MEBIBYTES: u32 = 32;

/// The options of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the database is.
    pub location: Location,
    /// What it is opened for.
    pub access: Access,
    /// The key that encrypts the secrets in the database.
    pub key: HubKey,
    /// When evidence counts, until the operator changes it.
    pub policy: Policy,
    /// How long history is kept, until the operator changes it.
    pub retention: Retention,
    /// The time between two tests whether a node relays, until the operator changes it.
    pub relay_interval: Duration,
    /// The intervals of the probe in the hub's own process; `None` when there is no such probe, or it runs on a schedule.
    pub intervals: Option<Intervals>,
    /// The live settings that the operator cannot change while the hub runs, and where each is configured.
    pub fixed: BTreeMap<LiveSetting, String>,
    /// The page cache of a SQLite database, in MiB, in addition to the cache of the operating system.
    pub cache_mebibytes: u32,
}

impl StoreOptions {
    /// The default options, for [`Access::Serve`].
    pub fn new(location: Location, key: HubKey) -> Self {
        Self {
            location,
            access: Access::Serve,
            key,
            policy: Policy::default(),
            retention: Retention::default(),
            relay_interval: LiveSettings::default().relay_interval,
            intervals: None,
            fixed: BTreeMap::new(),
            cache_mebibytes: DEFAULT_CACHE_MEBIBYTES,
        }
    }
}

/// The file that holds the key of a SQLite database: beside the database, with the extension `.key` added.
pub fn key_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    name.into()
}
