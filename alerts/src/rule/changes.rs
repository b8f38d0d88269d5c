//! The changes that a rule tells.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Serialize};

use super::Change;

/// The changes that a rule tells. Those that only a newer version knows are kept as they were written: this version does not tell
/// them, and does not take them from the instances that do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Changes {
    known: BTreeSet<Change>,
    newer: BTreeSet<String>,
}

impl Changes {
    /// Whether all are known to this version.
    pub fn are_known(&self) -> bool {
        self.newer.is_empty()
    }

    /// Takes over what only a newer version knows.
    pub(super) fn keep_newer(&mut self, other: &Self) {
        self.newer.extend(other.newer.iter().cloned());
    }
}

impl Deref for Changes {
    type Target = BTreeSet<Change>;

    fn deref(&self) -> &BTreeSet<Change> {
        &self.known
    }
}

impl DerefMut for Changes {
    fn deref_mut(&mut self) -> &mut BTreeSet<Change> {
        &mut self.known
    }
}

impl FromIterator<Change> for Changes {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        Self { known: changes.into_iter().collect(), newer: BTreeSet::new() }
    }
}

impl<const N: usize> From<[Change; N]> for Changes {
    fn from(changes: [Change; N]) -> Self {
        changes.into_iter().collect()
    }
}

impl From<Vec<String>> for Changes {
    fn from(names: Vec<String>) -> Self {
        let mut changes = Self::default();
        for name in names {
            match name.parse() {
                Ok(change) => drop(changes.known.insert(change)),
                Err(_) => drop(changes.newer.insert(name)),
            }
        }
        changes
    }
}

impl From<Changes> for Vec<String> {
    fn from(changes: Changes) -> Self {
        changes.known.iter().map(ToString::to_string).chain(changes.newer).collect()
    }
}
