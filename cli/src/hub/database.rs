//! Opens the hub's database, for the hub and for its commands.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use easytier_uptime_store::{
    Access, DEFAULT_CACHE_MEBIBYTES, HubKey, InUse, Location, Refusal, Store, StoreError, StoreOptions,
    VersionMismatch,
    acting::Call,
    domain::{Actor, ActorKind, Timestamp},
    key_file, new_key_of,
};

use super::config::{Database, HubConfig};
use crate::runtime;

/// Opens the database to serve it, and creates it if it does not exist.
pub async fn open(config: &HubConfig) -> anyhow::Result<Store> {
    open_with_cache(config, DEFAULT_CACHE_MEBIBYTES).await
}

/// As [`open`], with another size of the cache.
pub async fn open_with_cache(config: &HubConfig, cache_mebibytes: u32) -> anyhow::Result<Store> {
    open_for(Access::Serve, config, cache_mebibytes).await.map_err(|error| explain(error, &config.database))
}

/// Opens the database only to look at it, beside its hub.
pub async fn open_to_look(config: &HubConfig) -> Result<Store, OpenError> {
    open_for(Access::Read, config, DEFAULT_CACHE_MEBIBYTES).await
}

/// As [`open`], a copy that is restored.
pub async fn open_copy(config: &HubConfig) -> anyhow::Result<Store> {
    let opened = open_for(Access::Serve, config, DEFAULT_CACHE_MEBIBYTES).await;
    opened.map_err(|error| match error {
        OpenError::Store(StoreError::WrongHubKey(_)) => {
            anyhow!("it was made with another hub key than the present one; name the key of that time with --backup-key-file")
        }
        error => explain(error, &config.database),
    })
}

/// Checks that the database can be served, also by this process that serves it already.
pub async fn try_open(config: &HubConfig) -> anyhow::Result<()> {
    let opened = match open_for(Access::Serve, config, DEFAULT_CACHE_MEBIBYTES).await {
        Err(OpenError::Store(StoreError::Refused(Refusal::InUse(InUse { is_this_process: true, .. })))) => {
            open_for(Access::Change, config, DEFAULT_CACHE_MEBIBYTES).await
        }
        opened => opened,
    };
    opened.map_err(|error| explain(error, &config.database))?.close().await;
    Ok(())
}

/// Runs `command` on a database that exists, beside its hub, and closes it.
pub fn with<T>(
    access: Access,
    config: &HubConfig,
    command: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Database::Sqlite { path, .. } = &config.database {
        must_exist(path)?;
    }
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let opened = open_for(access, config, DEFAULT_CACHE_MEBIBYTES).await;
        let store = opened.map_err(|error| explain(error, &config.database))?;
        let outcome = call().run(command(&store)).await;
        store.close().await;
        outcome
    })
}

/// The user of the system who runs the command, and for whom, if it is run by sudo.
fn user() -> String {
    let user = whoami::username().unwrap_or_default();
    match std::env::var("SUDO_USER") {
        Ok(behind) if !behind.is_empty() && behind != user => format!("{user}, for {behind}"),
        _ => user,
    }
}

pub fn must_exist(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        bail!(
            "there is no database '{}': start the hub first ('easytier-uptime hub'), run this command in the hub's folder, \
             or name its database with --database-path or --database-url",
            path.display()
        );
    }
    Ok(())
}

/// Why a database cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    Store(StoreError),
    /// The key beside it is not there, or cannot be read.
    Key(anyhow::Error),
}

async fn open_for(access: Access, config: &HubConfig, cache_mebibytes: u32) -> Result<Store, OpenError> {
    let options = options(access, config, cache_mebibytes).await?;
    Store::open(options, Timestamp::now()).await.map_err(OpenError::Store)
}

async fn options(access: Access, config: &HubConfig, cache_mebibytes: u32) -> Result<StoreOptions, OpenError> {
    let location = match &config.database {
        Database::Sqlite { path, .. } => Location::Sqlite(path.clone()),
        Database::Postgres { url, .. } => Location::Postgres(url.clone()),
    };
    // The key of a file of another program is neither missed nor made.
    location.refuse_foreign_file().await.map_err(OpenError::Store)?;
    let key = match &config.database {
        Database::Sqlite { path, key } => sqlite_key(path, key.as_ref()).await.map_err(OpenError::Key)?,
        Database::Postgres { key, .. } => key.clone(),
    };
    let HubConfig { policy, retention, relay_interval, intervals, .. } = *config;
    let fixed = config.fixed.clone();
    Ok(StoreOptions { location, access, key, policy, retention, relay_interval, intervals, fixed, cache_mebibytes })
}

