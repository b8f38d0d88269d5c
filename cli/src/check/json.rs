//! Results for programs.

use std::io::Write;

use easytier_probe::CheckReport;

use crate::results::Checked;

/// One array, an object a line.
pub fn write_array(out: &mut impl Write, peers: &[Checked]) -> anyhow::Result<()> {
    for (index, peer) in peers.iter().enumerate() {
        out.write_all(if index == 0 { b"[\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &peer.report)?;
    }
    out.write_all(b"\n]\n")?;
    Ok(())
}

/// One object on a line of its own.
pub fn write_line(out: &mut impl Write, report: &CheckReport) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    out.write_all(b"\n")?;
    Ok(())
}
