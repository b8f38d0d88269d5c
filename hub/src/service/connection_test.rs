//! Connection tests: checks that anybody may request. Nothing is stored.

use std::{net::IpAddr, sync::Arc, time::Duration};

use easytier_probe::{Access, CheckReport, Checker, Membership, Origin, Peer, peer::DEFAULT_NETWORK_NAME};
use easytier_uptime_monitor::limit::Limit;
use easytier_uptime_store::domain::PeerSpec;

use super::{NodeFields, ServiceError};

/// The deadline of the check.
const TIMEOUT: Duration = Duration::from_secs(5);

const PER_MINUTE: Duration = Duration::from_secs(60);

/// Connection tests, limited per caller: each opens connections to an address that the caller names.
#[derive(Clone)]
pub struct ConnectionTests {
    checker: Checker,
    limit: Arc<Limit>,
}

impl ConnectionTests {
    /// `checker` does the tests; they reach public addresses only, whatever it allows.
    pub fn new(checker: Checker) -> Self {
        Self { checker, limit: Arc::new(Limit::new(PER_MINUTE, 6, 60)) }
    }

    /// Checks a node of these `fields` once, within 5 seconds. `from`: the caller's address.
    ///
    /// # Errors
    ///
    /// When a field is not valid, or the caller asked too often.
    pub async fn run(&self, from: IpAddr, fields: NodeFields) -> Result<CheckReport, ServiceError> {
        let spec = fields.validate()?.into_spec()?;
        self.limit.check(from)?;
        Ok(self.checker.check(&peer(spec)).await)
    }
}

/// The peer to check. A stranger named its address, so public addresses alone may be reached, whatever this machine allows
/// for peers.
fn peer(spec: PeerSpec) -> Peer {
    let network_name = spec.network_name.unwrap_or_else(|| DEFAULT_NETWORK_NAME.to_owned());
    Peer {
        id: 0,
        name: Some(spec.name),
        url: spec.url,
        access: match spec.network_secret {
            None => Access::Guest,
            Some(network_secret) => Access::Member(Membership { network_name, network_secret }),
        },
        mode: spec.mode,
        timeout: Some(TIMEOUT),
        allow_relay: spec.allow_relay,
        test_relay: false,
        tags: Vec::new(),
        origin: Origin::Submitted,
        was_online: false,
        listing: None,
    }
}
