//! Which nodes fit what a client wants.

use std::fmt;

use easytier_probe::Relay;
use easytier_uptime_store::domain::{Node, PeerId, RegionStatus, Verdict};

use super::Wish;
use crate::board::{Entry, Snapshot};

/// A node that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub id: PeerId,
    /// How many more networks it can serve, above 0.
    pub free: f64,
    /// The share of its maximum that is in use, from 0.
    pub load: f64,
    /// The round trip in microseconds, as the region of the wish sees it, otherwise the median of all.
    pub latency_us: Option<i64>,
    /// The share of the last 24 hours in which it was up, from 0 to 1.
    pub uptime: f64,
}

/// Why a node does not fit. The order is that in which they are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    Private,
    Indirect,
    Protocol,
    Tags,
    Relay,
    Maintenance,
    Down,
    Region,
    Doubt,
    Full,
}

impl Misfit {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Private, "for members of its network only"),
        (Self::Indirect, "only an address that leads to other nodes"),
        (Self::Protocol, "with another protocol"),
        (Self::Tags, "without any of the tags"),
        (Self::Relay, "not known to relay"),
        (Self::Maintenance, "in maintenance"),
        (Self::Down, "not online"),
        (Self::Region, "not seen online from the region"),
        (Self::Doubt, "perhaps going offline"),
        (Self::Full, "full"),
    ];
}

/// No node fits; how many fail at what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unfit([u32; Misfit::ALL.len()]);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = Misfit::ALL.iter().zip(self.0).filter(|(_, count)| *count > 0);
        let reasons: Vec<String> = reasons.map(|((_, reason), count)| format!("{count} {reason}")).collect();
        match reasons.is_empty() {
            true => f.write_str("no node is listed"),
            false => write!(f, "no node fits: {}", reasons.join(", ")),
        }
    }
}

impl std::error::Error for Unfit {}

/// A maximum for nodes whose owners state none.
const USUAL_MAXIMUM: f64 = 100.0;

/// Which nodes do for a client that needs one that relays.
type Relays = fn(&Node) -> bool;

/// The nodes of a snapshot that fit. Where relaying is wanted, those that the last tests found relaying; only where none of them fits,
/// those that were never tested and whose owners offer it. A node that was found not to relay never fits.
pub fn fitting(snapshot: &Snapshot, wish: &Wish) -> Result<Vec<Candidate>, Unfit> {
    if !wish.relay {
        return select(snapshot, wish, |_| true);
    }
    let tested: Relays = |node| node.relay.as_ref().is_some_and(|found| found.verdict == Relay::Ok);
    let hoped: Relays = |node| node.relay.as_ref().map_or(node.allow_relay, |found| found.verdict == Relay::Ok);
    select(snapshot, wish, tested).or_else(|_| select(snapshot, wish, hoped))
}

fn select(snapshot: &Snapshot, wish: &Wish, relays: Relays) -> Result<Vec<Candidate>, Unfit> {
    let (mut found, mut unfit) = (Vec::new(), Unfit::default());
    for entry in &snapshot.entries {
        match candidate(entry, wish, relays) {
            Ok(candidate) => found.push(candidate),
            Err(misfit) => unfit.0[misfit as usize] += 1,
        }
    }
    if found.is_empty() { Err(unfit) } else { Ok(found) }
}

fn candidate(entry: &Entry, wish: &Wish, relays: Relays) -> Result<Candidate, Misfit> {
    let node = entry.node();
    let must = |holds: bool, misfit| if holds { Ok(()) } else { Err(misfit) };
    must(node.for_guests, Misfit::Private)?;
    // A client would follow it to nodes that nobody chose, or back to this hub.
    must(node.url.scheme().is_some_and(|scheme| !scheme.is_indirect()), Misfit::Indirect)?;
    must(wish.protocol.is_none_or(|wanted| node.url.scheme() == Some(wanted)), Misfit::Protocol)?;
    must(wish.tags.is_empty() || !wish.tags.is_disjoint(&node.tags), Misfit::Tags)?;
    must(relays(node), Misfit::Relay)?;
    must(node.maintenance.is_none(), Misfit::Maintenance)?;
    let latency_us = match &wish.region {
        None => {
            must(node.verdict == Verdict::Up, Misfit::Down)?;
            node.response_us
        }
        Some(region) => {
            must(entry.is_active(), Misfit::Down)?;
            let seen = entry.regions().iter().find(|view| view.region == *region);
            let seen = seen.filter(|view| view.status == Some(RegionStatus::Online)).ok_or(Misfit::Region)?;
            seen.response_us
        }
    };
    must(entry.regions().iter().all(|view| !view.is_in_doubt && !view.is_contradicted), Misfit::Doubt)?;
    let maximum = if node.max_connections == 0 { USUAL_MAXIMUM } else { node.max_connections.into() };
    let used = node.current_connections.map_or(maximum / 2.0, f64::from);
    must(used < maximum, Misfit::Full)?;
    let uptime = entry.uptime().unwrap_or(100.0) / 100.0;
    Ok(Candidate { id: node.id, free: maximum - used, load: used / maximum, latency_us, uptime })
}
