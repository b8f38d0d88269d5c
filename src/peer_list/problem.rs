//! Problems with a list of peers, as types: the command line prints them, and the pages of a hub translate them.

use serde::{Deserialize, Serialize};

use super::{
    expected::Expected,
    place::Place,
    syntax::{JsonMistake, TomlMistake},
};
use crate::PeerUrlError;

/// Why a list cannot be read at all. Each text goes on from the name of the list and "is".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListProblem {
    /// Its bytes are UTF-16, as PowerShell's `>` writes them.
    #[error("UTF-16, which is not read; save it as UTF-8 (in PowerShell: ... | Out-File -Encoding utf8 FILE)")]
    Utf16,
    /// Its bytes are no UTF-8.
    #[error("not UTF-8 text; save it as UTF-8")]
    NotUtf8,
    /// It is HTML.
    #[error("a web page and no list; use the address of the list itself")]
    WebPage,
    /// It is written like TOML and cannot be read as TOML.
    #[error("not TOML: {0}")]
    NotToml(TomlMistake),
    /// It begins like JSON and cannot be read as JSON.
    #[error("not JSON: {0}")]
    NotJson(JsonMistake),
    /// It cannot be read as a table.
    #[error("not CSV: {0}")]
    NotCsv(String),
    /// The first line of the table names no column with an address.
    #[error("not a supported CSV table: the first line must name the columns, including 'url' (or 'host' and 'port')")]
    NoAddressColumn,
    /// The document has no list of peers.
    #[error("not a list of peers: expected an array of peers, or an object with 'peers' or 'data.items'")]
    NoList,
    /// The TOML document has neither `[[peers]]` nor EasyTier's `[[peer]]`.
    #[error("TOML without peers: expected [[peers]] tables, or the [[peer]] tables of EasyTier")]
    NoPeerTable,
    /// A quote in a command line is not closed.
    #[error("a command line in which a quote is not closed")]
    OpenQuote,
    /// It says itself that it holds only a part of the peers.
    #[error("{0}; put all peers in one list, or import the list from its URL, which reads all pages")]
    Part(Part),
    /// It has more entries than whoever reads it takes.
    #[error("longer than {max} entries")]
    TooLong {
        /// The maximum.
        max: usize,
    },
    /// It hides the address of each of its peers.
    #[error("a list that hides its addresses: not one of its {count} peers can be reached")]
    Hidden {
        /// The number of peers.
        count: usize,
    },
}

/// How much of a list a document holds, by its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The number of peers in the document.
    pub count: usize,
    /// The number of peers in the whole list, if the document says it.
    pub total: Option<u64>,
    /// The number of the page, from 1, if the document says it.
    pub page: Option<u64>,
    /// The number of pages, if the document says it.
    pub pages: Option<u64>,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.page, self.pages) {
            (Some(page), Some(pages)) => write!(f, "page {page} of {pages}")?,
            (None, Some(pages)) => write!(f, "one of {pages} pages")?,
            (_, None) => f.write_str("one page of a longer list")?,
        }
        match self.total {
            Some(total) => write!(f, ", with {} of {total} peers", self.count),
            None => write!(f, ", with {} peers", self.count),
        }
    }
}

/// Why one peer of a list is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerProblem {
    /// The value is neither an object nor a text.
    #[error("not a peer: expected a URL, or an object with the fields of a peer")]
    NotAPeer,
    /// The value of a field has the wrong type.
    #[error("its '{field}' must be {expected}")]
    WrongType {
        /// The name of the field.
        field: String,
        /// What its value must be.
        expected: Expected,
    },
    /// The row has more cells than the table has columns.
    #[error("the row has {cells} cells, but the table has only {columns} columns")]
    TooManyCells {
        /// The number of cells in the row.
        cells: usize,
        /// The number of columns of the table.
        columns: usize,
    },
    /// It has more connections than a node has.
    #[error("it has more than {max} connections")]
    TooManyConnections {
        /// The maximum.
        max: usize,
    },
    /// The row cannot be read.
    #[error("{0}")]
    Row(String),
    /// The peer is checked as a member, but the list lacks the secret of its network.
    #[error(
        "the peer is checked as a member of its network, but the network secret is missing: export with --with-secrets, \
         or set access to 'guest'"
    )]
    NoSecret,
    /// The check depth is unknown.
    #[error("its check '{0}' is neither 'full' nor 'handshake'")]
    UnknownCheck(String),
    /// The timeout is 0 ms.
    #[error("its timeout_ms is 0")]
    ZeroTimeout,
    /// It has no address in any form.
    #[error("it names neither 'url' nor 'host' nor 'public_ip'")]
    NoAddress,
    /// It has a field for its address, which is empty, as in lists that hide the addresses of nodes.
    #[error("its address is empty; a list may hide the addresses of some nodes")]
    EmptyAddress,
    /// It has no id, and there is no default.
    #[error("its 'id' is missing")]
    NoId,
    /// It has a `host` without a `port`.
    #[error("its 'port' is missing")]
    NoPort,
    /// Its address is not valid, or nobody can connect to it.
    #[error(transparent)]
    Url(#[from] PeerUrlError),
}

impl PeerProblem {
    /// Whether the list does not tell where the peer is.
    pub(super) fn hides_address(&self) -> bool {
        matches!(self, Self::EmptyAddress | Self::Url(PeerUrlError::Masked(_)))
    }
}

/// A problem with a peer, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Refused {
    /// The place of the peer.
    pub place: Place,
    /// Why the peer is not valid.
    pub problem: PeerProblem,
}
