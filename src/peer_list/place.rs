//! Where in a list a peer is.

use std::fmt;

/// The place of a peer in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What `number` counts.
    pub unit: Unit,
    /// The number of the line or peer, from 1.
    pub number: u64,
    /// The peer's name, or its address without a password or a token, if it has one.
    pub label: Option<String>,
}

/// The unit in which places of a list are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Lines of the text.
    Line,
    /// Peers of a document.
    Peer,
    /// URLs that a person typed.
    Url,
}

impl Place {
    pub(super) fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number, label: None }
    }

    pub(super) fn peer(number: usize) -> Self {
        Self { unit: Unit::Peer, number: number as u64, label: None }
    }

    pub(super) fn url(number: usize) -> Self {
        Self { unit: Unit::Url, number: number as u64, label: None }
    }
}

/// `line 3`, or `peer 2 ('name')`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Line => "line",
            Unit::Peer => "peer",
            Unit::Url => "URL",
        };
        write!(f, "{unit} {}", self.number)?;
        match &self.label {
            Some(label) => write!(f, " ('{label}')"),
            None => Ok(()),
        }
    }
}
