//! Keeps the memory of a daemon small.
//!
//! glibc has a heap for each thread, which grows to the peak of that thread and keeps freed memory. A daemon is idle most of
//! the time and has short peaks, for example when it fetches a list of peers. So its threads share one heap, and freed
//! memory is returned to the system.

use std::{convert::Infallible, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

const TRIM_INTERVAL: Duration = Duration::from_secs(60);

/// Makes all threads share one heap. Must be called before any thread is started.
#[allow(unsafe_code, reason = "the allocator of glibc is controlled by C functions")]
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: this sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Returns freed memory to the system every minute.
#[allow(unsafe_code, reason = "the allocator of glibc is controlled by C functions")]
pub async fn trim_periodically() -> Infallible {
    let mut ticks = interval(TRIM_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        #[cfg(target_env = "gnu")]
        // SAFETY: any thread may call this at any time; it does not touch memory in use.
        let _ = tokio::task::spawn_blocking(|| unsafe { libc::malloc_trim(0) }).await;
    }
}
