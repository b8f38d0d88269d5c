//! What systemd is told, where it started us; nothing happens elsewhere.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

/// The service works. As long as it does, and this is not dropped, the watchdog is kept quiet; where none is set this
/// never ends either.
pub async fn ready(is_alive: impl Fn() -> bool) {
    notify(&[NotifyState::Ready]);
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        if is_alive() {
            notify(&[NotifyState::Watchdog]);
        }
        sleep((patience / 2).max(Duration::from_millis(10))).await;
    }
}

pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

pub fn reloading() {
    notify(&[NotifyState::Reloading]);
}

fn notify(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
