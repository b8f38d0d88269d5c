//! Follows lists of nodes: fetches those that are due, and does what follows. One hub at a time does it, and only where peers are
//! edited: at a standalone instance and at a primary.

mod read;

use std::{collections::HashSet, panic::AssertUnwindSafe, time::Duration};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{Source, SourceChanges, SourceId, SourceProblem, SourceReading, Timestamp},
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{jitter::jittered, service::DEFAULT_EVERY};

/// The time between two looks for sources that are due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The pause of a source after an error of the database, so that its site is not asked again and again meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The share by which the time between two tries varies.
const JITTER: f64 = 0.1;

/// How many lists are fetched at the same time.
const MAX_RUNNING: usize = 8;

/// What a try found, and what followed.
#[derive(Debug, Clone)]
pub struct Try {
    /// Why it changed nothing, if something is wrong.
    pub problem: Option<SourceProblem>,
    /// How many entries are no nodes.
    pub refused: u32,
    /// What is wrong with the first of these.
    pub refusals: Vec<String>,
    /// What changed.
    pub changes: SourceChanges,
}

/// Follows the sources until `stop`. What is being fetched then is fetched again later.
pub async fn follow(store: &Store, stop: &CancellationToken) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut running, mut busy) = (FuturesUnordered::new(), HashSet::new());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(id) = running.next() => drop(busy.remove(&id)),
            _ = looks.tick() => {
                let due = store.due_sources(Timestamp::now()).await;
                let due = due.inspect_err(|error| tracing::warn!(%error, "cannot look for sources that are due; trying again"));
                for source in due.unwrap_or_default() {
                    if running.len() < MAX_RUNNING && busy.insert(source.id) {
                        running.push(try_and_log(store, source));
                    }
                }
            }
        }
    }
}

async fn try_and_log(store: &Store, source: Source) -> SourceId {
    let done = AssertUnwindSafe(try_now(store, &source, Timestamp::now())).catch_unwind().await;
    match done.unwrap_or(Err(StoreError::Panicked)) {
        // Somebody asked for it or removed it meanwhile.
        Ok(_) | Err(StoreError::Overtaken | StoreError::NotPrimary(_)) => {}
        Err(error) => {
            tracing::warn!(source = %source.id, %error, "cannot follow a list; trying again");
            sleep(RETRY_INTERVAL).await;
        }
    }
    source.id
}

/// Fetches a source, and does what follows.
///
/// # Errors
///
/// When it was tried, asked for or removed by somebody else meanwhile, this instance takes no edits, or the database fails. Nothing is
/// changed then. A list that cannot be used is no error.
pub async fn try_now(store: &Store, source: &Source, now: Timestamp) -> Result<Try, StoreError> {
    let reading = read::read(source).await;
    let pause = match reading {
        // A week is too long to find out that a site is back.
        SourceReading::Failed(_) => source.spec.every.min(DEFAULT_EVERY),
        SourceReading::NotModified | SourceReading::List { .. } => source.spec.every,
    };
    let due_at = now + jittered(pause, JITTER);
    let changes = store.follow_source(source, &reading, due_at, now).await?;
    let (problem, refused, refusals) = match reading {
        SourceReading::Failed(problem) => (Some(problem), 0, Vec::new()),
        SourceReading::NotModified => (None, 0, Vec::new()),
        SourceReading::List { refused, refusals, .. } => (None, refused, refusals),
    };
    match &problem {
        Some(problem) if source.problem.as_ref() != Some(problem) => {
            tracing::warn!(source = %source.id, %problem, "a list cannot be followed; its nodes stay as they are");
        }
        Some(_) => {}
        None if changes.is_none() => tracing::debug!(source = %source.id, "a list has no news"),
        None => {
            let SourceChanges { added, proposed, waiting, changed, dropped, restored } = changes;
            tracing::info!(source = %source.id, added, proposed, waiting, changed, dropped, restored, "followed a list");
        }
    }
    Ok(Try { problem, refused, refusals, changes })
}
