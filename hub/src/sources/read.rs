//! Fetches a list, and decides whether it may be used.

use std::{collections::HashSet, time::Duration};

use easytier_probe::{
    peer_list::Entry,
    remote_list::{Fetched, ListBounds, ListVersion, fetch_new},
};
use easytier_uptime_store::domain::{NewPeer, Source, SourceProblem, SourceReading};
use tokio::time::timeout;

use crate::{peer_file::imported, service::check_lengths};

/// The maximum number of nodes in a list.
const MAX_NODES: u32 = 10_000;

/// How much of a list is taken, all its pages together; also of one of which half of the entries are no nodes.
const BOUNDS: ListBounds = ListBounds { bytes: 16 << 20, entries: 2 * MAX_NODES as usize };

/// The deadline of a fetch, all pages together.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many entries that are no nodes are named.
const MAX_REFUSALS: usize = 5;

/// How long texts may be that others choose, in characters.
const MAX_TEXT: usize = 500;

/// The longest URL of a node, in bytes.
const MAX_URL: usize = 2048;

pub(super) async fn read(source: &Source) -> SourceReading {
    let fetch = fetch_new(source.spec.url.expose(), BOUNDS, source.version.clone());
    match timeout(DEADLINE, fetch).await {
        Err(_) => SourceReading::Failed(SourceProblem::Slow { seconds: DEADLINE.as_secs() }),
        Ok(Err(error)) => {
            SourceReading::Failed(SourceProblem::Unreadable { cause: cut(&error.to_string()), fault: (&error).into() })
        }
        Ok(Ok(Fetched::NotModified)) => SourceReading::NotModified,
        Ok(Ok(Fetched::List { entries, version })) => judge(source, entries, version),
    }
}

/// The nodes of a list, unless it is no list to follow: a list that is broken for a while must not take nodes away.
fn judge(source: &Source, entries: Vec<Entry>, version: ListVersion) -> SourceReading {
    let (mut peers, mut refused, mut refusals) = (Vec::new(), 0, Vec::new());
    let mut seen = HashSet::new();
    for (place, outcome) in imported(entries) {
        let problem = match outcome {
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Ok(peer) => match valid(&peer) {
                Err(problem) => problem,
                Ok(()) => {
                    // Where the list is from, a node that is not approved is not listed.
                    if peer.approved && seen.insert((peer.spec.url.full(), peer.spec.network_name.clone())) {
                        peers.push(peer);
                    }
                    continue;
                }
            },
        };
        refused += 1;
        if refusals.len() < MAX_REFUSALS {
            refusals.push(cut(&format!("{place}: {problem}")));
        }
    }
    let listed = u32::try_from(peers.len()).unwrap_or(u32::MAX);
    let is_short = u64::from(listed) * 2 < source.listed.into();
    let problem = match listed {
        0 => SourceProblem::Empty,
        _ if listed > MAX_NODES => SourceProblem::Long { listed, max: MAX_NODES },
        _ if is_short && !source.takes_short => SourceProblem::Short { listed, before: source.listed },
        _ => return SourceReading::List { peers, refused, refusals, version },
    };
    SourceReading::Failed(problem)
}

/// Whether a node that others describe is within the limits of one that a visitor submits.
fn valid(peer: &NewPeer) -> Result<(), String> {
    if peer.spec.url.full().len() > MAX_URL {
        return Err(format!("its URL is longer than {MAX_URL} characters"));
    }
    check_lengths(&peer.spec).map_err(|error| error.to_string())
}

fn cut(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(MAX_TEXT).collect()
}
