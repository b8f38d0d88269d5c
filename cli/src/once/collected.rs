//! Collects results until the end of the cycle.

use easytier_probe::{CheckReport, Latency, Peer, result::Timings};

use crate::results::Checked;

/// The results of a cycle, in two growing allocations.
///
/// With an allocation for each result, the heap is fragmented by the allocations of the checks that run at the same time: the
/// process takes four times the memory for ten thousand peers.
#[derive(Default)]
pub struct Collected {
    /// The parts of results that hold text: one JSON array per line.
    lines: Vec<u8>,
    measured: Vec<(Option<Latency>, Timings)>,
}

impl Collected {
    pub fn add(&mut self, peer: &Peer, report: &CheckReport) {
        let CheckReport { result, url, latency, timings, is_public_server, certificate_expires_at } = report;
        let line = (&peer.name, result, url, is_public_server, certificate_expires_at);
        serde_json::to_writer(&mut self.lines, &line).expect("a result can be serialised to memory");
        self.lines.push(b'\n');
        self.measured.push((*latency, *timings));
    }

    /// The results in the order of the peers' ids.
    pub fn into_checked(self) -> Vec<Checked> {
        let lines = self.lines.split(|byte| *byte == b'\n');
        let mut checked: Vec<Checked> = lines
            .zip(self.measured)
            .map(|(line, (latency, timings))| {
                let (name, result, url, is_public_server, certificate_expires_at) =
                    serde_json::from_slice(line).expect("the line was written by add");
                let report = CheckReport { result, url, latency, timings, is_public_server, certificate_expires_at };
                Checked { name, report }
            })
            .collect();
        checked.sort_by_key(|peer| peer.report.result.peer_id);
        checked
    }
}
