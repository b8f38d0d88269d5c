//! Versions of EasyTier, as far as they are compared.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The numbers of a version of EasyTier. What nodes append to them, such as the commit of a build, does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeVersion([u32; 3]);

/// A text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a version as 2.4.5")]
pub struct NodeVersionError;

impl NodeVersion {
    /// The version that a node reports, such as `2.4.5-4d2a1b8c`; `None` when it has not three numbers.
    pub fn reported(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut parts = numbers.split('.').map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        Some(Self([major, minor, patch]))
    }
}

impl fmt::Display for NodeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl FromStr for NodeVersion {
    type Err = NodeVersionError;

    fn from_str(text: &str) -> Result<Self, NodeVersionError> {
        Self::reported(text).filter(|version| version.to_string() == text).ok_or(NodeVersionError)
    }
}

impl TryFrom<String> for NodeVersion {
    type Error = NodeVersionError;

    fn try_from(text: String) -> Result<Self, NodeVersionError> {
        text.parse()
    }
}

impl From<NodeVersion> for String {
    fn from(version: NodeVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_report_is_compared_by_its_numbers() {
        let of = |text| NodeVersion::reported(text);
        assert!(of("2.4.5-4d2a1b8c") < of("2.10.0") && of("2.4.5") == of("v2.4.5~8a7b"));
        for text in ["", "2.4", "next", "2.4.x", "2..5", "99999999999.1.1"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!("2.4.5".parse::<NodeVersion>().unwrap().to_string(), "2.4.5");
        assert_eq!("2.4.5-x".parse::<NodeVersion>(), Err(NodeVersionError));
        assert_eq!("2.04.5".parse::<NodeVersion>(), Err(NodeVersionError));
    }
}
