//! The outcome of a cycle as plain text.

use std::io::{self, Write};

use super::{Outcome, summary};
use crate::results::table;

/// Writes the table of results and the summary of the cycle, with colours.
pub fn write(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    if !outcome.peers.is_empty() {
        writeln!(out, "{}\n", table::of(&outcome.peers))?;
    }
    summary::lines(outcome).iter().try_for_each(|line| writeln!(out, "{line}"))
}
