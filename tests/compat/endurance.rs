//! Many checks of one node of today.

use std::{fmt::Write, time::Duration};

use easytier_probe::{Checker, Scheme, Status};
use futures::{StreamExt, stream};
use tokio::time::sleep;

use crate::{
    page::origin,
    support::{LONG, assert_online, check, current_node::CurrentNodeOptions, options},
};

/// How many checks run at the same time.
const CONCURRENT: usize = 8;
/// The time after which the node must have forgotten all guests.
const SETTLE: Duration = Duration::from_secs(25);

/// Checks a new node this often as a guest, over tcp and then over quic. It must forget these guests, and serve others
/// afterwards. Returns what the page says about it.
pub async fn endure(tcp: usize, quic: usize) -> String {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp, Scheme::Udp, Scheme::Quic]).start();
    let checker = Checker::new(options(LONG));
    let mut text = format!(
        "One node of 2.6.4 was checked many times as a guest, {CONCURRENT} checks at a time. Afterwards it serves guests over \
         tcp, udp and quic.\n`tools/compat --endurance --tcp {tcp} --quic {quic}` ({}).\n\n\
         | | Online | the node's memory | networks left after {} s |\n|---|---|---|---|\n\
         | before | | {} KiB | 0 |\n",
        origin(),
        SETTLE.as_secs(),
        node.resident_kib()
    );
    for (scheme, checks) in [(Scheme::Tcp, tcp), (Scheme::Quic, quic)] {
        let peer = node.as_guest(scheme);
        let reports = stream::iter(0..checks).map(|_| checker.check(&peer)).buffer_unordered(CONCURRENT);
        let online = reports.filter(|report| std::future::ready(report.result.status == Status::Online)).count().await;
        sleep(SETTLE).await;
        let (memory, networks) = (node.resident_kib(), node.foreign_networks().len());
        writeln!(text, "| {checks} checks over {scheme} | {online} | {memory} KiB | {networks} |").unwrap();
        eprintln!("{}", text.lines().last().unwrap_or_default());
        assert_eq!((online, networks), (checks, 0), "checks over {scheme} that were Online, and networks left");
    }
    for scheme in [Scheme::Tcp, Scheme::Udp, Scheme::Quic] {
        assert_online(&check(&node.as_guest(scheme), LONG).await);
    }
    text
}
