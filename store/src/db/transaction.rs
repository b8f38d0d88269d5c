//! Transactions that write: every wait in them is bounded, and a conflict with another transaction is retried.

use std::{marker::PhantomData, pin::Pin, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{Db, Sql, Tx, Value};
use crate::{crypto::random, error::StoreError};

/// How many times a transaction is attempted that conflicts with another one.
const MAX_ATTEMPTS: u32 = 5;

/// No attempt begins later than this after the first one: the caller has a timeout too.
const RETRY_FOR: Duration = Duration::from_secs(8);

/// The mean pause after the first attempt. It doubles with each further one.
const PAUSE: Duration = Duration::from_millis(10);

/// The maximum time for a rollback. A connection that does not respond to it is closed.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a transaction does: it uses the transaction for `'tx`, and what it captured for `'outer`, which is longer.
///
/// It is boxed because the compiler cannot tell that the future of an asynchronous closure is `Send`, once the closure
/// captures references.
pub(crate) struct Work<'outer, 'tx, T> {
    future: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'tx>>,
    outer: PhantomData<&'tx &'outer ()>,
}

/// The [`Work`] of a transaction: `db.transaction(|tx| work(async move { … }))`. What the block moves must be `Copy`, such
/// as a reference, because it may run again.
pub(crate) fn work<'outer, 'tx, T>(
    future: impl Future<Output = Result<T, StoreError>> + Send + 'tx,
) -> Work<'outer, 'tx, T> {
    Work { future: Box::pin(future), outer: PhantomData }
}

impl Db {
    /// Runs `work` in a transaction that writes, and commits it; after an error it is rolled back. On SQLite it is the only
    /// transaction: others wait until it ends.
    ///
    /// `work` runs again when the transaction conflicted with another one, so it must change nothing but the database and
    /// what it returns. It must use `tx` alone: another statement of this [`Db`] that writes would wait for this one.
    ///
    /// # Errors
    ///
    /// The error of `work`; [`StoreError::Overtaken`] when each attempt was; [`StoreError::Unavailable`] when the database
    /// did not grant a lock or finish a statement in time; otherwise when the database fails.
    pub(crate) async fn transaction<'outer, T>(
        &self,
        mut work: impl for<'tx> FnMut(&'tx mut Tx) -> Work<'outer, 'tx, T>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            match self.attempt(&mut work).await {
                Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS && begun.elapsed() < RETRY_FOR => {
                    tracing::debug!(%error, attempt, "retrying after a conflict with another transaction");
                    sleep(pause(attempt)).await;
                    attempt += 1;
                }
                Err(error) if error.is_timeout() => {
                    tracing::warn!(%error, attempt, "gave up a transaction that waited too long");
                    return Err(StoreError::Unavailable);
                }
                done => return done,
            }
        }
    }

    /// Runs one statement that writes in a transaction of its own; returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`Db::transaction`].
    pub(crate) async fn execute(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        let (sql, args) = (sql.into(), &args);
        self.transaction(|tx| work(async move { tx.execute(sql, args.clone()).await })).await
    }

    async fn attempt<'outer, T>(
        &self,
        work: &mut impl for<'tx> FnMut(&'tx mut Tx) -> Work<'outer, 'tx, T>,
    ) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let done = work(&mut tx).future.await;
        match done {
            Ok(done) => tx.commit().await.map(|()| done),
            Err(error) => {
                // Before the next attempt, so that it does not meet the locks of this one. A rollback that fails or takes
                // too long is done when the connection is dropped.
                let rolled_back = timeout(ROLLBACK_TIMEOUT, tx.rollback()).await;
                if !matches!(rolled_back, Ok(Ok(()))) {
                    tracing::debug!(%error, "the rollback of a transaction did not end; its connection is closed");
                }
                Err(error)
            }
        }
    }
}

/// The pause after a failed attempt: between half and one and a half of the mean, so that two transactions that met do not
/// meet again.
fn pause(attempt: u32) -> Duration {
    let jitter = f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX);
    (PAUSE * 2_u32.pow(attempt - 1)).mul_f64(0.5 + jitter)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::db::args;

    /// A database with an empty table of numbers.
    async fn database(folder: &tempfile::TempDir) -> Db {
        let db = Db::create_sqlite(&folder.path().join("numbers.db"), 1).await.unwrap();
        db.execute("CREATE TABLE numbers (number INTEGER NOT NULL)", vec![]).await.unwrap();
        db
    }

    async fn numbers(db: &Db) -> Vec<i64> {
        let rows: Vec<(i64,)> = db.all("SELECT number FROM numbers", vec![]).await.unwrap();
        rows.into_iter().map(|(number,)| number).collect()
    }

    /// Inserts the number of each attempt, of which all before `succeeds` are overtaken; on another task, so that the
    /// future must be `Send`. Returns the result and the number of attempts.
    async fn insert_attempts(db: &Db, succeeds: u32) -> (Result<u32, StoreError>, u32) {
        let db = db.clone();
        let inserting = async move {
            let attempts = &AtomicU32::new(0);
            let inserted = db.transaction(|tx| {
                work(async move {
                    let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                    tx.execute("INSERT INTO numbers VALUES ($1)", args![attempt]).await?;
                    if attempt < succeeds { Err(StoreError::Overtaken) } else { Ok(attempt) }
                })
            });
            (inserted.await, attempts.load(Ordering::Relaxed))
        };
        tokio::spawn(inserting).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_attempt_that_succeeds_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let (inserted, attempts) = insert_attempts(&db, 3).await;
        assert_eq!((inserted.unwrap(), attempts), (3, 3));
        assert_eq!(numbers(&db).await, [3]);
    }

    #[tokio::test]
    async fn a_conflict_that_stays_is_an_error_and_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let (inserted, attempts) = insert_attempts(&db, u32::MAX).await;
        assert!(matches!(inserted, Err(StoreError::Overtaken)), "{inserted:?}");
        assert_eq!(attempts, MAX_ATTEMPTS);
        assert!(numbers(&db).await.is_empty());
    }

    #[tokio::test]
    async fn another_error_is_not_retried() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(&folder).await;
        let attempts = &AtomicU32::new(0);
        let failed: Result<(), _> = db
            .transaction(|_| {
                work(async move {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    Err(StoreError::NotFound("number"))
                })
            })
            .await;
        assert!(matches!(failed, Err(StoreError::NotFound("number"))), "{failed:?}");
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn pauses_grow_and_differ() {
        for attempt in 1..MAX_ATTEMPTS {
            let mean = PAUSE * 2_u32.pow(attempt - 1);
            for _ in 0..100 {
                assert!((mean / 2..=mean * 3 / 2).contains(&pause(attempt)), "{attempt}");
            }
        }
        assert_ne!(pause(1), pause(1));
    }
}
