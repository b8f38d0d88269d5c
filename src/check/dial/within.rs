//! Waiting with a deadline.

use std::io;

use tokio::time::{Instant, timeout_at};

use crate::check::stage_failure::StageFailure;

/// Waits for `io` until `deadline`. `late` makes the failure of a passed deadline, `failed` that of an I/O error.
pub(super) async fn within<T>(
    deadline: Instant,
    io: impl Future<Output = io::Result<T>>,
    late: impl FnOnce() -> StageFailure,
    failed: impl FnOnce(io::Error) -> StageFailure,
) -> Result<T, StageFailure> {
    match timeout_at(deadline, io).await {
        Err(_) => Err(late()),
        Ok(result) => result.map_err(failed),
    }
}
