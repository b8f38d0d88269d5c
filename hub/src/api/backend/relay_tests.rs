//! The tests of nodes that a hub hands out.

use easytier_uptime_store::{
    Store,
    domain::{PeerId, Timestamp},
};

/// Which of these nodes the probe that reported or claimed them should test next. A database that fails at this point is no
/// reason to fail the request, which has been served.
pub(super) async fn relay_tests(store: &Store, peers: &[PeerId], now: Timestamp) -> Vec<PeerId> {
    let handed_out = store.hand_out_relay_tests(peers, now).await;
    handed_out
        .inspect_err(|error| tracing::warn!(%error, "no test whether nodes relay is handed out for now"))
        .unwrap_or_default()
}
