//! What is wrong with a file of peers, as types: the command line prints them, and the pages translate them.

use std::fmt;

use easytier_probe::peer_list::ListedPeerError;
use easytier_uptime_store::domain::LabelError;

/// The place of a peer in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What `number` counts.
    pub unit: Unit,
    /// From 1.
    pub number: u64,
    /// The peer's name or address, if it has one.
    pub label: Option<String>,
}

/// What the places of a file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Lines of the file.
    Line,
    /// Peers of a document.
    Peer,
}

impl Place {
    /// The line of this number.
    pub fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number, label: None }
    }

    /// The peer of this number.
    pub fn peer(number: usize) -> Self {
        Self { unit: Unit::Peer, number: number as u64, label: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Line => "line",
            Unit::Peer => "peer",
        };
        write!(f, "{unit} {}", self.number)?;
        match &self.label {
            Some(label) => write!(f, " ('{label}')"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a file, or with a peer in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file has a `[[peers]]` table and cannot be read as TOML.
    #[error("not TOML: {0}")]
    NotToml(String),
    /// The file begins like JSON and cannot be read as JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The file cannot be read as a table.
    #[error("not CSV: {0}")]
    NotCsv(String),
    /// The first line of the table names no column with an address.
    #[error(
        "not CSV as it is read here: the first line must name the columns, 'url' (or 'host' and 'port') among them"
    )]
    NoAddressColumn,
    /// The document has no list of peers.
    #[error("no list of peers: expected an array of peers, or an object with 'peers' or 'data.items'")]
    NoList,
    /// The value is not a peer; the text never holds a secret.
    #[error("not a peer: {0}")]
    NotAPeer(String),
    /// The row has more cells than the table has columns.
    #[error("it has {cells} cells, and there are {columns} columns")]
    TooManyCells {
        /// Of the row.
        cells: usize,
        /// Of the table.
        columns: usize,
    },
    /// The row cannot be read.
    #[error("{0}")]
    Row(String),
    /// The cell must be a whole number.
    #[error("{column}: '{cell}' is no whole number")]
    NotANumber {
        /// The name of the column.
        column: String,
        /// Its text.
        cell: String,
    },
    /// The cell must be true or false.
    #[error("{column}: '{cell}' is neither true nor false")]
    NotABoolean {
        /// The name of the column.
        column: String,
        /// Its text.
        cell: String,
    },
    /// The peer is checked as a member, and the file lacks the network's secret.
    #[error(
        "it is checked as a member of its network, and the network's secret is not here: export it with --with-secrets, \
         or write access 'guest'"
    )]
    NoSecret,
    /// There is no such check.
    #[error("its check '{0}' is neither 'full' nor 'handshake'")]
    UnknownCheck(String),
    /// A timeout of 0 ms.
    #[error("its timeout_ms is 0")]
    ZeroTimeout,
    /// A tag or a region is not valid.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The address or the port is missing or not valid.
    #[error(transparent)]
    Peer(#[from] ListedPeerError),
}
