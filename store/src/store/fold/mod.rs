//! The fold: what follows from results that are stored.
//!
//! Ingest only appends results, to `results` and packed to `appends`. The fold applies them to the states of the peers, their
//! counts and events, and removes them from `appends` in the same transaction: each result is applied once, whatever crashes.
//! It is divided by peer into shards. Each shard is a duty, so that several hubs can share the work.

mod apply;
mod counts;
mod packed;
mod pending;

use std::ops::AddAssign;

use easytier_probe::SPANS;
use tracing::Instrument;

use self::{apply::Parked, packed::Appended, pending::Group};
pub(super) use self::{
    packed::{PackedResult, pack, sees_online},
    pending::{oldest, shard_of, shards},
};
use super::{
    Store,
    doubts::{self, Doubtful},
    duties::Lease,
    rows,
    shared::Shared,
};
use crate::{db::work, domain::Timestamp, error::StoreError};

/// What the fold did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    /// How many results were applied.
    pub results: u64,
    /// How many results could not be applied, and were parked.
    pub parked: u64,
}

impl AddAssign for Folded {
    fn add_assign(&mut self, other: Self) {
        self.results += other.results;
        self.parked += other.parked;
    }
}

/// The results that are stored but not applied yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many results are waiting.
    pub results: u64,
    /// When the oldest of them arrived.
    pub oldest: Option<Timestamp>,
    /// How many results could not be applied since the database was created.
    pub parked: u64,
}

impl Store {
    /// Applies all results that were stored before the call, in the shards that this hub folds. It is meant to be called
    /// whenever [`Store::appended`] returns.
    ///
    /// # Errors
    ///
    /// When the database fails, or another hub has taken over.
    pub async fn fold(&self) -> Result<Folded, StoreError> {
        let mut folded = Folded::default();
        loop {
            let (group, more) = self.fold_group().await?;
            folded += group;
            if !more {
                return Ok(folded);
            }
        }
    }

    /// Applies one group of results. Returns what it did, and whether there are more that were stored before the call.
    pub(crate) async fn fold_group(&self) -> Result<(Folded, bool), StoreError> {
        let leases = self.shared.duties.share_folds(self.db()).await?;
        let Some(group) = pending::next_group(self.db(), &leases).await? else { return Ok((Folded::default(), false)) };
        let span = tracing::info_span!(target: SPANS, "fold", results = group.results.len());
        match fold_group(&self.shared, &leases, &group).instrument(span).await {
            // Those that came meanwhile are left to the next fold: many are cheaper together.
            Ok(parked) => Ok((Folded { results: group.results.len() as u64 - parked, parked }, !group.is_last)),
            // The next turn finds out which duties are left.
            Err(StoreError::DutyLost(duty)) => {
                tracing::info!(duty, "another hub has taken over a duty");
                Ok((Folded::default(), true))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns when this hub has stored results that it has not tried to fold yet.
    pub async fn appended(&self) {
        self.shared.appended.notified().await;
    }

    /// The results that are stored but not applied yet, on all hubs.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let select = "SELECT CAST(coalesce(sum(results), 0) AS BIGINT), min(received_at), \
                      (SELECT count(*) FROM parked) FROM appends";
        let (results, oldest, parked): (i64, Option<Timestamp>, i64) = self.db().one(select, vec![]).await?;
        Ok(Backlog { results: rows::count(results), oldest, parked: rows::count(parked) })
    }
}

/// Folds a group in one transaction, and parks its results that cannot be applied; returns how many these are.
async fn fold_group(shared: &Shared, leases: &[Lease], group: &Group) -> Result<u64, StoreError> {
    let mut parked = Vec::new();
    let mut folded = write(shared, leases, group, &group.results, &parked).await;
    if folded.as_ref().is_err_and(is_about_the_results) {
        let good;
        (good, parked) = separate(shared, &group.results, group.now).await?;
        for Parked { result, reason } in &parked {
            tracing::error!(result = %result.id, peer = %result.peer, reason, "a result cannot be applied; parked");
        }
        folded = write(shared, leases, group, &good, &parked).await;
    }
    doubts::spread(shared, leases, &folded?, group.now).await?;
    Ok(parked.len() as u64)
}

async fn write(
    shared: &Shared,
    leases: &[Lease],
    group: &Group,
    good: &[Appended],
    parked: &[Parked],
) -> Result<Doubtful, StoreError> {
    shared.db.transaction(|tx| work(apply::fold(tx, shared, leases, group, good, parked))).await
}

/// Whether an error says that a result cannot be applied, and not that the database or this hub is in trouble.
fn is_about_the_results(error: &StoreError) -> bool {
    !error.is_unavailable() && matches!(error, StoreError::Corrupt(_) | StoreError::Database(_))
}

/// Divides results into those that can be applied and those that cannot, with the reasons. Halves are tried in transactions
/// that are rolled back, until a single result is left.
async fn separate(
    shared: &Shared,
    results: &[Appended],
    now: Timestamp,
) -> Result<(Vec<Appended>, Vec<Parked>), StoreError> {
    let (mut good, mut parked) = (Vec::new(), Vec::new());
    let mut untried = vec![results];
    while let Some(part) = untried.pop() {
        match try_out(shared, part, now).await {
            Ok(()) => good.extend_from_slice(part),
            Err(error) if is_about_the_results(&error) => match part {
                [one] => parked.push(Parked { result: one.clone(), reason: error.to_string() }),
                part => {
                    let (first, second) = part.split_at(part.len() / 2);
                    untried.extend([second, first]);
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok((good, parked))
}

/// Applies results in a transaction that is rolled back.
async fn try_out(shared: &Shared, results: &[Appended], now: Timestamp) -> Result<(), StoreError> {
    let tried = shared.db.transaction(|tx| {
        work(async move {
            apply::apply(tx, shared, results, now).await?;
            Err::<(), _>(StoreError::Closed)
        })
    });
    match tried.await {
        Err(StoreError::Closed) => Ok(()),
        tried => tried,
    }
}
