//! Problems with a file of peers, as types: the command line prints them, and the pages translate them.

use std::fmt;

use easytier_probe::peer_list::ListedPeerError;
use easytier_uptime_store::domain::LabelError;

use super::{
    expected::Expected,
    syntax::{JsonMistake, TomlMistake},
};

/// The place of a peer in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What `number` counts.
    pub unit: Unit,
    /// The number of the line or peer, from 1.
    pub number: u64,
    /// The peer's name or address, if it has one.
    pub label: Option<String>,
}

/// The unit in which places of a file are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Lines of the file.
    Line,
    /// Peers of a document.
    Peer,
}

impl Place {
    /// The line with this number.
    pub fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number, label: None }
    }

    /// The peer with this number.
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

/// A problem with a file, or with a peer in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file has a `[[peers]]` table and cannot be read as TOML.
    #[error("not TOML: {0}")]
    NotToml(TomlMistake),
    /// The file begins like JSON and cannot be read as JSON.
    #[error("not JSON: {0}")]
    NotJson(JsonMistake),
    /// The file cannot be read as a table.
    #[error("not CSV: {0}")]
    NotCsv(String),
    /// The first line of the table names no column with an address.
    #[error("not a supported CSV table: the first line must name the columns, including 'url' (or 'host' and 'port')")]
    NoAddressColumn,
    /// The document has no list of peers.
    #[error("not a list of peers: expected an array of peers, or an object with 'peers' or 'data.items'")]
    NoList,
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
    /// The row cannot be read.
    #[error("{0}")]
    Row(String),
    /// The cell must be a whole number.
    #[error("{column}: '{cell}' is not a whole number")]
    NotANumber {
        /// The name of the column.
        column: String,
        /// The text of the cell.
        cell: String,
    },
    /// The cell must be true or false.
    #[error("{column}: '{cell}' is neither true nor false")]
    NotABoolean {
        /// The name of the column.
        column: String,
        /// The text of the cell.
        cell: String,
    },
    /// The peer is checked as a member, but the file lacks the secret of its network.
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
    /// A tag or a region is not valid.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The address or the port is missing or not valid.
    #[error(transparent)]
    Peer(#[from] ListedPeerError),
}