/// The options with which a command opens the database.
pub async fn options_of_command(config: &HubConfig) -> anyhow::Result<StoreOptions> {
    let options = options(Access::Change, config, DEFAULT_CACHE_MEBIBYTES).await;
    options.map_err(|error| explain(error, &config.database))
}

/// The error of the store in words for the operator.
pub fn explained(error: StoreError, database: &Database) -> anyhow::Error {
    explain(OpenError::Store(error), database)
}

/// Whether the database was made with this key.
pub async fn opens_with(options: &StoreOptions, key: &HubKey) -> bool {
    let options = StoreOptions { access: Access::Read, key: key.clone(), ..options.clone() };
    match Store::open(options, Timestamp::now()).await {
        Ok(store) => {
            store.close().await;
            true
        }
        Err(_) => false,
    }
}

/// On whose behalf a command works.
pub fn call() -> Arc<Call> {
    Call::of(Actor::new(ActorKind::Command, user()))
}

/// The key that is configured, or the one in the file beside the database, which is created together with the database.
async fn sqlite_key(database: &Path, given: Option<&HubKey>) -> anyhow::Result<HubKey> {
    if let Some(key) = given {
        return Ok(key.clone());
    }
    // The order matters: a hub that starts at this moment creates the key before the database.
    let has_content = std::fs::metadata(database).is_ok_and(|file| file.len() > 0);
    if has_content {
        return existing_key_of(database).await;
    }
    HubKey::load_or_create(&key_file(database))
        .with_context(|| format!("no key for the database '{}'", database.display()))
}

/// The key that is configured, or the one in the file beside a SQLite database, which must exist.
pub async fn existing_key(database: &Database) -> anyhow::Result<HubKey> {
    match database {
        Database::Sqlite { path, key: None } => existing_key_of(path).await,
        Database::Sqlite { key: Some(key), .. } | Database::Postgres { key, .. } => Ok(key.clone()),
    }
}

async fn existing_key_of(database: &Path) -> anyhow::Result<HubKey> {
    // The database has a new key whose file has not taken the place of the old one yet.
    if let Some(key) = new_key_of(database).await {
        return Ok(key);
    }
    let file = key_file(database);
    if !file.exists() {
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

fn explain(error: OpenError, database: &Database) -> anyhow::Error {
    let error = match error {
        OpenError::Store(error) => explain_store(error, database),
        OpenError::Key(error) => error,
    };
    let of_system = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match (database, of_system) {
        // Most often a volume of a container that belongs to another user.
        (Database::Sqlite { path, .. }, Some(why))
            if matches!(why.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            anyhow!(
                "cannot use the database '{}': {why}. The user of this process (number {}) must be able to write to \
                 the database and its folder",
                path.display(),
                rustix::process::geteuid()
            )
        }
        _ => error,
    }
}

fn explain_store(error: StoreError, database: &Database) -> anyhow::Error {
    let name = name(database);
    match error {
        StoreError::WrongHubKey(_) => {
            let given = match adjacent_key_file(database) {
                Some(file) => format!("the one in '{}'", file.display()),
                None => "that of HUB_KEY or HUB_KEY_FILE".to_owned(),
            };
            anyhow!("the database {name} was made with another hub key than {given}; use the key that it was made with")
        }
        StoreError::Refused(refusal) => {
            let advice = advice(&refusal, database);
            anyhow!("cannot use the database {name}: {refusal}. {advice}")
        }
        error => anyhow::Error::new(error).context(format!("cannot open the database {name}")),
    }
}

/// What to do about a refusal.
fn advice(refusal: &Refusal, database: &Database) -> &'static str {
    match (refusal, database) {
        (Refusal::Foreign(_), Database::Sqlite { .. }) => {
            "Nothing was changed. Name another file with DATABASE_PATH; one that does not exist is created"
        }
        (Refusal::Foreign(_), Database::Postgres { .. }) => {
            "Nothing was changed. Create a database, or a schema that the user's search_path names first, for this program \
             alone"
        }
        (Refusal::InUse(_), _) => {
            "A SQLite file has one hub or daemon: stop that process first, or name another file with DATABASE_PATH. Several \
             hubs can share a PostgreSQL database (DATABASE_URL)"
        }
        (Refusal::Version(VersionMismatch { is_newer: true, .. }), _) => {
            "Install that version or a newer one, or restore a backup from before the upgrade"
        }
        (Refusal::Version(_), _) => {
            "Only the start of a hub upgrades a database: start this version's hub once ('easytier-uptime hub'), or use the \
             program of the hub that runs"
        }
        (Refusal::HubsRun(_), _) => {
            "Stop all hubs, and wait a minute if one was killed: a hub that runs goes on with the key that it has. Nothing was \
             changed"
        }
        _ => "Stop them, and start this hub again; it upgrades the database",
    }
}
