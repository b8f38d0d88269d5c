//! The hubs that run on one PostgreSQL database, and which versions may run beside each other. A SQLite file has one hub.

use std::time::Duration;

use uuid::Uuid;

use super::Store;
use crate::{
    db::{Applied, Db, Tx, args},
    domain::millis,
    error::StoreError,
    refusal::{OtherHub, PROGRAM, Refusal},
};

/// The oldest schema whose hubs can run beside this program. A migration that contradicts what older hubs do raises it.
const OLDEST_BESIDE: i64 = 7;

/// The migration that creates the table `hubs`.
const REGISTERED_SINCE: i64 = 9;

/// What PostgreSQL lists the connections of a hub as that does not register itself, because its program is too old.
const UNREGISTERED_NAME: &str = "easytier-uptime hub";

/// A hub that has not refreshed its row for this long has ended, or does nothing.
const ALIVE: Duration = Duration::from_secs(60);

/// The clock of the database: hubs whose clocks differ agree on it.
macro_rules! now {
    () => {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}

impl Store {
    /// Tells the other hubs that this one runs; does nothing for a command, and on SQLite. It is meant to be called every few
    /// seconds.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn refresh_hub(&self) -> Result<(), StoreError> {
        match self.shared.hub {
            Some(id) => refresh(self.db(), id).await,
            None => Ok(()),
        }
    }

    /// The schema of this program, which an opened database has.
    pub fn newest_schema(&self) -> i64 {
        self.db().engine().newest()
    }

    /// The hubs that run on this database and register themselves, the oldest first; none on SQLite.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hubs(&self) -> Result<Vec<OtherHub>, StoreError> {
        match self.db() {
            Db::Sqlite { .. } => Ok(Vec::new()),
            Db::Postgres(_) => registered(self.db()).await,
        }
    }
}

/// Refuses to upgrade a database that a hub uses which the upgrade would break, and warns of hubs of other versions.
pub(super) async fn look_for_older(db: &Db, applied: &[Applied]) -> Result<(), StoreError> {
    let Db::Postgres(_) = db else { return Ok(()) };
    let newest = db.engine().newest();
    let mut others: Vec<OtherHub> = unregistered(db).await?;
    if applied.iter().any(|migration| migration.version == REGISTERED_SINCE) {
        others.extend(registered(db).await?.into_iter().filter(|hub| hub.schema != newest));
    }
    for hub in &others {
        tracing::warn!(%hub, "a hub of another version runs on this database; run the same version everywhere soon");
    }
    let broken: Vec<OtherHub> = others.into_iter().filter(|hub| hub.schema < OLDEST_BESIDE).collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Refusal::OlderHubs(broken).into()),
    }
}

const REGISTERED: &str =
    concat!("SELECT version, schema FROM hubs WHERE seen_at > ", now!(), " - $1 ORDER BY started_at, id");

async fn registered(db: &Db) -> Result<Vec<OtherHub>, StoreError> {
    db.all(REGISTERED, args![millis(ALIVE)]).await.map(named)
}

fn named(rows: Vec<(String, i64)>) -> Vec<OtherHub> {
    rows.into_iter().map(|(version, schema)| OtherHub { version: Some(version), schema }).collect()
}

/// Refuses while a hub runs on the database. No hub registers until the end of the transaction, and one that does so afterwards
/// then compares its key. On SQLite the lock of the file does this.
pub(super) async fn keep_out(tx: &mut Tx) -> Result<(), StoreError> {
    if matches!(tx, Tx::Sqlite(_)) {
        return Ok(());
    }
    tx.execute("LOCK TABLE hubs IN SHARE ROW EXCLUSIVE MODE", vec![]).await?;
    let mut hubs = named(tx.all(REGISTERED, args![millis(ALIVE)]).await?);
    if hubs.is_empty() {
        // One that hangs does not refresh its row, and goes on later with the key that it has.
        let connected = "SELECT DISTINCT coalesce(substring(application_name FROM '^easytier-uptime (.+) hub$'), '?') \
                         FROM pg_stat_activity WHERE datname = current_database() \
                         AND application_name LIKE 'easytier-uptime%hub'";
        let versions: Vec<(String,)> = tx.all(connected, vec![]).await?;
        hubs = versions.into_iter().map(|(version,)| OtherHub { version: Some(version), schema: 0 }).collect();
    }
    match hubs.is_empty() {
        true => Ok(()),
        false => Err(Refusal::HubsRun(hubs).into()),
    }
}

/// One for each client address, because a hub has several connections.
async fn unregistered(db: &Db) -> Result<Vec<OtherHub>, StoreError> {
    let select = "SELECT DISTINCT CAST(client_addr AS TEXT) FROM pg_stat_activity \
                  WHERE datname = current_database() AND application_name = $1";
    let clients: Vec<(Option<String>,)> = db.all(select, args![UNREGISTERED_NAME]).await?;
    Ok(clients.iter().map(|_| OtherHub { version: None, schema: REGISTERED_SINCE - 1 }).collect())
}

/// Registers a hub; returns its id. On SQLite there is none.
pub(super) async fn register(db: &Db) -> Result<Option<Uuid>, StoreError> {
    let Db::Postgres(_) = db else { return Ok(None) };
    let forget = concat!("DELETE FROM hubs WHERE seen_at < ", now!(), " - $1");
    db.execute(forget, args![millis(ALIVE)]).await?;
    let id = Uuid::new_v4();
    refresh(db, id).await?;
    Ok(Some(id))
}

async fn refresh(db: &Db, id: Uuid) -> Result<(), StoreError> {
    let upsert = concat!(
        "INSERT INTO hubs (id, version, schema, started_at, seen_at) SELECT $1, $2, $3, at, at FROM (SELECT ",
        now!(),
        " AS at) clock ON CONFLICT (id) DO UPDATE SET seen_at = GREATEST(excluded.seen_at, hubs.started_at + 1)"
    );
    db.execute(upsert, args![id, PROGRAM, db.engine().newest()]).await.map(drop)
}

/// The hubs beside `own` that have given a sign of life within this time, and not only at their start: one that fails as it
/// starts, again and again, has no part in the work.
pub(super) async fn count_others(db: &Db, own: Uuid, within: Duration) -> Result<i64, StoreError> {
    let select =
        concat!("SELECT count(*) FROM hubs WHERE id <> $1 AND seen_at > started_at AND seen_at > ", now!(), " - $2");
    db.one::<(i64,)>(select, args![own, millis(within)]).await.map(|(count,)| count)
}

/// Removes a hub that ends.
pub(super) async fn remove(db: &Db, id: Uuid) -> Result<(), StoreError> {
    db.execute("DELETE FROM hubs WHERE id = $1", args![id]).await.map(drop)
}
