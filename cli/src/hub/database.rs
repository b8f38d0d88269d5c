//! Opens the hub's database, for the hub and for its commands.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use easytier_uptime_store::{
    DEFAULT_CACHE_MEBIBYTES, HubKey, Location, Store, StoreError, StoreOptions, domain::Timestamp, key_file,
};

use super::config::{Database, HubConfig};
use crate::runtime;

/// Opens the database, and creates it if it does not exist.
pub async fn open(config: &HubConfig) -> anyhow::Result<Store> {
    open_with_cache(config, DEFAULT_CACHE_MEBIBYTES).await
}

/// As [`open`], with another size of the cache.
pub async fn open_with_cache(config: &HubConfig, cache_mebibytes: u32) -> anyhow::Result<Store> {
    let (location, key) = match &config.database {
        Database::Sqlite { path, key } => (Location::Sqlite(path.clone()), sqlite_key(path, key.as_ref())?),
        Database::Postgres { url, key } => (Location::Postgres(url.clone()), key.clone()),
    };
    let HubConfig { policy, retention, intervals, .. } = *config;
    let fixed = config.fixed.clone();
    let options = StoreOptions { location, key, policy, retention, intervals, fixed, cache_mebibytes };
    Store::open(options, Timestamp::now()).await.map_err(|error| explain(error, &config.database))
}

/// Checks that the database can be opened.
pub async fn try_open(config: &HubConfig) -> anyhow::Result<()> {
    open(config).await?.close().await;
    Ok(())
}

/// Runs `command` on a database that exists, and closes it.
pub fn with<T>(config: &HubConfig, command: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    if let Database::Sqlite { path, .. } = &config.database
        && !path.exists()
    {
        bail!(
            "there is no database '{}': start the hub first ('easytier-uptime hub'), run this command in the hub's folder, \
             or name its database with --database-path or --database-url",
            path.display()
        );
    }
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let store = open(config).await?;
        let outcome = command(&store).await;
        store.close().await;
        outcome
    })
}

/// The key that is configured, or the one in the file beside the database, which is created together with the database.
fn sqlite_key(database: &Path, given: Option<&HubKey>) -> anyhow::Result<HubKey> {
    if let Some(key) = given {
        return Ok(key.clone());
    }
    // The order matters: a hub that starts at this moment creates the key before the database.
    let has_content = std::fs::metadata(database).is_ok_and(|file| file.len() > 0);
    let file = key_file(database);
    if has_content && !file.exists() {
        bail!(
            "the key of the database '{}' is missing: without it the peers' network secrets cannot be read. Restore the \
             file '{}' from a backup, or set HUB_KEY or HUB_KEY_FILE",
            database.display(),
            file.display()
        );
    }
    HubKey::load_or_create(&file).with_context(|| format!("no key for the database '{}'", database.display()))
}

/// The file of the key beside the database, if that key is used.
pub fn adjacent_key_file(database: &Database) -> Option<PathBuf> {
    match database {
        Database::Sqlite { path, key: None } => Some(key_file(path)),
        Database::Sqlite { .. } | Database::Postgres { .. } => None,
    }
}

/// The name of the database for messages, without the password in its URL.
pub fn name(database: &Database) -> String {
    match database {
        Database::Sqlite { path, .. } => format!("'{}'", path.display()),
        Database::Postgres { .. } => "of DATABASE_URL".to_owned(),
    }
}

fn explain(error: StoreError, database: &Database) -> anyhow::Error {
    let name = name(database);
    match error {
        StoreError::WrongHubKey(_) => {
            let given = match adjacent_key_file(database) {
                Some(file) => format!("the one in '{}'", file.display()),
                None => "that of HUB_KEY or HUB_KEY_FILE".to_owned(),
            };
            anyhow!("the database {name} was made with another hub key than {given}; use the key that it was made with")
        }
        error => anyhow::Error::new(error).context(format!("cannot open the database {name}")),
    }
}
