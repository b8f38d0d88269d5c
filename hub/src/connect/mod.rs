//! The best node for a client: which nodes fit, and which of them it gets.

mod choice;
mod fit;
#[cfg(test)]
mod simulation;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use easytier_probe::{Scheme, peer::DEFAULT_NETWORK_NAME};
use easytier_uptime_monitor::Party;
use easytier_uptime_store::domain::{PeerId, Region, Tag};
use moka::sync::Cache;
use rand::{SeedableRng, rngs::SmallRng};

pub use self::fit::Unfit;
use self::{choice::Choices, fit::fitting};
use crate::board::{Entry, Snapshot};

/// How long a client gets the same node, as long as it fits.
const STICKY: Duration = Duration::from_secs(600);

/// How many clients are remembered.
const CLIENTS: u64 = 100_000;

/// For how many wishes the fitting nodes of the newest snapshot are kept.
const WISHES: u64 = 256;

/// The maximum number of nodes that a client gets.
pub const MAX_COUNT: u32 = 16;

/// What a client wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Nodes that this region sees; without it those that all regions together see.
    pub region: Option<Region>,
    /// Nodes with any of these tags; any node when there are none.
    pub tags: BTreeSet<Tag>,
    /// Nodes with this scheme.
    pub protocol: Option<Scheme>,
    /// Nodes that were found to relay; when none of them fits, those that were never tested and whose owners offer it.
    pub relay: bool,
}

/// Who gets the same node again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// The members of a network, by a hash of its name: they find each other at the same node only.
    Network(u64),
    /// The callers from one place.
    Party(Party),
}

/// Chooses nodes for clients. Clones share what is remembered.
#[derive(Clone)]
pub struct Connector {
    fitting: Cache<Wish, Arc<Fitting>>,
    given: Cache<(Client, Wish), PeerId>,
    /// Nobody knows which names have the same hash.
    hasher: RandomState,
}

/// The nodes of a snapshot that fit a wish.
struct Fitting {
    snapshot: u64,
    choices: Result<Choices, Unfit>,
}

impl Default for Connector {
    fn default() -> Self {
        Self {
            fitting: Cache::builder().max_capacity(WISHES).build(),
            given: Cache::builder().max_capacity(CLIENTS).time_to_idle(STICKY).time_to_live(STICKY * 6).build(),
            hasher: RandomState::new(),
        }
    }
}

impl Connector {
    /// The client from `party` that names its network. Very many networks have EasyTier's default name, or none.
    pub fn client(&self, party: Party, network: Option<&[u8]>) -> Client {
        match network {
            Some(name) if !name.is_empty() && name != DEFAULT_NETWORK_NAME.as_bytes() => {
                Client::Network(self.hasher.hash_one(name))
            }
            _ => Client::Party(party),
        }
    }

    /// Up to `count` nodes, at least one, for a client, the best first. The first one is the one that the client got lately, if that still fits.
    ///
    /// # Errors
    ///
    /// When no node fits: how many fail at what.
    pub fn nodes<'a>(
        &self,
        snapshot: &'a Snapshot,
        client: Client,
        wish: Wish,
        count: usize,
    ) -> Result<Vec<&'a Entry>, Unfit> {
        let fitting = self.fitting(snapshot, &wish);
        let choices = fitting.choices.as_ref().map_err(Unfit::clone)?;
        let key = (client, wish);
        let known = self.given.get(&key).filter(|id| choices.has(*id));
        let mut rng = SmallRng::from_rng(&mut rand::rng());
        let chosen = choices.choose(&mut rng, known, count);
        if let (None, Some(first)) = (known, chosen.first()) {
            self.given.insert(key, *first);
        }
        Ok(chosen.into_iter().filter_map(|id| snapshot.entry(id)).collect())
    }

    fn fitting(&self, snapshot: &Snapshot, wish: &Wish) -> Arc<Fitting> {
        let find = || {
            let choices = fitting(snapshot, wish).map(Choices::new);
            Arc::new(Fitting { snapshot: snapshot.number, choices })
        };
        let entry = self.fitting.entry_by_ref(wish);
        entry.or_insert_with_if(find, |known| known.snapshot != snapshot.number).into_value()
    }
}
