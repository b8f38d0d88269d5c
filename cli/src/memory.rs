//! Keeps the memory of a service small.
//!
//! glibc has a heap for each thread, which grows to the peak of that thread and keeps freed memory. A daemon is idle most of
//! the time and has short peaks, for example when it fetches a list of peers. So its threads share one heap, and freed
//! memory is returned to the system. In a hub, many threads serve callers, and each of their heaps would keep the memory of
//! one login or one long list. So large blocks are outside the heaps.

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

/// Blocks from this size on are returned to the system when they are freed. A login takes 19 MiB, a long list 1 MiB.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 512 << 10;

/// Keeps large blocks outside the heaps. By itself glibc stops doing so when the first one is freed. Must be called before any
/// thread is started.
#[allow(unsafe_code, reason = "the allocator of glibc is controlled by C functions")]
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: this sets a number.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
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
