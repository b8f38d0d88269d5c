//! Duties: work that one hub does at a time, where several hubs share a database.
//!
//! A duty is a row with a holder, an epoch and a time at which the lease of the holder expires, on the database's clock. The
//! epoch grows whenever the holder changes. Every transaction of a duty ends with [`fence`], which fails when another hub has
//! taken the duty over: so a hub that was stopped for a while, even within a transaction, does nothing twice.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    db::{Db, Tx, args, sql, work},
    domain::millis,
    error::StoreError,
};

/// How long a lease lasts without a renewal. After that any hub may take the duty over.
const LEASE: Duration = Duration::from_secs(10);

/// The age at which a lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(3);

/// How many shards the fold has. A peer belongs to the shard that is its id modulo this number.
pub(super) const SHARDS: usize = 8;

/// A piece of work that one hub does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Duty {
    /// Applying results to the states of the peers of one shard, and reviewing these states.
    Fold(usize),
    /// Noticing probes that come and go.
    Presence,
    /// Deleting expired rows, dropping partitions.
    Retention,
    /// Speaking with the other instances of the cluster.
    Instance,
}

impl Duty {
    /// The fold of every shard.
    pub(super) const FOLDS: [Self; SHARDS] = {
        let mut folds = [Self::Fold(0); SHARDS];
        let mut shard = 0;
        while shard < SHARDS {
            folds[shard] = Self::Fold(shard);
            shard += 1;
        }
        folds
    };

    fn name(self) -> String {
        match self {
            Self::Fold(shard) => format!("fold-{shard}"),
            Self::Presence => "presence".to_owned(),
            Self::Retention => "retention".to_owned(),
            Self::Instance => "instance".to_owned(),
        }
    }
}

/// A duty that this hub holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub duty: Duty,
    epoch: i64,
}

/// The duties that this hub holds.
pub(super) struct Duties {
    /// Identifies this hub, from its start to its end.
    holder: String,
    leases: Mutex<HashMap<Duty, (Lease, Instant)>>,
}

impl Default for Duties {
    fn default() -> Self {
        Self { holder: Uuid::new_v4().to_string(), leases: Mutex::default() }
    }
}

/// The time of the database in milliseconds.
macro_rules! database_now {
    (sqlite) => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
    (postgres) => {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}

impl Duties {
    /// Takes or renews duties; returns the leases of those that no other hub holds.
    pub(super) async fn hold(&self, db: &Db, duties: &[Duty]) -> Result<Vec<Lease>, StoreError> {
        let wanted: Vec<Duty> = duties.iter().copied().filter(|duty| !self.is_fresh(*duty)).collect();
        if !wanted.is_empty() {
            self.acquire(db, &wanted).await?;
        }
        let leases = self.leases();
        Ok(duties.iter().filter_map(|duty| leases.get(duty)).map(|(lease, _)| *lease).collect())
    }

    fn is_fresh(&self, duty: Duty) -> bool {
        self.leases().get(&duty).is_some_and(|(_, renewed)| renewed.elapsed() < RENEW_AFTER)
    }

    async fn acquire(&self, db: &Db, wanted: &[Duty]) -> Result<(), StoreError> {
        // Before the statement, so that this hub never believes in a lease for longer than the database does.
        let renewed = Instant::now();
        let names: Vec<String> = wanted.iter().map(|duty| duty.name()).collect();
        let others = sql!("SELECT name FROM duties WHERE holder <> $1 AND expires_at > ", (database_now));
        let held: Vec<(String,)> = db.all(others, args![self.holder.clone()]).await?;
        let free: Vec<String> = names.iter().filter(|name| !held.iter().any(|(one,)| one == *name)).cloned().collect();
        let acquire = sql!(
            "INSERT INTO duties (name, holder, epoch, expires_at) SELECT n.value, $2, 1, ",
            (database_now),
            " + $3 FROM ",
            ["json_each($1) AS n" | "unnest($1) AS n (value)"],
            " WHERE TRUE ON CONFLICT (name) DO UPDATE SET \
             epoch = duties.epoch + CASE WHEN duties.holder = excluded.holder THEN 0 ELSE 1 END, \
             holder = excluded.holder, expires_at = excluded.expires_at \
             WHERE duties.holder = excluded.holder OR duties.expires_at <= excluded.expires_at - $3 RETURNING name, epoch"
        );
        let taken: Vec<(String, i64)> = match free.is_empty() {
            true => Vec::new(),
            false => {
                let parameters = &args![free, self.holder.clone(), millis(LEASE)];
                db.transaction(|tx| work(async move { tx.all(acquire, parameters.clone()).await })).await?
            }
        };
        let mut leases = self.leases();
        for (duty, name) in wanted.iter().zip(&names) {
            match taken.iter().find(|(one, _)| one == name) {
                Some((_, epoch)) => drop(leases.insert(*duty, (Lease { duty: *duty, epoch: *epoch }, renewed))),
                None => drop(leases.remove(duty)),
            }
        }
        Ok(())
    }

    /// Ends the leases of hubs that were killed, where this is the only hub: on a SQLite file.
    pub(super) async fn inherit(&self, db: &Db) -> Result<(), StoreError> {
        match db {
            Db::Sqlite { .. } => db.execute("UPDATE duties SET expires_at = 0", vec![]).await.map(drop),
            Db::Postgres(_) => Ok(()),
        }
    }

    /// Lets other hubs take the duties of this one at once. A command that holds none writes nothing.
    pub(super) async fn release(&self, db: &Db) -> Result<(), StoreError> {
        if std::mem::take(&mut *self.leases()).is_empty() {
            return Ok(());
        }
        db.execute("UPDATE duties SET expires_at = 0 WHERE holder = $1", args![self.holder.clone()]).await.map(drop)
    }

    /// To be called last in every transaction of a duty. Until the end of the transaction no other hub can take the duties
    /// over.
    ///
    /// # Errors
    ///
    /// [`StoreError::DutyLost`] when another hub has taken one over.
    pub(super) async fn fence(&self, tx: &mut Tx, leases: &[Lease]) -> Result<(), StoreError> {
        let select = sql!(
            "SELECT name, epoch FROM duties WHERE holder = $1 AND name ",
            (in 2),
            " ORDER BY name",
            ["" | " FOR SHARE"]
        );
        let names: Vec<String> = leases.iter().map(|lease| lease.duty.name()).collect();
        let held: Vec<(String, i64)> = tx.all(select, args![self.holder.clone(), names.clone()]).await?;
        for (lease, name) in leases.iter().zip(&names) {
            if !held.iter().any(|(one, epoch)| one == name && *epoch == lease.epoch) {
                // The next use asks the database which are left.
                self.leases().clear();
                return Err(StoreError::DutyLost(name.clone()));
            }
        }
        Ok(())
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<Duty, (Lease, Instant)>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
