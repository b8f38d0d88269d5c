//! Waiting for what comes when it does.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// When a test gives up: what it waits for takes a few seconds, but the machine may be busy, and what was refused, or could
/// not be read, is tried again after a minute at the latest.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until there is what the test waits for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until it is so.
pub async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    eventually(what, async || look().await.then_some(())).await;
}
