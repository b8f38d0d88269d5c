//! `hub backup`: a copy of the database while the hub runs.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use easytier_uptime_store::backup;

use super::{
    config::{Database, HubConfig},
    database,
};
use crate::{exit::Exit, print, runtime};

/// Copies the SQLite database to a file, consistently, while the hub is running
///
/// The file must not exist. It can be used as DATABASE_PATH. It does not include the hub's key, without which the peers'
/// network secrets cannot be read: keep a copy of the key in another place. Use pg_dump for PostgreSQL.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to create
    file: PathBuf,
}

pub fn run(args: BackupArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let Database::Sqlite { path, .. } = &config.database else {
        bail!("'hub backup' copies SQLite databases only, and DATABASE_URL names PostgreSQL: use pg_dump");
    };
    let file = args.file;
    if file.exists() {
        bail!("'{}' already exists; choose another file, or remove it", file.display());
    }
    database::must_exist(path)?;
    let runtime = runtime::single_threaded()?;
    runtime.block_on(backup(path, &file)).with_context(|| format!("cannot back up '{}'", path.display()))?;
    let key = match database::adjacent_key_file(&config.database) {
        Some(key) => format!("; the key is not included: keep a copy of '{}' in another place", key.display()),
        None => String::new(),
    };
    print::note(format_args!("copied '{}' to '{}'{key}", path.display(), file.display()));
    Ok(Exit::Success)
}
