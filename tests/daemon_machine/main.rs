//! The daemon on a machine that has troubles of its own: a full disk, a clock that is set, a bad line, and very many
//! peers. The real program, real nodes and a real hub.

mod clock;
mod full_disk;
mod http;
mod hub;
mod line;
mod many;
mod namespace;
mod program;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// When a test gives up: what it waits for takes a few seconds, but the machine may be busy, and results that could not
/// be read are tried again after half a minute.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until there is what the test waits for.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
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
async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    eventually(what, async || look().await.then_some(())).await;
}
