//! Duties: work that one hub does at a time, where several hubs share a database.
//!
//! A duty is a row with a holder, an epoch and a time at which the lease of the holder expires, on the database's clock. The
//! epoch grows whenever the holder changes. Every transaction of a duty ends with [`fence`], which fails when another hub has
//! taken the duty over: so a hub that was stopped for a while, even within a transaction, does nothing twice.
//!
//! Live hubs share the shards of the fold: each holds at most its share, the number of shards divided by that of hubs and
//! rounded up. A hub takes what nobody holds, and gives up what is beyond its share when another hub has come.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Store, hubs};
use crate::{
    db::{Db, Tx, args, sql, work},
    domain::millis,
    error::StoreError,
};

/// How long a lease lasts without a renewal. After that any hub may take the duty over.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// The age at which a lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(3);

/// How many shards the fold has. A peer belongs to the shard that is its id modulo this number.
pub(super) const SHARDS: usize = 8;

/// A piece of work that one hub does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Duty {
    /// Applying results to the states of the peers of one shard, and reviewing these states.
    Fold(usize),
    /// Tracking probes.
    Presence,
    /// Deleting expired rows, dropping partitions.
    Retention,
    /// Communicating with the other instances of the cluster.
    Instance,
    /// Planning the messages of alerts, and recording incidents.
    Alerts,
    /// Following lists of nodes.
    Sources,
    /// Configuring probes and asking them for statistics.
    Manager,
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
            Self::Alerts => "alerts".to_owned(),
            Self::Sources => "sources".to_owned(),
            Self::Manager => "manager".to_owned(),
        }
    }
}

/// A duty that this hub holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub duty: Duty,
    epoch: i64,
}

/// How many duties a hub holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldDuties {
    /// Shards of the fold, of eight.
    pub fold: usize,
    /// Tracking probes: one or none.
    pub presence: usize,
    /// Deleting what expired: one or none.
    pub retention: usize,
    /// Communicating with the other instances of the cluster: one or none.
    pub instance: usize,
    /// Planning the messages of alerts, and recording incidents: one or none.
    pub alerts: usize,
    /// Following lists of nodes: one or none.
    pub sources: usize,
    /// Configuring probes and asking them for statistics: one or none.
    pub manager: usize,
}

impl Store {
    /// How many duties this hub held a moment ago. It does not read the database.
    pub fn held_duties(&self) -> HeldDuties {
        let mut held = HeldDuties::default();
        let leases = self.shared.duties.leases();
        for duty in leases.values().filter(|(_, renewed)| renewed.elapsed() < LEASE).map(|(lease, _)| lease.duty) {
            match duty {
                Duty::Fold(_) => held.fold += 1,
                Duty::Presence => held.presence += 1,
                Duty::Retention => held.retention += 1,
                Duty::Instance => held.instance += 1,
                Duty::Alerts => held.alerts += 1,
                Duty::Sources => held.sources += 1,
                Duty::Manager => held.manager += 1,
            }
        }
        held
    }
}

/// The duties that this hub holds.
pub(super) struct Duties {
    /// The id of this hub in the table `hubs`; `None` where no other hub can be.
    hub: Option<Uuid>,
    /// Identifies this hub, from its start to its end.
    holder: String,
    leases: Mutex<HashMap<Duty, (Lease, Instant)>>,
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
pub(super) use database_now;

impl Duties {
    /// The duties of a hub; of a command, or a hub on SQLite, without an id.
    pub(super) fn new(hub: Option<Uuid>) -> Self {
        Self { hub, holder: hub.unwrap_or_else(Uuid::new_v4).to_string(), leases: Mutex::default() }
    }

    /// Takes or renews duties; returns the leases of those that no other hub holds.
    pub(super) async fn hold(&self, db: &Db, duties: &[Duty]) -> Result<Vec<Lease>, StoreError> {
        self.hold_at_most(db, duties, duties.len()).await
    }

    /// Takes or renews shards of the fold, up to the share of this hub; returns the leases of all that it holds.
    pub(super) async fn hold_folds(&self, db: &Db) -> Result<Vec<Lease>, StoreError> {
        self.hold_at_most(db, &Duty::FOLDS, self.share(db).await?).await
    }

