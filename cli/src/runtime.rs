//! The async runtime of short-lived commands.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime that runs on the thread that calls `block_on`.
pub fn single_threaded() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the async runtime")
}
