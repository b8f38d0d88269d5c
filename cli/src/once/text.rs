//! Results for a terminal or a mail.

use std::io::{self, Write};

use super::{Outcome, summary};
use crate::results::table;

/// The table, and below it the cycle in a few lines. It carries colours.
pub fn write(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    if !outcome.peers.is_empty() {
        writeln!(out, "{}\n", table::of(&outcome.peers))?;
    }
    summary::lines(outcome).iter().try_for_each(|line| writeln!(out, "{line}"))
}
