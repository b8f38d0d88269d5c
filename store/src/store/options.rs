//! Options of a store.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use easytier_probe::Secret;

use crate::{
    crypto::HubKey,
    domain::{Intervals, LiveSetting, Policy, Retention},
};

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file, which is created when it does not exist.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret),
}

/// The default of [`StoreOptions::cache_mebibytes`], for a hub to which many probes report.
pub const DEFAULT_CACHE_MEBIBYTES: u32 = 32;

/// The options of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the database is.
    pub location: Location,
    /// The key that encrypts the secrets in the database.
    pub key: HubKey,
    /// When evidence counts, until the operator changes it.
    pub policy: Policy,
    /// How long history is kept, until the operator changes it.
    pub retention: Retention,
    /// The intervals of the probe in the hub's own process; `None` when there is no such probe, or it runs on a schedule.
    pub intervals: Option<Intervals>,
    /// The live settings that the operator cannot change while the hub runs, and where each is configured.
    pub fixed: BTreeMap<LiveSetting, String>,
    /// The page cache of a SQLite database, in MiB, in addition to the cache of the operating system.
    pub cache_mebibytes: u32,
}

impl StoreOptions {
    /// The default options.
    pub fn new(location: Location, key: HubKey) -> Self {
        Self {
            location,
            key,
            policy: Policy::default(),
            retention: Retention::default(),
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
