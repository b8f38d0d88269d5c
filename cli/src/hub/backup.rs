//! `hub backup`: a copy of the database while the hub runs.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::{
    config::{Database, HubConfig},
    database,
};
use crate::exit::Exit;

/// Copies the SQLite database to a file, consistently, while the hub runs
///
/// The file must not exist yet, and can be used as DATABASE_PATH. The hub's key is not in it: keep a copy of the key in
/// another place, because without it the peers' network secrets cannot be read. PostgreSQL is backed up with pg_dump.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to write the copy
    file: PathBuf,
}

pub fn run(args: BackupArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let Database::Sqlite { path, .. } = &config.database else {
        bail!("'hub backup' copies a SQLite database, and DATABASE_URL names PostgreSQL: use pg_dump");
    };
    let file = args.file;
    if file.exists() {
        bail!("'{}' exists already; name a file that does not, or remove it", file.display());
    }
    database::with(config, async |store| {
        store.backup(&file).await.with_context(|| format!("cannot back '{}' up", path.display()))
    })?;
    let key = match database::own_key_file(&config.database) {
        Some(key) => format!("; its key is not in it: keep a copy of '{}' too, in another place", key.display()),
        None => String::new(),
    };
    anstream::eprintln!("copied '{}' to '{}'{key}", path.display(), file.display());
    Ok(Exit::Success)
}
