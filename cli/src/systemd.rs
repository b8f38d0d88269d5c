//! Messages to systemd. Outside of systemd they have no effect.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::sleep;

const MIN_WATCHDOG_INTERVAL: Duration = Duration::from_millis(10);

/// Reports that the service is ready, and then notifies the watchdog as long as `is_alive` and the runtime runs tasks. Never
/// returns.
pub async fn ready(is_alive: impl Fn() -> bool) {
    notify(&[NotifyState::Ready]);
    let Some(watchdog_timeout) = sd_notify::watchdog_enabled() else { return pending().await };
    loop {
        // This runs on the thread on which the process began, so it asks a worker thread too.
        if tokio::spawn(async {}).await.is_ok() && is_alive() {
            notify(&[NotifyState::Watchdog]);
        }
        sleep((watchdog_timeout / 2).max(MIN_WATCHDOG_INTERVAL)).await;
    }
}

/// Reports that the service is stopping.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Reports that the service is reloading its configuration.
pub fn reloading() {
    notify(&[NotifyState::Reloading]);
}

fn notify(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
