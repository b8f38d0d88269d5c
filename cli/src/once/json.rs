//! The outcome of a cycle as JSON.

use std::io::{self, Write};

use super::Outcome;
use crate::results::json;

/// Writes `{"cycle": {…}, "peers": [{…}, …]}`, with one line per peer.
pub fn write(out: &mut impl Write, Outcome { cycle, peers, .. }: &Outcome) -> io::Result<()> {
    out.write_all(b"{\"cycle\": ")?;
    serde_json::to_writer(&mut *out, cycle)?;
    out.write_all(b",\n\"peers\": ")?;
    json::write_array(out, peers)?;
    out.write_all(b"}\n")
}
