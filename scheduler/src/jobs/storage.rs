//! The jobs of a process, as storage of `tokio-cron-scheduler`.
//!
//! Twice a second the library asks its storage for the jobs that are due, and for the code to run. No other part of the
//! library is used. [`Due`] decides when a job is due, because the library computes the next time at a constant offset
//! from UTC and only by the wall clock. Jobs are added to and removed from this table directly, because the library
//! drops jobs that pass through its own channels late or never.

use std::{
    collections::HashMap,
    future::ready,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::RwLock, time::Instant};
use tokio_cron_scheduler::{
    Context, JobCode, JobSchedulerError, JobToRunAsync, MetaDataStorage, PinnedGetFuture, ToCode,
    job::job_data::{JobAndNextTick, JobStoredData, JobType},
    store::{DataStore, InitStore},
};
use uuid::Uuid;

use super::due::{Due, Reading};
use crate::schedule::Schedule;

/// Starts a run of a job, and returns at once.
pub type Start = Arc<dyn Fn() + Send + Sync>;

/// Reads the wall clock.
pub type WallClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

type Reply<T> = Pin<Box<dyn Future<Output = Result<T, JobSchedulerError>> + Send>>;

/// The jobs. Clones share them.
#[derive(Clone)]
pub struct Table {
    state: Arc<Mutex<State>>,
    wall_clock: WallClock,
}

struct State {
    jobs: HashMap<Uuid, Entry>,
    last_reading: Option<Reading>,
}

struct Entry {
    due: Due,
    start: Start,
}

/// A job in the table; it is removed when this is dropped.
pub struct Added {
    id: Uuid,
    table: Table,
}

impl Drop for Added {
    fn drop(&mut self) {
        let removed = self.table.state().jobs.remove(&self.id);
        // Dropped after the lock is released, because this runs code of the job's owner.
        drop(removed);
    }
}

impl Table {
    pub fn new(wall_clock: WallClock) -> Self {
        let state = State { jobs: HashMap::new(), last_reading: None };
        Self { state: Arc::new(Mutex::new(state)), wall_clock }
    }

    /// Adds a job that `start` runs, each time `delay` after a time of `schedule`.
    pub fn add(&self, schedule: &Schedule, delay: Duration, start: Start) -> Added {
        let id = Uuid::new_v4();
        let due = Due::new(schedule, delay, self.read_clocks());
        self.state().jobs.insert(id, Entry { due, start });
        Added { id, table: self.clone() }
    }

    /// The jobs that are due now. Returns each due run once.
    fn take_due(&self) -> Vec<Uuid> {
        let now = self.read_clocks();
        let mut state = self.state();
        let set_by = state.last_reading.replace(now).and_then(|before| now.was_set_since(&before));
        if let Some(by) = set_by {
            log_set_clock(by);
        }
        let due = state.jobs.iter_mut().filter_map(|(id, job)| job.due.take(now, set_by.is_some()).then_some(*id));
        due.collect()
    }

    /// The code that the library runs for the job. It does nothing if the job was removed after its run became due.
    fn code(&self, id: Uuid) -> Box<JobToRunAsync> {
        let start = self.state().jobs.get(&id).map(|job| Arc::clone(&job.start));
        Box::new(move |_, _| {
            if let Some(start) = &start {
                start();
            }
            Box::pin(ready(()))
        })
    }

    fn read_clocks(&self) -> Reading {
        Reading { wall: (self.wall_clock)(), monotonic: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_set_clock(by: TimeDelta) {
    let seconds = by.abs().as_seconds_f64();
    match by > TimeDelta::zero() {
        true => tracing::warn!("the clock was set forward by {seconds:.1} s, or this machine slept"),
        false => tracing::warn!("the clock was set back by {seconds:.1} s"),
    }
}

/// The library requires this data of a job, but does not use it here.
const NO_DATA: JobStoredData = JobStoredData {
    id: None,
    last_updated: None,
    last_tick: None,
    next_tick: 0,
    job_type: JobType::Repeated as i32,
    count: 0,
    extra: Vec::new(),
    ran: false,
    stopped: false,
    job: None,
    time_offset_seconds: 0,
};

impl InitStore for Table {
    fn init(&mut self) -> Reply<()> {
        Box::pin(ready(Ok(())))
    }

    fn inited(&mut self) -> Reply<bool> {
        Box::pin(ready(Ok(true)))
    }
}

impl DataStore<JobStoredData> for Table {
    fn get(&mut self, _id: Uuid) -> Reply<Option<JobStoredData>> {
        Box::pin(ready(Ok(Some(NO_DATA))))
    }

    fn add_or_update(&mut self, _data: JobStoredData) -> Reply<()> {
        Box::pin(ready(Ok(())))
    }

    fn delete(&mut self, _id: Uuid) -> Reply<()> {
        Box::pin(ready(Ok(())))
    }
}

impl MetaDataStorage for Table {
    /// Called twice a second. The library starts jobs with a next tick in the past and without a last tick.
    fn list_next_ticks(&mut self) -> Reply<Vec<JobAndNextTick>> {
        let due = |id: Uuid| JobAndNextTick {
            id: Some(id.into()),
            job_type: JobType::Repeated as i32,
            next_tick: 1,
            last_tick: None,
        };
        let all_due = self.take_due().into_iter().map(due).collect();
        Box::pin(ready(Ok(all_due)))
    }

    fn set_next_and_last_tick(
        &mut self,
        _id: Uuid,
        _next: Option<DateTime<Utc>>,
        _last: Option<DateTime<Utc>>,
    ) -> Reply<()> {
        Box::pin(ready(Ok(())))
    }

    fn time_till_next_job(&mut self) -> Reply<Option<Duration>> {
        Box::pin(ready(Ok(None)))
    }
}

impl ToCode<Box<JobToRunAsync>> for Table {
    fn init(&mut self, _context: &Context) -> Reply<()> {
        Box::pin(ready(Ok(())))
    }

    fn get(&mut self, id: Uuid) -> PinnedGetFuture<Box<JobToRunAsync>> {
        Box::pin(ready(Ok(Some(Arc::new(RwLock::new(self.code(id)))))))
    }
}

impl JobCode for Table {}
