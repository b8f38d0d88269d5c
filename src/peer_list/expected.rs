//! What the fields of a peer in a document must be.

use std::fmt;

/// What the value of a field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A text.
    Text,
    /// An array of texts.
    Texts,
    /// True or false.
    Boolean,
    /// A whole number.
    Whole,
    /// A whole number from 0 to this one.
    UpTo(u32),
    /// `guest` or `member`.
    Access,
}

impl Expected {
    /// What the value of this field of a peer must be.
    pub(super) fn of(field: &str) -> Self {
        match field {
            "id" | "timeout_ms" => Self::Whole,
            "port" => Self::UpTo(u16::MAX.into()),
            "max_connections" => Self::UpTo(u32::MAX),
            "tags" | "regions" => Self::Texts,
            "allow_relay" | "is_approved" | "submitted" | "test_relay" => Self::Boolean,
            "access" => Self::Access,
            _ => Self::Text,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Texts => f.write_str("an array of texts"),
            Self::Boolean => f.write_str("true or false"),
            Self::Whole => f.write_str("a whole number"),
            Self::UpTo(max) => write!(f, "a whole number from 0 to {max}"),
            Self::Access => f.write_str("'guest' or 'member'"),
        }
    }
}
