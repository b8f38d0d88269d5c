//! How far a long check has got.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// With fewer peers than this, a bar would be gone before it is read.
const WORTH_A_BAR: usize = 20;

/// A bar on stderr, where someone watches and nothing else is written meanwhile; otherwise one that shows nothing.
pub fn bar(peers: usize, stderr_in_use: bool) -> ProgressBar {
    if peers < WORTH_A_BAR || stderr_in_use || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} peers checked")
        .expect("the template is a constant that parses");
    ProgressBar::new(peers as u64).with_style(style)
}
