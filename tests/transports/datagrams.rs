//! Transports over UDP.

use std::time::Duration;

use easytier_probe::{FailureCode, Scheme, Stage};

use crate::support::{assert_failed, check, fake::Fake, member};

/// The first datagram of a lost handshake is sent again after half a second.
const BEFORE_RESENDING: Duration = Duration::from_millis(400);

#[tokio::test]
async fn the_first_datagram_is_sent_at_once() {
    for scheme in [Scheme::Udp, Scheme::Wg] {
        let silent = Fake::udp(|_| None).await;
        let report = check(&member(silent.url(scheme), "net", "secret"), BEFORE_RESENDING).await;
        assert_failed(&report, FailureCode::ConnectTimeout, Stage::Connect, "within 0.4 s");
        assert_eq!(silent.arrived(), 1, "datagrams over {scheme}");
    }
}
