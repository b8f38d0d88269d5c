//! Migrations.

use sqlx::migrate::MigrateError;

use super::{
    Db, Tx, args,
    schema::{Applied, UPGRADED_BY},
    work,
};
use crate::{error::StoreError, refusal::PROGRAM};

/// Begins the migrations on PostgreSQL: one hub at a time, for as long as they take. They wait a few seconds for the tables,
/// and a minute for another hub that migrates. The number is the key of the lock.
const BEGIN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
                     SELECT pg_advisory_xact_lock(111550860886020); SET LOCAL lock_timeout = '5s'";

/// The migrator prepares statements and never deallocates them. Behind a pooler their names would meet those of the next
/// migrator in the same session.
const FORGET_STATEMENTS: &str = "DEALLOCATE ALL";

impl Db {
    /// Brings the database to the newest version, in one transaction. Several hubs may do this at the same time.
    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        match self.transaction(|tx| work(migrate(tx))).await {
            // A newer hub was faster.
            Err(StoreError::Migration(MigrateError::VersionMissing(version))) => {
                Err(self.mismatch(&[Applied { version, checksum: Vec::new() }]).await.into())
            }
            migrated => migrated,
        }
    }
}

async fn migrate(tx: &mut Tx) -> Result<(), StoreError> {
    let forget = if let Tx::Postgres { persistent: false, .. } = tx { FORGET_STATEMENTS } else { "" };
    match tx {
        Tx::Sqlite(tx) => sqlx::migrate!("migrations/sqlite").run_direct(None, &mut **tx, false).await?,
        Tx::Postgres { tx, .. } => {
            sqlx::raw_sql(BEGIN).execute(&mut **tx).await?;
            sqlx::raw_sql(forget).execute(&mut **tx).await?;
            // Without sqlx's own lock, which belongs to a session: a pooler would release it in another one.
            let mut migrator = sqlx::migrate!("migrations/postgres");
            migrator.set_locking(false);
            migrator.run_direct(None, &mut **tx, false).await?;
            sqlx::raw_sql(forget).execute(&mut **tx).await?;
        }
    }
    let upsert = "INSERT INTO settings (key, value) VALUES ($1, $2) \
                  ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(upsert, args![UPGRADED_BY, PROGRAM]).await.map(drop)
}
