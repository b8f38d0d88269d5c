//! The nodes of the compatibility lab.

use std::{collections::HashSet, ops::Deref, thread};

use easytier_probe::Peer;

use crate::{
    cell::{Cell, Mode, Role, TRANSPORTS, Version},
    support::{
        current_node::{CurrentNode, CurrentNodeOptions},
        node::{Node, NodeOptions},
    },
};

/// A node that listens by every transport.
pub struct LabNode {
    pub version: Version,
    pub mode: Mode,
    program: Program,
}

enum Program {
    Crate(Node),
    Current(Box<CurrentNode>),
}

impl Deref for LabNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        match &self.program {
            Program::Crate(node) => node,
            Program::Current(node) => node,
        }
    }
}

/// Starts nodes of these kinds at the same time, each at ports of its own.
pub fn start_all(kinds: &[(Version, Mode)]) -> Vec<LabNode> {
    let mut nodes: Vec<LabNode> = thread::scope(|scope| {
        let starting: Vec<_> = kinds.iter().map(|&(version, mode)| scope.spawn(move || start(version, mode))).collect();
        starting.into_iter().map(|node| node.join().expect("the node starts")).collect()
    });
    // EasyTier lets other sockets use its ports, so the system may give a port to two nodes.
    let mut taken = HashSet::new();
    for node in &mut nodes {
        while node.ports().any(|port| taken.contains(&port)) {
            *node = start(node.version, node.mode);
        }
        taken.extend(node.ports());
    }
    nodes
}

fn start(version: Version, mode: Mode) -> LabNode {
    let node = NodeOptions {
        relay_whitelist: matches!(mode, Mode::WhitelistNone | Mode::RpcOnly).then(String::new),
        relay_all_peer_rpc: mode == Mode::RpcOnly,
        encryption: mode != Mode::NoEncryption,
        ..NodeOptions::listening_on(&TRANSPORTS)
    };
    let program = match version {
        Version::Crate => Program::Crate(node.start(env!("CARGO_BIN_EXE_easytier-uptime"))),
        Version::Current => Program::Current(Box::new(current(node, mode).start())),
    };
    LabNode { version, mode, program }
}

fn current(node: NodeOptions, mode: Mode) -> CurrentNodeOptions {
    let secure = matches!(mode, Mode::Secure | Mode::SecurePrivate);
    let options = CurrentNodeOptions { node, secure, ..CurrentNodeOptions::listening_on(&[]) };
    match mode {
        Mode::Private | Mode::SecurePrivate => options.flag("private_mode", true),
        Mode::AesGcm | Mode::Aes256Gcm | Mode::Chacha20 | Mode::Xor => {
            options.flag("encryption_algorithm", mode.to_string())
        }
        _ => options,
    }
}

impl LabNode {
    /// The node as the peer that `cell` checks.
    pub fn as_peer(&self, cell: &Cell) -> Peer {
        let Cell { transport, role, session, .. } = *cell;
        match role {
            Role::Guest => self.as_guest(transport),
            Role::Member => self.as_member(transport),
            Role::WrongSecret => self.as_member_of(transport, &self.options().network_name, "another secret"),
            // Each cell has its own, because a node that just forgets a network may refuse another of its members.
            Role::OtherNetwork => {
                self.as_member_of(transport, &format!("another network, {transport}, {session}"), "another secret")
            }
            Role::HandshakeOnly => Peer { mode: easytier_probe::CheckMode::Handshake, ..self.as_guest(transport) },
        }
    }

    fn ports(&self) -> impl Iterator<Item = u16> {
        TRANSPORTS.iter().map(|&transport| self.url(transport).port().expect("a node's URL has a port"))
    }

    pub fn hostname(&self) -> &str {
        self.options().hostname.as_deref().expect("it has a name")
    }

    /// The foreign networks that the node knows, if it can be asked.
    pub fn foreign_networks(&self) -> Option<Vec<String>> {
        match &self.program {
            Program::Crate(_) => None,
            Program::Current(node) => Some(node.foreign_networks()),
        }
    }

    /// The peers in the node's own network, and the routes to others, if the node can be asked.
    pub fn peers_and_routes(&self) -> Option<[usize; 2]> {
        match &self.program {
            Program::Crate(_) => None,
            Program::Current(node) => Some([node.peers().len(), node.ask("routes").as_array().map_or(0, Vec::len)]),
        }
    }
}
