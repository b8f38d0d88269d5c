//! The async runtime of a command that is no service.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime on the thread that waits for it.
pub fn of_one_thread() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the async runtime")
}
