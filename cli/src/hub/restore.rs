//! `hub restore`: puts a backup in the place of the database.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use easytier_uptime_hub::{
    instance::{self, Asked},
    service::rotate_key,
};
use easytier_uptime_store::{
    HubKey, Restored, Store,
    domain::{Role, Timestamp},
};

use super::{
    config::{Database, HubConfig},
    database,
};
use crate::{exit::Exit, print, runtime, text::printable};

/// Puts a backup in the place of the database, while no hub runs
///
/// The backup is checked, upgraded if it is older, and put in place at once; the old database is kept beside it. With
/// PostgreSQL, restore the dump first, and run this command without a file.
///
/// If the key of the hub was replaced since the backup was made, name the old one with --backup-key-file: what is restored gets
/// the present key.
///
/// A primary begins a new epoch, which is greater than those of all instances that answer. When another instance leads
/// meanwhile, this one follows it after its start.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup, a SQLite file of 'hub backup'; without it, the database itself was restored by other means
    file: Option<PathBuf>,
    /// File with the key of the time of the backup, if the hub has another one now
    #[arg(long, value_name = "PATH", requires = "file")]
    backup_key_file: Option<PathBuf>,
    /// Do not ask the other instances of the cluster who leads
    #[arg(long)]
    offline: bool,
}

pub fn run(args: &RestoreArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let runtime = runtime::single_threaded()?;
    match (&config.database, &args.file) {
        (Database::Sqlite { path, .. }, Some(file)) => {
            let of_backup = args.backup_key_file.as_deref().map(HubKey::from_file).transpose()?;
            runtime.block_on(from_file(file, of_backup, path, config, args.offline))
        }
        (Database::Postgres { .. }, Some(_)) => bail!(
            "'hub restore FILE' restores SQLite databases only, and DATABASE_URL names PostgreSQL: use pg_restore, then \
             'hub restore' without a file"
        ),
        (_, None) => runtime.block_on(in_place(config, args.offline)),
    }
}

async fn from_file(
    file: &Path,
    of_backup: Option<HubKey>,
    path: &Path,
    config: &HubConfig,
    offline: bool,
) -> anyhow::Result<Exit> {
    let failed = || format!("cannot restore '{}'", file.display());
    let key = database::existing_key(&config.database).await?;
    let restored = Restored::stage(file, path).await.with_context(failed)?;
    let its_key = of_backup.unwrap_or_else(|| key.clone());
    let copy = Database::Sqlite { path: restored.copy().to_owned(), key: Some(its_key.clone()) };
    let of_copy = HubConfig { database: copy, ..config.clone() };
    let store = database::open_copy(&of_copy).await.with_context(failed)?;
    let ready = database::call().run(make_ready(&store, config, offline)).await;
    store.close().await;
    let told = ready.with_context(failed)?;
    if its_key != key {
        let options = database::options_of_command(&of_copy).await?;
        database::call().run(rotate_key(options, &key, false, Timestamp::now())).await.with_context(failed)?;
    }
    let aside = restored.put_in_place(Timestamp::now()).with_context(failed)?;
    let kept = aside.map(|aside| format!("; what was there is '{}' now", aside.display())).unwrap_or_default();
    print::line(format!("'{}' is in the place of '{}'{kept}", file.display(), path.display()))?;
    told.into_iter().try_for_each(print::line)?;
    Ok(Exit::Success)
}

async fn in_place(config: &HubConfig, offline: bool) -> anyhow::Result<Exit> {
    if let Database::Sqlite { path, .. } = &config.database {
        database::must_exist(path)?;
    }
    let store = database::open(config).await?;
    let preparation = async {
        // This command is registered as one of them.
        if store.hubs().await?.len() > 1 {
            bail!("a hub runs on the database; stop it first, and wait a minute if it was killed");
        }
        make_ready(&store, config, offline).await
    };
    let ready = database::call().run(preparation).await;
    store.close().await;
    let told = ready?;
    print::line(format!("the database {} is ready", database::name(&config.database)))?;
    told.into_iter().try_for_each(print::line)?;
    Ok(Exit::Success)
}

/// Makes the restored database ready; returns what there is to say about its role.
async fn make_ready(store: &Store, config: &HubConfig, offline: bool) -> anyhow::Result<Vec<String>> {
    let instance = store.instance().await?;
    if instance.role != Role::Primary {
        store.make_ready_after_restore(None).await?;
        return Ok(match instance.leader {
            Some(leader) => vec![format!("it is a dependent of {}", printable(&leader.name))],
            None => Vec::new(),
        });
    }
    let nobody = Asked { epoch: 0, leader: None, answered: 0, known: store.members().await?.len() };
    let asked = match offline {
        true => nobody,
        false => instance::ask_others(store, &config.instance.options)
            .await
            .map_err(|error| anyhow!("cannot ask the other instances: {error}; with --offline they are not asked"))?,
    };
    if let Some(leader) = asked.leader {
        store.make_ready_after_restore(None).await?;
        let leader = printable(&leader);
        return Ok(vec![format!("{leader} leads in epoch {}; this instance follows it after its start", asked.epoch)]);
    }
    let ready = store.make_ready_after_restore(Some(asked.epoch)).await?;
    let mut told = vec![format!("it is the primary, epoch {}", ready.epoch)];
    if asked.answered < asked.known {
        told.push(format!(
            "{} of {} other instances answered: if one of the rest has led meanwhile, the instance of the greater epoch leads",
            asked.answered, asked.known
        ));
    }
    Ok(told)
}
