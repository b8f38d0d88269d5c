//! Results as JSON.

use std::io::{self, Write};

use easytier_probe::CheckReport;

use super::Checked;

/// Writes an array with one object per line.
pub fn write_array(out: &mut impl Write, peers: &[Checked]) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, peer) in peers.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &peer.report)?;
    }
    out.write_all(b"\n]")
}

/// Writes one object and a line break.
pub fn write_line(out: &mut impl Write, report: &CheckReport) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    out.write_all(b"\n")
}
