//! `hub peer list`.

use clap::Args;
use easytier_uptime_hub::{peer_file::Document, service::Entry};
use easytier_uptime_store::{
    Access, Store,
    domain::{NodeFilter, PageRequest, PeerFilter, PeerId, PeerOrder, PeerRecord, Verdict},
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
}

/// A node in the JSON array: the fields of an export, and its status and times.
#[derive(Serialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    document: Document,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

impl Listed {
    pub(super) fn of(entry: &Entry) -> Self {
        let (document, updated_at) = match entry {
            Entry::Peer(record) => (Document::of(record, false), record.updated_at),
            Entry::Pending(submission) => {
                let record = PeerRecord {
                    id: PeerId(entry.id().into()),
                    spec: submission.spec.clone(),
                    approved: false,
                    set_aside: false,
                    submitted: true,
                    verdict: Verdict::Unknown,
                    created_at: submission.created_at,
                    updated_at: submission.created_at,
                };
                (Document::of(&record, false), submission.created_at)
            }
        };
        Self {
            document,
            status: status(entry),
            created_at: entry.created_at().to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

fn status(entry: &Entry) -> &'static str {
    match entry {
        Entry::Pending(_) => "pending",
        Entry::Peer(record) if record.set_aside => "local, not watched",
        Entry::Peer(record) if record.approved => record.verdict.as_str(),
        Entry::Peer(_) => "not approved",
    }
}

pub fn run(args: &ListArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    let entries = database::with(Access::Read, config, async |store| read(store, args).await)?;
    if args.json {
        print::json(&entries.iter().map(Listed::of).collect::<Vec<_>>())?;
    } else if entries.is_empty() {
        let is_filtered = args.pending || args.search.is_some();
        print::note(match is_filtered {
            true => "no peer matches",
            false => "there are no peers yet; 'hub peer add' adds one",
        });
    } else {
        let rows: Vec<_> = entries.iter().map(row).collect();
        print::table(["ID", "STATUS", "URL", "NAME", "NETWORK", "TAGS", "REGIONS"], &rows)?;
    }
    Ok(Exit::Success)
}

/// The peers, then the submissions, each the oldest first.
async fn read(store: &Store, args: &ListArgs) -> anyhow::Result<Vec<Entry>> {
    let everything = PageRequest { page: 1, per_page: u32::MAX };
    let node = NodeFilter { search: args.search.clone(), ..NodeFilter::default() };
    let filter = PeerFilter { approved: None, node, order: PeerOrder::OldestFirst };
    let mut entries = Vec::new();
    if !args.pending {
        entries.extend(store.peers(&filter, everything).await?.items.into_iter().map(Entry::Peer));
    }
    let pending = store.submissions(&filter.node, filter.order, everything).await?;
    entries.extend(pending.items.into_iter().map(Entry::Pending));
    Ok(entries)
}

fn row(entry: &Entry) -> [String; 7] {
    let spec = entry.spec();
    let name = if spec.url.is_written_as(&spec.name) { String::new() } else { printable(&spec.name) };
    [
        entry.id().to_string(),
        status(entry).to_owned(),
        spec.url.full(),
        name,
        spec.network_secret.as_ref().and(spec.network_name.as_deref()).map(printable).unwrap_or_default(),
        printable(&spec.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        printable(&spec.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ]
}
