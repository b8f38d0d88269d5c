//! Lists of nodes that a hub keeps following.

use std::time::Duration;

use easytier_probe::{
    Secret,
    peer_list::ListProblem,
    remote_list::{FetchError, ListVersion, Obstacle},
};
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
        /// What kind of failure it is, for other languages.
        #[serde(default)]
        fault: ListFault,
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

impl SourceProblem {
    /// What can be told of a stored problem that only a newer version knows.
    pub(crate) fn of_newer(stored: &str) -> Self {
        let known: Option<serde_json::Value> = serde_json::from_str(stored).ok();
        let cause = known.and_then(|problem| Some(problem.get("cause")?.as_str()?.to_owned()));
        Self::Unreadable { cause: cause.unwrap_or_else(|| stored.to_owned()), fault: ListFault::Other }
    }
}

/// Why a list cannot be fetched or read, without what only the English text tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListFault {
    /// The server cannot be reached.
    Unreachable(Obstacle),
    /// The response ended too early.
    CutOff,
    /// The server refused the request.
    Answered {
        /// The HTTP status.
        status: u16,
    },
    /// The response is no list.
    NotAList(ListProblem),
    /// It is longer than a source may be.
    TooLong {
        /// The maximum, in bytes.
        max_bytes: usize,
    },
    /// It has too many pages.
    TooManyPages,
    /// The site gives fewer nodes than it says it has.
    Incomplete {
        /// How many it gave.
        given: usize,
        /// How many it says it has; `None` if it only says that there are more.
        announced: Option<u64>,
    },
    /// Something else, or what an earlier version noted.
    #[default]
    Other,
}

impl From<&FetchError> for ListFault {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::Unreachable { obstacle, .. } => Self::Unreachable(*obstacle),
            FetchError::CutOff { .. } => Self::CutOff,
            FetchError::Answered { status, .. } => Self::Answered { status: status.as_u16() },
            FetchError::NotAList { problem, .. } => Self::NotAList(problem.clone()),
            FetchError::TooLong { max_bytes, .. } => Self::TooLong { max_bytes: *max_bytes },
            FetchError::TooManyPages(_) => Self::TooManyPages,
            FetchError::Incomplete { given, announced, .. } => {
                Self::Incomplete { given: *given, announced: Some(*announced) }
            }
            FetchError::NoNextPage { given, .. } => Self::Incomplete { given: *given, announced: None },
            // Also errors of a newer library.
            _ => Self::Other,
        }
    }
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
