//! The memory of a process that runs for months beside much bigger ones.
//!
//! glibc keeps a heap for every thread that asks for memory, each as large as the most that was ever done there, and keeps
//! what was freed. A daemon does little at a time, and now and then much, as when a list of peers is fetched: it has one
//! heap, and gives back what is free.

use std::{convert::Infallible, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(60);

/// One heap for all threads. To be called before there are any.
pub fn keep_together() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what is free, every minute.
pub async fn give_back() -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        #[cfg(target_env = "gnu")]
        // SAFETY: any thread may call it at any time; it touches nothing that is in use.
        let _ = tokio::task::spawn_blocking(|| unsafe { libc::malloc_trim(0) }).await;
    }
}
