//! Results kept until the end of the cycle.

use easytier_probe::{CheckReport, Latency, Peer, result::Timings};

use crate::results::Checked;

/// All results so far, in two allocations that grow, and none for each.
///
/// Small ones that stay, made while thousands of checks come and go beside them, would keep the memory of those checks
/// from being used again: four times as much for ten thousand peers.
#[derive(Default)]
pub struct Kept {
    /// What holds text, as JSON, a result a line.
    lines: Vec<u8>,
    measured: Vec<(Option<Latency>, Timings)>,
}

impl Kept {
    pub fn add(&mut self, peer: &Peer, report: &CheckReport) {
        let CheckReport { result, url, latency, timings, is_public_server, certificate_expires_at } = report;
        let line = (&peer.name, result, url, is_public_server, certificate_expires_at);
        serde_json::to_writer(&mut self.lines, &line).expect("a result can be written to memory");
        self.lines.push(b'\n');
        self.measured.push((*latency, *timings));
    }

    /// By the peers' ids.
    pub fn into_checked(self) -> Vec<Checked> {
        let lines = self.lines.split(|byte| *byte == b'\n');
        let mut checked: Vec<Checked> = lines
            .zip(self.measured)
            .map(|(line, (latency, timings))| {
                let (name, result, url, is_public_server, certificate_expires_at) =
                    serde_json::from_slice(line).expect("what was written can be read");
                let report = CheckReport { result, url, latency, timings, is_public_server, certificate_expires_at };
                Checked { name, report }
            })
            .collect();
        checked.sort_by_key(|peer| peer.report.result.peer_id);
        checked
    }
}
