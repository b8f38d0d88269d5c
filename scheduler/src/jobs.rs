//! Work that is done at times, by `tokio-cron-scheduler`.
//!
//! That scheduler goes by the clock on the wall: when somebody sets it forward it makes up for every interval that was
//! skipped, and when it is set back it waits until the old time comes again; and it holds the offset of a time zone for
//! constant. So the jobs are scheduled anew when the clock jumps, or the zone's offset changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use chrono::{Offset, TimeZone, Utc};
use chrono_tz::Tz;
use futures::future::BoxFuture;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_cron_scheduler::{Job as CronJob, JobScheduler, JobSchedulerError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{checking::GRACE, schedule::Schedule};

/// How far the clocks may drift apart between two looks at them before that counts as a jump.
const JUMP: Duration = Duration::from_secs(2);

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something to do at times.
#[derive(Clone)]
pub struct Job {
    name: &'static str,
    schedule: Schedule,
    work: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    /// Called when it was due and still running.
    on_skip: Arc<dyn Fn() + Send + Sync>,
    is_running: Arc<AtomicBool>,
}

impl Job {
    /// `work` is never run twice at a time; a time that comes while it runs is skipped.
    pub fn new<F>(name: &'static str, schedule: Schedule, work: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            schedule,
            work: Arc::new(move || Box::pin(work())),
            on_skip: Arc::new(|| ()),
            is_running: Arc::default(),
        }
    }

    pub fn on_skip(self, on_skip: impl Fn() + Send + Sync + 'static) -> Self {
        Self { on_skip: Arc::new(on_skip), ..self }
    }

    /// Runs the work, as if its time had come.
    pub async fn run(&self) {
        if self.is_running.swap(true, Ordering::Acquire) {
            tracing::warn!(job = self.name, "still running when it is due again; skipped");
            return (self.on_skip)();
        }
        // Also when it panics.
        let _running = Running(&self.is_running);
        (self.work)().await;
    }

    fn scheduled(
        &self,
        zone: Tz,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<CronJob, JobSchedulerError> {
        let (job, tracker, stop) = (self.clone(), tracker.clone(), stop.clone());
        let run = move |_, _| -> BoxFuture<'static, ()> {
            let (job, stop) = (job.clone(), stop.clone());
            tracker.spawn(async move {
                tokio::select! {
                    () = job.run() => {}
                    () = async { stop.cancelled().await; sleep(GRACE).await } => {}
                }
            });
            Box::pin(async {})
        };
        match &self.schedule {
            Schedule::Cron { expression, .. } => CronJob::new_async_tz(expression, zone, run),
            Schedule::Every(interval) => CronJob::new_repeated_async(*interval, run),
        }
    }
}

struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Runs the jobs at their times, until `stop`, and then waits for those that run, if they don't take long.
pub async fn run(jobs: Vec<Job>, zone: Tz, stop: CancellationToken) -> Result<(), JobSchedulerError> {
    let tracker = TaskTracker::new();
    while !stop.is_cancelled() {
        let mut scheduler = JobScheduler::new().await?;
        for job in &jobs {
            scheduler.add(job.scheduled(zone, &tracker, &stop)?).await?;
        }
        scheduler.start().await?;
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock_jumped(zone) => tracing::warn!("the clock was set, or its zone's offset changed; scheduling anew"),
        }
        scheduler.shutdown().await?;
    }
    tracker.close();
    tracker.wait().await;
    Ok(())
}

/// Waits until the clock on the wall and the one that only counts no longer agree.
async fn clock_jumped(zone: Tz) {
    let offset = || zone.offset_from_utc_datetime(&Utc::now().naive_utc()).fix();
    let first_offset = offset();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut counted, mut wall) = (Instant::now(), SystemTime::now());
    loop {
        looks.tick().await;
        let (counted_now, wall_now) = (Instant::now(), SystemTime::now());
        let passed = counted_now - counted;
        let shown = wall_now.duration_since(wall).unwrap_or_default();
        let went_back = wall_now < wall;
        if went_back || shown.abs_diff(passed) > JUMP || offset() != first_offset {
            return;
        }
        (counted, wall) = (counted_now, wall_now);
    }
}
