//! Lists of nodes that a hub keeps following.

use std::time::Duration;

use easytier_probe::{Secret, remote_list::ListVersion};
use serde::{Deserialize, Serialize};

use super::{NewPeer, SourceId, Timestamp};

/// A list to follow.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// What operators call it.
    pub name: String,
    /// Where it is. It may hold a token.
    pub url: Secret,
    /// The time from one try to the next.
    pub every: Duration,
    /// Whether its nodes need no approval and may have private addresses.
    pub trusted: bool,
}

/// A list that is followed.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// What the operator said of it.
    pub spec: SourceSpec,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it is fetched next.
    pub due_at: Timestamp,
    /// When it was last tried.
    pub tried_at: Option<Timestamp>,
    /// When it was last read, or found unchanged.
    pub read_at: Option<Timestamp>,
    /// What was wrong at the last try.
    pub problem: Option<SourceProblem>,
    /// How many nodes it had when it was last read.
    pub listed: u32,
    /// How many of them are peers because of it and still listed.
    pub brought: u32,
    /// How many of them wait for room in the queue of approval.
    pub waiting: u32,
    /// How many of its entries are no nodes.
    pub refused: u32,
    /// What is wrong with the first of these, in English.
    pub refusals: Vec<String>,
    /// Which version of it was read.
    pub version: ListVersion,
    /// Whether the next try takes it even if it is much shorter than before.
    pub takes_short: bool,
    /// Grows with each try.
    pub step: i64,
}

/// Why a try changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceProblem {
    /// It cannot be fetched or read.
    #[error("{cause}")]
    Unreadable {
        /// Why, in English.
        cause: String,
    },
    /// It names no node that probes can check.
    #[error("it names no node that can be checked")]
    Empty,
    /// It has less than half of the nodes that it had.
    #[error("it has only {listed} nodes and had {before}; 'hub source fetch --take-short' takes it")]
    Short {
        /// How many it has.
        listed: u32,
        /// How many it had when it was last read.
        before: u32,
    },
    /// It has more nodes than a source may have.
    #[error("it has {listed} nodes, and a source may have {max}")]
    Long {
        /// How many it has.
        listed: u32,
        /// The maximum.
        max: u32,
    },
    /// It took too long to fetch.
    #[error("it was not complete after {seconds} s")]
    Slow {
        /// The deadline, in seconds.
        seconds: u64,
    },
}

/// What a try found.
#[derive(Debug, Clone)]
pub enum SourceReading {
    /// Nothing that may be used.
    Failed(SourceProblem),
    /// The version that was read before.
    NotModified,
    /// Another list.
    List {
        /// Its nodes.
        peers: Vec<NewPeer>,
        /// How many of its entries are none.
        refused: u32,
        /// What is wrong with the first of these.
        refusals: Vec<String>,
        /// Its version.
        version: ListVersion,
    },
}

/// What followed from a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceChanges {
    /// How many peers were added.
    pub added: usize,
    /// How many nodes were put into the queue of approval.
    pub proposed: usize,
    /// How many wait for room in the queue.
    pub waiting: usize,
    /// How many peers were changed.
    pub changed: usize,
    /// How many peers that it lacks for so long that they are not watched any more, and submissions that were withdrawn.
    pub dropped: usize,
    /// How many peers are watched again because it lists them again.
    pub restored: usize,
}

impl SourceChanges {
    /// Whether nothing changed.
    pub fn is_none(&self) -> bool {
        let Self { added, proposed, waiting: _, changed, dropped, restored } = self;
        added + proposed + changed + dropped + restored == 0
    }
}
