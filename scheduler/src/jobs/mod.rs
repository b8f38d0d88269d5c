//! Work that is done at the times of a schedule, by `tokio-cron-scheduler`.
//!
//! A [`JobScheduler`](tokio_cron_scheduler::JobScheduler) is never freed: its tasks keep each other alive. So a process
//! makes one, in a [`Scheduler`], and jobs are added to it and removed from it.

mod due;
mod storage;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::{sync::OnceCell, time::sleep};
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError, SimpleNotificationCode, SimpleNotificationStore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::storage::{Start, Table};
use crate::schedule::Schedule;

/// How many messages can wait in a channel of the library. There are always fewer jobs.
const CHANNEL_SIZE: usize = 200;

/// Work to do at the times of a schedule.
#[derive(Clone)]
pub struct Job {
    name: &'static str,
    schedule: Schedule,
    delay: Duration,
    work: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    on_skip: Arc<dyn Fn() + Send + Sync>,
    is_running: Arc<AtomicBool>,
}

impl Job {
    /// A job that runs `work`. Two runs never overlap: a run that is due during the previous one is skipped.
    pub fn new<F>(name: &'static str, schedule: Schedule, work: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            schedule,
            delay: Duration::ZERO,
            work: Arc::new(move || Box::pin(work())),
            on_skip: Arc::new(|| ()),
            is_running: Arc::default(),
        }
    }

    /// The same job, which begins each run `delay` after its scheduled time.
    pub fn delayed_by(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same job, which calls `on_skip` for each run that it skips.
    pub fn on_skip(self, on_skip: impl Fn() + Send + Sync + 'static) -> Self {
        Self { on_skip: Arc::new(on_skip), ..self }
    }

    /// Runs the work now, unless it is already running.
    pub async fn run(&self) {
        if self.is_running.swap(true, Ordering::Acquire) {
            tracing::warn!(job = self.name, "still running when it is due again; skipped");
            return (self.on_skip)();
        }
        // Reset by a guard, so that it is also reset when the work panics.
        let _running = Running(&self.is_running);
        (self.work)().await;
    }

    /// Runs the work now, and cancels it if it still runs `grace` after `stop`.
    pub async fn run_until(&self, stop: &CancellationToken, grace: Duration) {
        tokio::select! {
            () = self.run() => {}
            () = async { stop.cancelled().await; sleep(grace).await } => {}
        }
    }
}

struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Runs the jobs of a process. Make one when the process starts, and pass it on; clones are the same scheduler.
///
/// It looks twice a second for jobs that are due. Intervals are measured by the monotonic clock. The times of a cron
/// expression are those of the wall clock in its time zone. After that clock was set, one run stands for all times that
/// were skipped, and no run starts before half of the usual pause has passed by the monotonic clock.
#[derive(Clone)]
pub struct Scheduler {
    table: Table,
    library: Arc<OnceCell<JobScheduler>>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheduler {
    /// A scheduler that uses the system clock. It starts with its first jobs, on the async runtime of that call.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock, which tests replace")]
    pub fn new() -> Self {
        Self::with_wall_clock(Utc::now)
    }

    /// A scheduler that uses another wall clock.
    pub fn with_wall_clock(wall_clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { table: Table::new(Arc::new(wall_clock)), library: Arc::default() }
    }

    /// Runs the jobs at their times until `stop`, and then waits at most `grace` until running jobs have ended. Afterwards
    /// the scheduler keeps no reference to the jobs.
    ///
    /// # Errors
    ///
    /// If the library cannot be started.
    pub async fn run(&self, jobs: Vec<Job>, stop: CancellationToken, grace: Duration) -> Result<(), JobSchedulerError> {
        self.library.get_or_try_init(|| start(self.table.clone())).await?;
        let tracker = TaskTracker::new();
        let add = |job: Job| {
            let (schedule, delay) = (job.schedule.clone(), job.delay);
            self.table.add(&schedule, delay, starter(job, &tracker, &stop, grace))
        };
        let added: Vec<_> = jobs.into_iter().map(add).collect();
        stop.cancelled().await;
        drop(added);
        tracker.close();
        tracker.wait().await;
        Ok(())
    }
}

fn starter(job: Job, tracker: &TaskTracker, stop: &CancellationToken, grace: Duration) -> Start {
    let (tracker, stop) = (tracker.clone(), stop.clone());
    Arc::new(move || {
        if !stop.is_cancelled() {
            let (job, stop) = (job.clone(), stop.clone());
            tracker.spawn(async move { job.run_until(&stop, grace).await });
        }
    })
}

async fn start(table: Table) -> Result<JobScheduler, JobSchedulerError> {
    let library = JobScheduler::new_with_storage_and_code(
        Box::new(table.clone()),
        Box::new(SimpleNotificationStore::default()),
        Box::new(table),
        Box::new(SimpleNotificationCode::default()),
        CHANNEL_SIZE,
    );
    let library = library.await?;
    library.start().await?;
    Ok(library)
}

#[cfg(test)]
mod tests;
