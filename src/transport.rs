//! The transports over which nodes are reached.

/// A transport that nodes listen on and this library connects by. Every peer URL leads to such transports in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// EasyTier's own connections over UDP.
    Udp,
    /// A WebSocket.
    Ws,
    /// A WebSocket over TLS.
    Wss,
    /// WireGuard, whose keys only members of the node's network have.
    Wg,
    /// One stream over QUIC.
    Quic,
}

impl Transport {
    /// The port of a URL that names none, as EasyTier clients choose it: 11010 and the ports after it; for WebSockets the
    /// ports of HTTP and HTTPS.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tcp | Self::Udp => 11010,
            Self::Ws => 80,
            Self::Wss => 443,
            Self::Wg => 11011,
            Self::Quic => 11012,
        }
    }

    /// Whether it runs over TCP, where an open port can be told from a closed one before the handshake.
    pub const fn is_over_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Ws | Self::Wss)
    }
}
