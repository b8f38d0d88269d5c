//! The peers to check, from the command line.

use std::path::{Path, PathBuf};

use anyhow::bail;
use easytier_probe::{Access, CheckMode, Membership, Origin, Peer, peer_list::UnknownSchemes};

use crate::peer_list::{self, InvalidPeers, indent};

/// The peers that URLs and files name, in that order. All mistakes are reported together. A peer of a scheme that a probe
/// does not speak is checked too: its result says so.
pub fn gather(urls: &[String], files: &[PathBuf], invalid: InvalidPeers) -> anyhow::Result<Vec<Peer>> {
    let read = |path: &Path| peer_list::read(path, UnknownSchemes::Kept, invalid);
    let mut outcomes = Vec::new();
    let mut count = 0;
    for text in urls {
        outcomes.push(match text.as_str() {
            "-" => read(Path::new("-")),
            text => {
                let typed = peer_list::typed(text, count + 1);
                count += typed.len();
                peer_list::valid(typed, Origin::Local, UnknownSchemes::Kept, invalid)
            }
        });
    }
    outcomes.extend(files.iter().map(|path| read(path)));

    let mut peers = Vec::new();
    let mut problems = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(mut more) => peers.append(&mut more),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        bail!("nothing was checked, because not all peers are valid:\n{}", indent(&problems.join("\n")));
    }
    if peers.is_empty() {
        bail!("there is nothing to check: the lists name no peer that is valid");
    }
    Ok(peers)
}

/// Applies the options to all peers. A peer that a list gives a network keeps it.
pub fn apply(peers: &mut [Peer], membership: Option<Membership>, handshake_only: bool) {
    for peer in peers {
        if let (Access::Guest, Some(membership)) = (&peer.access, &membership) {
            peer.access = Access::Member(membership.clone());
        }
        if handshake_only {
            peer.mode = CheckMode::Handshake;
        }
    }
}
