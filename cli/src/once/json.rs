//! Results for programs.

use std::io::{self, Write};

use super::Outcome;

/// `{"cycle": {…}, "peers": [{…}, …]}`, a peer a line.
pub fn write(out: &mut impl Write, Outcome { cycle, peers, .. }: &Outcome) -> io::Result<()> {
    out.write_all(b"{\"cycle\": ")?;
    serde_json::to_writer(&mut *out, cycle)?;
    out.write_all(b",\n\"peers\": [")?;
    for (index, peer) in peers.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &peer.report)?;
    }
    out.write_all(b"\n]}\n")
}