    /// As [`hold_folds`](Self::hold_folds), and gives up the shards that are beyond the share. To be called when no group is
    /// being folded: one that is would be rolled back if another hub took its shard over.
    pub(super) async fn share_folds(&self, db: &Db) -> Result<Vec<Lease>, StoreError> {
        let share = self.share(db).await?;
        let mut leases = self.hold_at_most(db, &Duty::FOLDS, share).await?;
        if leases.len() > share {
            let surplus = leases.split_off(share);
            self.give_up(db, &surplus).await?;
        }
        Ok(leases)
    }

    /// How many shards of the fold this hub should hold at most.
    async fn share(&self, db: &Db) -> Result<usize, StoreError> {
        let Some(hub) = self.hub else { return Ok(SHARDS) };
        let hubs = 1 + usize::try_from(hubs::count_others(db, hub, LEASE).await?).unwrap_or(0);
        Ok(SHARDS.div_ceil(hubs))
    }

    async fn hold_at_most(&self, db: &Db, duties: &[Duty], most: usize) -> Result<Vec<Lease>, StoreError> {
        if duties.iter().any(|duty| !self.is_fresh(*duty)) {
            self.acquire(db, duties, most).await?;
        }
        let leases = self.leases();
        Ok(duties.iter().filter_map(|duty| leases.get(duty)).map(|(lease, _)| *lease).collect())
    }

    fn is_fresh(&self, duty: Duty) -> bool {
        self.leases().get(&duty).is_some_and(|(_, renewed)| renewed.elapsed() < RENEW_AFTER)
    }

    /// Renews those of these duties that this hub holds, and takes some that nobody holds until it has `most`.
    async fn acquire(&self, db: &Db, duties: &[Duty], most: usize) -> Result<(), StoreError> {
        // Before the statement, so that this hub never believes in a lease for longer than the database does.
        let renewed = Instant::now();
        let held = sql!("SELECT name, holder FROM duties WHERE expires_at > ", (database_now));
        let held: HashMap<String, String> = db.all(held, vec![]).await?.into_iter().collect();
        let names = || duties.iter().map(|duty| (*duty, duty.name()));
        let (own, rest): (Vec<_>, Vec<_>) = names()
            .filter(|(_, name)| held.get(name).is_none_or(|holder| *holder == self.holder))
            .partition(|(_, name)| held.contains_key(name));
        let room = most.saturating_sub(own.len());
        let own = own.into_iter().filter(|(duty, _)| !self.is_fresh(*duty));
        let wanted: Vec<String> = own.chain(rest.into_iter().take(room)).map(|(_, name)| name).collect();
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
        let taken: Vec<(String, i64)> = match wanted.is_empty() {
            true => Vec::new(),
            false => {
                let parameters = &args![wanted, self.holder.clone(), millis(LEASE)];
                db.transaction(|tx| work(async move { tx.all(acquire, parameters.clone()).await })).await?
            }
        };
        let mut leases = self.leases();
        for (duty, name) in names() {
            match taken.iter().find(|(one, _)| *one == name) {
                Some((_, epoch)) => drop(leases.insert(duty, (Lease { duty, epoch: *epoch }, renewed))),
                // Fresh ones were not asked for.
                None if leases.get(&duty).is_some_and(|(_, renewed)| renewed.elapsed() < RENEW_AFTER) => {}
                None => drop(leases.remove(&duty)),
            }
        }
        Ok(())
    }

    /// Lets other hubs take some of the duties of this one at once.
    async fn give_up(&self, db: &Db, surplus: &[Lease]) -> Result<(), StoreError> {
        let names: Vec<String> = surplus.iter().map(|lease| lease.duty.name()).collect();
        self.leases().retain(|duty, _| surplus.iter().all(|lease| lease.duty != *duty));
        tracing::info!(duties = ?names, "giving up duties to a hub that has come");
        let update = sql!("UPDATE duties SET expires_at = 0 WHERE holder = $1 AND name ", (in 2));
        db.execute(update, args![self.holder.clone(), names]).await.map(drop)
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
