//! `hub peer list`.

use clap::Args;
use easytier_uptime_hub::peer_file::Document;
use easytier_uptime_store::{
    Access,
    domain::{PageRequest, PeerFilter, PeerOrder, PeerRecord},
};
use serde::Serialize;

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database},
    print,
    text::printable,
};

/// Lists the peers and their status
///
/// STATUS is 'up' if more than half of the regions with recent results find the peer online, 'partial' if fewer do, 'down' if
/// none does, and 'unknown' without recent results.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Only submitted peers that wait for 'hub peer approve'
    #[arg(long)]
    pending: bool,
    /// Only peers with this text in their name, URL or description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

/// A peer in the JSON array: the fields of an export, and its status and times.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    document: Document,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

pub fn run(args: &ListArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let filter = PeerFilter {
        approved: args.pending.then_some(false),
        search: args.search.clone(),
        order: PeerOrder::OldestFirst,
    };
    let everything = PageRequest { page: 1, per_page: u32::MAX };
    let peers = database::with(Access::Read, config, async |store| Ok(store.peers(&filter, everything).await?.items))?;
    if args.json {
        let listed = |peer: &PeerRecord| Listed {
            document: Document::of(peer, false),
            status: peer.verdict.as_str(),
            created_at: peer.created_at.to_string(),
            updated_at: peer.updated_at.to_string(),
        };
        print::json(&peers.iter().map(listed).collect::<Vec<_>>())?;
    } else if peers.is_empty() {
        let is_filtered = args.pending || args.search.is_some();
        print::note(match is_filtered {
            true => "no peer matches",
            false => "there are no peers yet; 'hub peer add' adds one",
        });
    } else {
        let row = |peer: &PeerRecord| {
            let spec = &peer.spec;
            let name = if spec.url.is_written_as(&spec.name) { String::new() } else { printable(&spec.name) };
            [
                peer.id.to_string(),
                if peer.approved { peer.verdict.as_str() } else { "not approved" }.to_owned(),
                spec.url.full(),
                name,
                spec.network_secret.as_ref().and(spec.network_name.as_deref()).map(printable).unwrap_or_default(),
                printable(&spec.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
                printable(&spec.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            ]
        };
        let rows: Vec<_> = peers.iter().map(row).collect();
        print::table(["ID", "STATUS", "URL", "NAME", "NETWORK", "TAGS", "REGIONS"], &rows)?;
    }
    Ok(Exit::Success)
}
