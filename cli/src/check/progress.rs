//! The progress bar of a check of many peers.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// With fewer peers a bar would disappear before it is read.
const MIN_PEERS: usize = 20;

/// A bar on stderr, or a hidden one if stderr is not a terminal or is used for other output.
pub fn bar(peers: usize, stderr_in_use: bool) -> ProgressBar {
    if peers < MIN_PEERS || stderr_in_use || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} peers checked") else {
        return ProgressBar::hidden();
    };
    ProgressBar::new(peers as u64).with_style(style)
}
