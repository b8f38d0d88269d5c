//! The peers to check, from the command line.

use std::path::{Path, PathBuf};

use anyhow::bail;
use easytier_probe::{Access, CheckMode, Membership, Peer};

use crate::peer_list::{self, indent};

/// The peers that URLs and files name, in that order. All mistakes are reported together.
pub fn gather(urls: &[String], files: &[PathBuf]) -> anyhow::Result<Vec<Peer>> {
    let typed = (1..).zip(urls).map(|(position, url)| match url.as_str() {
        "-" => peer_list::read(Path::new("-")),
        url => match url.parse() {
            Ok(url) => Ok(vec![Peer::local(position, url)]),
            Err(error) => Err(format!("URL {position}: {error}")),
        },
    });
    let listed = files.iter().map(|path| peer_list::read(path));

    let mut peers = Vec::new();
    let mut problems = Vec::new();
    for outcome in typed.chain(listed) {
        match outcome {
            Ok(mut more) => peers.append(&mut more),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        bail!("nothing was checked, because not all peers are valid:\n{}", indent(&problems.join("\n")));
    }
    if peers.is_empty() {
        bail!("there is nothing to check: the lists name no peer");
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
