//! The migrations of this program, and how a database compares with them.

use sqlx::migrate::Migrator;

use super::{Db, statement::args};
use crate::refusal::{Refusal, VersionMismatch};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The name, in `settings`, of the version that last migrated the database.
pub(super) const UPGRADED_BY: &str = "upgraded_by";

/// A migration that was applied to a database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Applied {
    pub version: i64,
    pub checksum: Vec<u8>,
}

/// The two lineages of migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }

    /// The newest migration that this program knows.
    pub fn newest(self) -> i64 {
        self.migrations().iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// Whether these migrations are this program's, in any version. Other programs that use sqlx have others.
    pub fn made(self, applied: &[Applied]) -> bool {
        let first = self.migrations().iter().min_by_key(|migration| migration.version);
        first.is_some_and(|first| {
            let is_first = |one: &Applied| one.version == first.version && *one.checksum == *first.checksum;
            applied.iter().any(is_first)
        })
    }

    /// How a database with these migrations compares with this program.
    pub fn compare(self, applied: &[Applied]) -> Standing {
        let knows = |version: i64| self.migrations().version_exists(version);
        let has = |version: i64| applied.iter().any(|one| one.version == version);
        if !applied.iter().all(|one| knows(one.version)) {
            Standing::Newer
        } else if self.migrations().iter().all(|migration| has(migration.version)) {
            Standing::Current
        } else {
            Standing::Older
        }
    }
}

/// How a database compares with this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This program would migrate it.
    Older,
    Current,
    /// A newer program migrated it.
    Newer,
}

impl Db {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Why this program cannot work on a database with these migrations: one of the two is older.
    pub(crate) async fn mismatch(&self, applied: &[Applied]) -> Refusal {
        let engine = self.engine();
        let newest = applied.iter().map(|one| one.version).max().unwrap_or_default();
        let select = "SELECT value FROM settings WHERE key = $1";
        // What a newer version did with this table is not known here.
        let row = self.optional::<(String,)>(select, args![UPGRADED_BY]).await.unwrap_or_default();
        Refusal::Version(VersionMismatch {
            database: newest,
            program: engine.newest(),
            is_newer: engine.compare(applied) == Standing::Newer,
            upgraded_by: row.map(|(version,)| version),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(engine: Engine) -> Vec<Applied> {
        let migrations = engine.migrations().iter();
        migrations.map(|one| Applied { version: one.version, checksum: one.checksum.to_vec() }).collect()
    }

    #[test]
    fn a_database_is_older_current_or_newer() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let mut applied = all(engine);
            assert_eq!(engine.compare(&applied), Standing::Current);
            applied.push(Applied { version: 9_999, checksum: vec![] });
            assert_eq!(engine.compare(&applied), Standing::Newer);
            assert_eq!(engine.compare(&all(engine)[1..]), Standing::Older);
            assert_eq!(engine.compare(&[]), Standing::Older);
        }
    }

    #[test]
    fn the_migrations_of_another_program_are_not_ours() {
        let ours = all(Engine::Sqlite);
        assert!(Engine::Sqlite.made(&ours[..1]));
        assert!(!Engine::Postgres.made(&ours), "the engines have different statements");
        assert!(!Engine::Sqlite.made(&[Applied { version: ours[0].version, checksum: vec![1] }]));
        assert!(!Engine::Sqlite.made(&[]));
    }
}
