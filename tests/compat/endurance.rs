//! Many checks of one node of today.

use easytier_probe::{Checker, Scheme, Status};
use futures::{StreamExt, stream};

use crate::support::{LONG, assert_online, check, current_node::CurrentNodeOptions, options};

/// How many checks run at the same time.
const CONCURRENT: usize = 8;

/// Checks a new node this often as a guest, over tcp and then over quic; it must serve guests afterwards.
pub async fn endure(tcp: usize, quic: usize) {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp, Scheme::Quic]).start();
    let checker = Checker::new(options(LONG));
    eprintln!("before: {} KiB", node.resident_kib());
    for (scheme, checks) in [(Scheme::Tcp, tcp), (Scheme::Quic, quic)] {
        let peer = node.as_guest(scheme);
        let reports = stream::iter(0..checks).map(|_| checker.check(&peer)).buffer_unordered(CONCURRENT);
        let online = reports.filter(|report| std::future::ready(report.result.status == Status::Online)).count().await;
        let networks = node.foreign_networks().len();
        eprintln!("after {checks} checks over {scheme}: {} KiB, {networks} networks", node.resident_kib());
        assert_eq!(online, checks, "checks over {scheme} that were Online");
    }
    for scheme in [Scheme::Tcp, Scheme::Quic] {
        assert_online(&check(&node.as_guest(scheme), LONG).await);
    }
}
