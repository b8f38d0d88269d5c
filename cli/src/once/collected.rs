//! Collects results until the end of the cycle.

use easytier_probe::{
    CheckReport, Latency, Peer,
    result::{Timings, Traffic},
};

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
    error: Option<serde_json::Error>,
}

impl Collected {
    pub fn add(&mut self, peer: &Peer, report: &CheckReport) {
        let CheckReport { result, url, latency, timings, is_public_server, is_repeated: _, traffic: _ } = report;
        let line = (&peer.name, result, url, is_public_server);
        if let Err(error) = serde_json::to_writer(&mut self.lines, &line) {
            self.error = Some(error);
        }
        self.lines.push(b'\n');
        self.measured.push((*latency, *timings));
    }

    /// The results in the order of the peers' ids.
    pub fn into_checked(self) -> serde_json::Result<Vec<Checked>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut checked = Vec::with_capacity(self.measured.len());
        for (line, (latency, timings)) in self.lines.split(|byte| *byte == b'\n').zip(self.measured) {
            let (name, result, url, is_public_server) = serde_json::from_slice(line)?;
            // Each peer is checked once, so no answer is repeated.
            let report = CheckReport {
                result,
                url,
                latency,
                timings,
                is_public_server,
                is_repeated: false,
                traffic: Traffic::default(),
            };
            checked.push(Checked { name, report });
        }
        checked.sort_by_key(|peer| peer.report.result.peer_id);
        Ok(checked)
    }
}
