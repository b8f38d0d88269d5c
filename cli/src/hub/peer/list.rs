//! `hub peer list`.

use clap::Args;
use easytier_uptime_hub::peer_file::{Access as PeerAccess, Document};
use easytier_uptime_store::Access;

use crate::{
    exit::Exit,
    hub::{
        config::HubConfig,
        desk::{Desk, Listed, WhichHub},
    },
    print,
    text::printable,
};

/// Lists the peers and their status
///
/// STATUS is 'up' if more than half of the regions with recent results find the peer online, 'partial' if fewer do, 'down' if
/// none does, and 'unknown' without recent results. Submissions that wait for approval are 'pending' and have negative IDs.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Only submissions, which wait for 'hub peer approve'
    #[arg(long)]
    pending: bool,
    /// Only peers with this text in their name, URL or description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    #[command(flatten)]
    which: WhichHub,
}

pub fn run(args: &ListArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let read = async |desk: &Desk| Ok(desk.peers(args.pending, args.search.as_deref()).await?);
    let peers = args.which.run(Access::Read, config, read)?;
    if args.json {
        print::json(&peers)?;
    } else if peers.is_empty() {
        let is_filtered = args.pending || args.search.is_some();
        print::note(match is_filtered {
            true => "no peer matches",
            false => "there are no peers yet; 'hub peer add' adds one",
        });
    } else {
        let rows: Vec<_> = peers.iter().map(row).collect();
        print::table(["ID", "STATUS", "URL", "NAME", "NETWORK", "TAGS", "REGIONS"], &rows)?;
    }
    Ok(Exit::Success)
}

fn row(peer: &Listed) -> [String; 7] {
    let Document { id, url, access, network_name, tags, regions, .. } = &peer.document;
    let network = network_name.as_deref().filter(|_| *access == PeerAccess::Member);
    [
        id.to_string(),
        printable(&peer.status),
        printable(url),
        peer.own_name(),
        network.map(printable).unwrap_or_default(),
        printable(&tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        printable(&regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ]
}
