//! The cells of the compatibility lab: every combination of a node and a check.

use std::fmt;

use easytier_probe::Scheme;
use serde::Deserialize;

/// An enum whose variants are one dimension of the lab, with their names in the table and on the page.
macro_rules! dimension {
    ($(#[$doc:meta])* $dimension:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum $dimension {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $dimension {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
        }

        impl fmt::Display for $dimension {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $name,)+
                })
            }
        }
    };
}

dimension! {
    /// The version of EasyTier that the node runs.
    Version {
        /// The newest crate, which `easytier-uptime node` runs.
        Crate = "2.0.3",
        /// The newest release, which `tools/easytier-node` runs.
        Current = "2.6.4",
    }
}

dimension! {
    /// How the node is configured.
    Mode {
        Default = "default",
        WhitelistNone = "whitelist none",
        RpcOnly = "whitelist none, relay-all-peer-rpc",
        Private = "private",
        Secure = "secure",
        SecurePrivate = "secure, private",
        NoEncryption = "encryption off",
        AesGcm = "aes-gcm",
        Aes256Gcm = "aes-256-gcm",
        Chacha20 = "chacha20",
        Xor = "xor",
    }
}

dimension! {
    /// As whom the node is checked.
    Role {
        Guest = "guest",
        Member = "member",
        /// With the name of the node's network, and another secret.
        WrongSecret = "wrong secret",
        /// As a member of another network than the node's.
        OtherNetwork = "other network",
        /// As a guest, and no further than the handshake.
        HandshakeOnly = "handshake only",
    }
}

dimension! {
    /// How often the node is checked.
    Session {
        OneShot = "one-shot",
        /// The session stays open for a second check.
        Held = "held",
        /// The session stays open for a minute, with a check every 5 s.
        HeldMinute = "held 60 s",
    }
}

/// The transports that a node can listen on.
pub const TRANSPORTS: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];

/// One way to check one kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub version: Version,
    pub mode: Mode,
    pub role: Role,
    pub transport: Scheme,
    pub session: Session,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, mode, role, transport, session } = self;
        write!(f, "{version} ({mode}), {transport}, {role}, {session}")
    }
}

/// Every cell of nodes of `version` in `mode`.
pub fn cells_of(version: Version, mode: Mode) -> impl Iterator<Item = Cell> {
    let sessions = Session::ALL.iter();
    let with_transport = sessions.flat_map(|session| TRANSPORTS.iter().map(move |transport| (session, transport)));
    with_transport.flat_map(move |(&session, &transport)| {
        Role::ALL.iter().map(move |&role| Cell { version, mode, role, transport, session })
    })
}

/// Every kind of node, whether it exists or not.
pub fn all_nodes() -> impl Iterator<Item = (Version, Mode)> {
    Version::ALL.iter().flat_map(|&version| Mode::ALL.iter().map(move |&mode| (version, mode)))
}
