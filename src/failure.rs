//! Why a check failed, and whose fault that is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::status::Status;

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// Why a check failed. The [`Blame`] of the [`Failure`] decides what it says about the peer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl FailureCode {
            /// All codes.
            pub const ALL: &[FailureCode] = &[$(FailureCode::$name,)+];

            /// The spelling in the backend contract.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FailureCode::$name => $code,)+
                }
            }
        }
    };
}

failure_codes! {
    /// The URL is not a valid peer URL.
    InvalidUrl = "invalid_url",
    /// The probe does not support this protocol, or not with these credentials. Blamed on the probe.
    UnsupportedProtocol = "unsupported_protocol",
    /// The address policy refuses every address of the peer. Blamed on the policy, because other probes may have another; a
    /// stranger's peer ([`Origin::Submitted`](crate::Origin)) is refused everywhere, and itself to blame.
    ForbiddenAddress = "forbidden_address",
    /// A name server answered that there is no such name, or that it has no address.
    DnsFailed = "dns_failed",
    /// An http, https, txt or srv URL led to no usable peer URL.
    ResolverFailed = "resolver_failed",
    /// The port is closed.
    ConnectRefused = "connect_refused",
    /// No connection was opened before the deadline.
    ConnectTimeout = "connect_timeout",
    /// There is no route to the address.
    Unreachable = "unreachable",
    /// The TLS handshake failed.
    TlsFailed = "tls_failed",
    /// The connection was opened, but there was no response to EasyTier's handshake before the deadline.
    HandshakeTimeout = "handshake_timeout",
    /// The response is not an EasyTier packet.
    NotEasytier = "not_easytier",
    /// The response has another version of the EasyTier protocol.
    ProtocolMismatch = "protocol_mismatch",
    /// In a check as a member, the node is in another network.
    NetworkMismatch = "network_mismatch",
    /// In a check as a member, the node's network has another secret.
    SecretMismatch = "secret_mismatch",
    /// The node closed the connection after the handshake.
    Rejected = "rejected",
    /// No ping was answered before the deadline.
    PingTimeout = "ping_timeout",
    /// The node closed a session that was open.
    Closed = "closed",
    /// The node did not relay data.
    RelayRefused = "relay_refused",
    /// A fault of the probe itself, such as too few file descriptors. Blamed on the probe.
    Internal = "internal",
    /// The probe itself has no route, no name server or no network. Blamed on the probe.
    ProbeUnreachable = "probe_unreachable",
    /// Other checks left this one no turn, or too little time. Blamed on the probe.
    MissedWindow = "missed_window",
}

impl FailureCode {
    /// Whose fault a failure with this code is, where it is made without [`Failure::blamed_on`].
    fn usual_blame(self) -> Blame {
        match self {
            Self::UnsupportedProtocol | Self::Internal | Self::ProbeUnreachable | Self::MissedWindow => Blame::Probe,
            Self::ForbiddenAddress => Blame::Policy,
            _ => Blame::Peer,
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose fault a failure is. Only a peer's own failure is evidence against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer's, or that of the network beyond the reach of this probe.
    Peer,
    /// This probe's: its network, its name servers, its limits, or what it cannot speak.
    Probe,
    /// That of a rule of this probe, which forbids the check.
    Policy,
}

impl Blame {
    /// The status of a check that failed by this fault.
    pub fn status(self) -> Status {
        match self {
            Self::Peer => Status::Offline,
            Self::Probe | Self::Policy => Status::Unknown,
        }
    }
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason for programs.
    pub code: FailureCode,
    /// The reason for people, without secrets.
    pub message: String,
    /// Whose fault it is.
    pub blame: Blame,
}

impl Failure {
    /// A failure with this reason, blamed as is usual for the code.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), blame: code.usual_blame() }
    }

    /// The same failure, by the fault of `blame`.
    #[must_use]
    pub fn blamed_on(self, blame: Blame) -> Self {
        Self { blame, ..self }
    }

    /// Whether the node had too little time for an answer, or gave none.
    pub(crate) fn is_timeout(&self) -> bool {
        use FailureCode::{ConnectTimeout, HandshakeTimeout, PingTimeout};
        matches!(self.code, ConnectTimeout | HandshakeTimeout | PingTimeout)
    }

    /// The status of a check that failed for this reason.
    pub fn status(&self) -> Status {
        self.blame.status()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
