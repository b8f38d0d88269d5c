//! Pauses of random length, so that hubs, channels and sites do not act in step.

use std::time::Duration;

use easytier_uptime_store::random;

/// `duration`, up to this share of it longer or shorter.
pub(crate) fn jittered(duration: Duration, share: f64) -> Duration {
    let random = f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX);
    duration.mul_f64(1.0 - share + 2.0 * share * random)
}
