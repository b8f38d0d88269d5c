//! A peer as probes get it: in a listing, in an order, in a configuration that is pushed.

use std::collections::BTreeSet;

use easytier_probe::{CheckMode, Secret};
use easytier_uptime_store::domain::{PeerId, ProbePeer, Tag, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

/// A peer to check.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Peer)]
pub(crate) struct ListedPeer {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
    host: String,
    /// 0 for a protocol that has no port (`txt`, `srv`).
    port: u16,
    #[schema(example = "tcp")]
    protocol: String,
    /// Protocol, host and port as a URL, with the path of an `http` or `https` URL.
    url: String,
    pub network_name: Option<String>,
    /// With a secret, even an empty one, the peer is checked as a member of its network. Only for node tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    network_secret: Option<Secret>,
    status: ListedStatus,
    /// The median round trip in milliseconds.
    response_time: Option<i64>,
    #[schema(value_type = Vec<String>)]
    tags: BTreeSet<Tag>,
    allow_relay: bool,
    /// The deadline of one check, if it differs from the probe's.
    timeout_ms: Option<u64>,
    /// `handshake` when the check ends with a valid handshake response.
    check: Option<Check>,
    /// Whether a stranger submitted the peer: then its checks may reach public addresses only.
    submitted: bool,
    /// Whether the caller is asked to test also whether the node relays. Only in claims.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    test_relay: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
enum ListedStatus {
    Online,
    Offline,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Check {
    Handshake,
}

impl ListedPeer {
    /// The peer, with whether the caller is asked to test also whether it relays.
    pub fn with_relay_test(self, test_relay: bool) -> Self {
        Self { test_relay, ..self }
    }
}

impl From<ProbePeer> for ListedPeer {
    fn from(peer: ProbePeer) -> Self {
        Self {
            id: peer.id,
            name: peer.name,
            host: peer.url.host_text(),
            port: peer.url.port().unwrap_or(0),
            protocol: peer.url.protocol().to_owned(),
            url: peer.url.full(),
            network_name: peer.network_name,
            network_secret: peer.network_secret,
            status: match peer.verdict {
                Verdict::Up | Verdict::Partial => ListedStatus::Online,
                Verdict::Down | Verdict::Unknown => ListedStatus::Offline,
            },
            response_time: peer.response_us.map(|micros| (micros + 500) / 1000),
            tags: peer.tags,
            allow_relay: peer.allow_relay,
            timeout_ms: peer.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            check: (peer.mode == CheckMode::Handshake).then_some(Check::Handshake),
            submitted: peer.submitted,
            test_relay: false,
        }
    }
}
