//! Giving the free space of a SQLite file back to the system.

use super::Db;
use crate::error::StoreError;

/// How many free pages are given back at a time, 8 MiB. That takes some ten milliseconds, for which results wait.
const PAGES: u32 = 2048;

/// Free pages are kept for the next rows unless they are more than this, and more than this part of the file.
const KEPT_PAGES: i64 = 256;
const KEPT_PART: i64 = 8;

impl Db {
    /// Gives a part of the free pages of a SQLite file back, when there are many; returns whether there are still many. A file
    /// that was created by an early version keeps its pages. Does nothing on PostgreSQL.
    pub(crate) async fn give_space_back(&self) -> Result<bool, StoreError> {
        let Self::Sqlite { writer, .. } = self else { return Ok(false) };
        if !self.has_much_free_space().await? {
            return Ok(false);
        }
        let mut connection = writer.acquire().await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES})")))
            .execute(&mut *connection)
            .await?;
        drop(connection);
        self.has_much_free_space().await
    }

    async fn has_much_free_space(&self) -> Result<bool, StoreError> {
        const INCREMENTAL: i64 = 2;
        let select = "SELECT (SELECT auto_vacuum FROM pragma_auto_vacuum), freelist_count, page_count \
                      FROM pragma_freelist_count, pragma_page_count";
        let (auto_vacuum, free, pages): (i64, i64, i64) = self.one(select, vec![]).await?;
        Ok(auto_vacuum == INCREMENTAL && free > KEPT_PAGES && free > pages / KEPT_PART)
    }
}
